"""What a balancer that cannot see the future may fairly be compared with on a stream of batches.

The certified optimum of a batch knows the batch. These two do not: the best fixed bias in hindsight knows the stream
but may not change, and the last batch's exact prices change but know only the past (both our definitions).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.certificates.kinds.assignment import AssignmentCertificate
from equipoise.errors import OracleError
from equipoise.problems import AssignmentProblem
from equipoise.reference.routing.topk import top_k_experts
from equipoise.solvers.assignment.margin import margin
from equipoise.solvers.solve import solve


def exact_bias(problem: AssignmentProblem) -> npt.NDArray[np.float64]:
    """Return a bias ``[E]`` under which top-K is optimal: with the largest margin, or optimal prices where all tie."""
    solution = solve(problem)
    if not isinstance(solution.certificate, AssignmentCertificate):
        raise OracleError(f"{solution.solver} found no certified optimum: {solution.raw_status}")
    robust = margin(problem, solution).bias_values
    if robust.size:
        return robust
    return np.asarray(-solution.certificate.prices * float(problem.grid.unit), np.float64)


class FixedBias:
    """The best fixed bias in hindsight: exact prices of all batches of a sequence taken as one.

    Those prices minimise the sum over the batches of the dual bound ``D(q)`` among all fixed q.
    """

    def __init__(self, batches: Sequence[npt.NDArray[Any]], top_k: int) -> None:
        self.bias = exact_bias(AssignmentProblem(np.concatenate(batches), top_k))

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> npt.NDArray[np.int64]:
        """Route by ``scores + bias``."""
        return top_k_experts(scores + self.bias, top_k)


class LastPrices:
    """Route each batch by the exact prices of the one before it; the first by its scores alone."""

    def __init__(self) -> None:
        self.bias: npt.NDArray[np.float64] | None = None

    def reset(self) -> None:
        """Forget the last batch."""
        self.bias = None

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> npt.NDArray[np.int64]:
        """Route by ``scores + bias``, then solve this batch for the next."""
        chosen = top_k_experts(scores if self.bias is None else scores + self.bias, top_k)
        self.bias = exact_bias(AssignmentProblem(scores, top_k))
        return chosen
