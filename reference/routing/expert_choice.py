r"""Expert choice (arXiv 2202.09368): experts choose tokens.

    every expert takes its top k tokens by s[:, e],     k = n c / e = T K / E

with n tokens, e experts and c (here K) experts per token on average. Loads are equal by construction; a token gets
anything from 0 to E experts, so the answer is a mask. The paper's s is a softmax over experts; the gate weights are the
scores of what was chosen. Not causal: whether a token is taken depends on later ones.

Open in the paper: ``T K / E`` if it is not an integer, here its ceiling, the default capacity of an assignment
problem (so that at ``T K < E`` every expert still takes one token); ties, here to the earlier token.

Its score is to be compared with the relaxation without token rows, never with the assignment optimum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.routing import Routing


def expert_choice(scores: npt.NDArray[Any], top_k: int) -> Routing:
    """Route by expert choice; returns a mask ``[T, E]``. Cost: O(T E log T)."""
    scores = np.asarray(scores, np.float64)
    tokens, experts = scores.shape
    capacity = -(-tokens * top_k // experts)
    taken = np.argsort(-scores, axis=0, kind="stable")[:capacity]
    mask = np.zeros(scores.shape, bool)
    np.put_along_axis(mask, taken, True, axis=0)
    return Routing(mask, np.where(mask, scores, 0.0))


expert_choice.capabilities = frozenset({"any number"})  # type: ignore[attr-defined]  # of experts per token
