r"""MaxScore: the best assignment itself, as a flow (B. Dong et al., 2025; dongbw18/MaxScore 223cb94).

    max sum s[t, e] x[t, e]   s.t.   K experts a token, at most T K / E tokens an expert,   x in {0, 1}

The released code does this for softmax scores, K = 2, 16 experts and runs of 512 tokens at a time, by a flow in C++;
here any K and E, one batch at a time, by minimum-cost flow on scores rounded to ``2^-24`` of the largest magnitude.
Gate weights are the scores. There the weight of the second choice is multiplied by a factor that falls from 4 to 1 over
30,000 training steps (its SoftTopk): 1 here, as at the end.

Not causal: a token's experts depend on later ones. Open there: T K / E that is no whole number (asserted); here the
ceiling. Which of several best assignments is found is the flow's choice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.topk import routed
from equipoise.routing import Routing

_GRID = 2**24


class MaxScore:
    """The optimum on the grid. Cost: a minimum-cost flow with T E arcs."""

    capabilities = frozenset({"respects capacity", "depends on expert order"})

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route this batch."""
        from ortools.graph.python import min_cost_flow

        scores = np.asarray(scores, np.float64)
        tokens, experts = scores.shape
        largest = np.abs(scores).max(initial=0) or 1.0
        costs = -np.round(scores / largest * _GRID).astype(np.int64)
        token, expert = np.divmod(np.arange(scores.size), experts)
        source, sink = tokens + experts, tokens + experts + 1
        flow = min_cost_flow.SimpleMinCostFlow()
        arcs = flow.add_arcs_with_capacity_and_unit_cost(
            token, tokens + expert, np.ones(scores.size, np.int64), costs.ravel()
        )
        free = np.zeros(max(tokens, experts), np.int64)
        flow.add_arcs_with_capacity_and_unit_cost(
            np.full(tokens, source), np.arange(tokens), np.full(tokens, top_k), free[:tokens]
        )
        each = -(-tokens * top_k // experts)
        flow.add_arcs_with_capacity_and_unit_cost(
            tokens + np.arange(experts), np.full(experts, sink), np.full(experts, each), free[:experts]
        )
        flow.set_nodes_supplies(np.array([source, sink]), np.array([tokens * top_k, -tokens * top_k]))
        flow.solve()
        mask = flow.flows(arcs).reshape(scores.shape) > 0
        order = np.argsort(np.where(mask, -scores, np.inf), axis=1, kind="stable")
        return routed(scores, order[:, :top_k])
