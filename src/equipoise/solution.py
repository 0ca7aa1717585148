"""What solving gives: an answer, rigorous bounds, the evidence for it, and what the engine itself said."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from equipoise.certificates.certificate import Certificate
from equipoise.certificates.check.verdict import Verdict

Status = Literal["optimal", "bounded", "infeasible", "unknown"]
Evidence = Literal["certified", "cross-checked", "claimed"]

__all__ = ["Evidence", "Solution", "Status", "Verdict"]


@dataclass(frozen=True, eq=False)
class Solution:
    """An answer to a problem.

    Attributes
    ----------
    status
        "optimal": proved optimal on the problem's grid; "bounded": feasible, with ``lower < upper``; "infeasible";
        "unknown": nothing was found in time.
    solver
        Name of the engine.
    evidence
        "certified": the certificate was checked; "cross-checked": independent engines agree; "claimed" otherwise.
    objective
        Of the answer, recomputed exactly: the score of ``experts`` on the grid, the peak of ``split``, the traffic of
        ``flows``; None without an answer.
    lower, upper
        ``lower <= true optimum <= upper``, always rigorous; rounding to the grid is part of them. None: not known.
    experts
        ``[T, K]`` expert indices, ascending, -1 (last) for none. Assignment.
    split
        ``[E, G]`` tokens of each expert on each device; floats where tokens may be divided. Scheduling.
    flows
        ``[G, E, G]`` tokens from source device to expert to serving device. Traffic.
    physical_to_logical
        ``[P]`` expert in each slot, -1 for an unused slot. Placement.
    certificate
        Proof of optimality, or None; of a placement also where it only proves the bounds.
    raw_objective, raw_status
        What the engine said of its own answer, before anything was mended.
    repairs
        What had to be mended to get from the engine's answer to the certified one, in words.
    seconds
        Wall time: engine, mending and certificate.
    """

    status: Status
    solver: str
    evidence: Evidence = "claimed"
    objective: Fraction | None = None
    lower: Fraction | None = None
    upper: Fraction | None = None
    experts: npt.NDArray[np.int64] | None = field(default=None, repr=False)
    split: npt.NDArray[Any] | None = field(default=None, repr=False)
    flows: npt.NDArray[np.int64] | None = field(default=None, repr=False)
    physical_to_logical: npt.NDArray[np.int64] | None = field(default=None, repr=False)
    certificate: Certificate | None = field(default=None, repr=False)
    raw_objective: Fraction | None = None
    raw_status: str = ""
    repairs: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def gap(self) -> Fraction | None:
        """``upper - lower``; None while a bound is missing."""
        return None if self.lower is None or self.upper is None else self.upper - self.lower
