r"""MicroMoE (arXiv 2511.16947): the linear program, rounded, then routing by ranges.

    min m   s.t.   sum_{g in H(e)} x[e,g] = load[e],   sum_e x[e,g] <= m,   x >= 0

Open in the paper: how fractions of tokens are rounded. Here every share may only be rounded up or down, and no device
above ``ceil(m)``; such a rounding always exists (a flow with integral bounds) and is found as a maximum flow.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.scheduling.ranges import route_by_ranges

_NEAR, _MOST = 1e-6, 0.01
"""Shares this close to a whole number are whole: the solver's tolerance, of the peak, but always far below a token."""


class MicroMoE:
    """MicroMoE's scheduler; ``num_nodes`` above 1 selects its node-aware routing."""

    capabilities = frozenset({"exact"})

    def __init__(self, num_nodes: int = 1) -> None:
        self.num_nodes = num_nodes

    def __call__(self, load: npt.NDArray[Any], hosts: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Return ``split[E, G]`` for ``load[E]``, or ``flows[G, E, G]`` for ``load[G, E]`` by source device."""
        load = np.asarray(load, np.int64)
        split = rounded(*linear_program(load if load.ndim == 1 else load.sum(axis=0), hosts))
        return split if load.ndim == 1 else route_by_ranges(load, split, self.num_nodes)


def linear_program(
    load: npt.NDArray[np.int64], hosts: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], float, npt.NDArray[np.int64]]:
    """Solve the paper's program by GLOP; return x ``[E, G]``, m and the loads."""
    from ortools.math_opt.python import mathopt

    unit = max(1.0, float(load.sum()) / hosts.shape[1])
    model = mathopt.Model()
    peak = model.add_variable(lb=0.0)
    x = {(e, g): model.add_variable(lb=0.0) for e, g in np.argwhere(hosts).tolist()}
    for expert, tokens in enumerate(load.tolist()):
        replicas = [x[expert, g] for g in np.flatnonzero(hosts[expert]).tolist()]
        if replicas:
            model.add_linear_constraint(mathopt.fast_sum(replicas) == tokens / unit)
    for device in range(hosts.shape[1]):
        held = [x[e, device] for e in np.flatnonzero(hosts[:, device]).tolist()]
        model.add_linear_constraint(mathopt.fast_sum(held) <= peak)
    model.minimize(peak)
    result = mathopt.solve(model, mathopt.SolverType.GLOP)
    split = np.zeros(hosts.shape)
    values = result.variable_values()
    for index, variable in x.items():
        split[index] = max(0.0, values[variable] * unit)
    lost = hosts.any(axis=1) & ~split.any(axis=1)  # so few of so many tokens that they are within the LP's tolerance
    split[lost, hosts[lost].argmax(axis=1)] = load[lost]
    return split, values[peak] * unit, load


def rounded(split: npt.NDArray[np.float64], peak: float, load: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Round ``split[E, G]`` to whole tokens inside a flow, no device above ``ceil(peak)``."""
    from ortools.graph.python import max_flow

    experts, devices = split.shape
    tolerance = min(_MOST, _NEAR * max(1.0, peak))
    whole = np.floor(split + tolerance).astype(np.int64)
    over = np.maximum(0, whole.sum(axis=1) - load)
    whole[np.arange(experts), whole.argmax(axis=1)] -= over
    most = np.maximum(math.ceil(peak - tolerance), whole.sum(axis=0))
    fractional = np.argwhere(split - whole > tolerance)
    flow = max_flow.SimpleMaxFlow()
    source, sink = experts + devices, experts + devices + 1
    flow.add_arcs_with_capacity(np.full(experts, source), np.arange(experts), load - whole.sum(axis=1))
    up = flow.add_arcs_with_capacity(fractional[:, 0], experts + fractional[:, 1], np.ones(len(fractional), np.int64))
    room = most - whole.sum(axis=0)
    flow.add_arcs_with_capacity(experts + np.arange(devices), np.full(devices, sink), room)
    flow.solve(source, sink)
    whole[fractional[:, 0], fractional[:, 1]] += flow.flows(up)
    for expert in np.flatnonzero(whole.sum(axis=1) < load):  # only where the LP's own tolerance lost tokens
        replicas = np.flatnonzero(split[expert] > 0)
        lightest = replicas[whole[:, replicas].sum(axis=0).argmin()]
        whole[expert, lightest] += load[expert] - whole[expert].sum()
    return whole
