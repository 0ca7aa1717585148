"""Few experts per batch: every token to K experts, of which the batch may use B in all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidProblem
from equipoise.problems.assignment import AssignmentProblem
from equipoise.problems.over_assignment import OverAssignment


@dataclass(frozen=True, eq=False, init=False)
class FewExpertsProblem(OverAssignment):
    r"""An assignment problem in which the whole batch uses at most B experts.

    .. math:: \max \sum_{t,e} s_{te} x_{te} \quad \text{s.t.} \quad x_{te} \le y_e, \quad \sum_e y_e \le B

    beside what the assignment problem asks. In decoding, the time of a step is that of reading the weights of every
    expert that some token uses. With B given this is choosing facilities, which is hard: integer programs, and a dual
    bound that often meets them. Source: OEA (arXiv 2511.02237) and XShare (arXiv 2602.07265) choose by rules; the
    optimum is our definition.

    Parameters
    ----------
    assignment
        Tokens, experts and capacities.
    most_experts
        B, from 1 to E.

    Raises
    ------
    InvalidProblem
        If no B experts have room for all tokens: in closed form, as for the assignment problem.
    """

    assignment: AssignmentProblem
    most_experts: int

    def __init__(self, assignment: AssignmentProblem, most_experts: int) -> None:
        whole = not isinstance(most_experts, bool) and isinstance(most_experts, int | np.integer)
        if not whole or not 1 <= most_experts <= assignment.num_experts:
            allowed = f"a whole number, 1 to E={assignment.num_experts}"
            raise InvalidProblem("most_experts", repr(most_experts)[:80], allowed)
        object.__setattr__(self, "assignment", assignment)
        object.__setattr__(self, "most_experts", int(most_experts))
        if not assignment.drop and not self.holds(np.argsort(-assignment.capacity, kind="stable")[:most_experts]):
            given = f"{most_experts}: no so many experts have room for all tokens"
            raise InvalidProblem("most_experts", given, "more experts or capacity, or drop=True")

    def holds(self, experts: npt.NDArray[Any]) -> bool:
        """Whether these experts alone have room for K experts of every token; what a token may drop needs no room."""
        plain = self.assignment
        if plain.drop:
            return True
        room = np.minimum(plain.capacity[experts], len(plain.tokens))
        return int(room.sum()) >= plain.demand and (len(experts) >= plain.top_k or not plain.demand)

    def __repr__(self) -> str:
        return f"FewExpertsProblem({self.assignment!r}, most_experts={self.most_experts})"
