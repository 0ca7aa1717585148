"""What solving gives: an answer, rigorous bounds, the evidence for it, and what the engine itself said."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Context, Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from equipoise.certificates.certificate import Certificate
from equipoise.certificates.check.verdict import Verdict
from equipoise.metrics import loads, max_vio
from equipoise.problems import MigrationProblem, PlacementProblem, Problem, SchedulingProblem, ScoredProblem

Status = Literal["optimal", "bounded", "infeasible", "unknown"]
Evidence = Literal["certified", "searched", "cross-checked", "claimed"]

PROVED: tuple[Evidence, ...] = ("certified", "searched")
"""Evidence that needs no solver: the check accepted the certificate."""

SCHEMA = "equipoise-solution/1"
"""Of :meth:`Solution.to_dict`, and of what ``equipoise solve --format json`` prints."""

ARRAYS = ("experts", "split", "flows", "physical_to_logical", "copies", "loads", "prices")
"""What it has of arrays."""

__all__ = ["ARRAYS", "PROVED", "SCHEMA", "Evidence", "Solution", "Status", "Verdict"]


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """An answer to a problem.

    Attributes
    ----------
    status
        "optimal": with evidence that nothing is better on the problem's grid; "bounded": feasible, with a proved bound
        that it does not meet; "infeasible"; "unknown": nothing was found.
    solver
        Name of the engine.
    evidence
        "certified": the check accepted a short proof of optimality; "searched": it accepted a proof that consists in
        repeating an exhaustive search (without a solver); "cross-checked": independent engines agree; "claimed"
        otherwise.
    objective
        Of the answer, recomputed exactly: the score of ``experts`` on the grid, the peak of ``split``, the traffic of
        ``flows``; None without an answer.
    lower, upper
        ``lower <= true optimum <= upper``, always rigorous; rounding to the grid is part of them. None: not known.
    experts
        ``[T, K]`` expert indices, ascending, -1 (last) for none. Routing.
    split
        ``[E, G]`` tokens of each expert on each device; floats where tokens may be divided. Devices.
    flows
        ``[G, E, G]`` tokens from source device to expert to serving device. Traffic.
    physical_to_logical
        ``[P]`` expert in each slot, -1 for an unused slot. Placement, migration.
    copies
        ``[E, G]`` booleans: which device holds a copy of which expert. Replication.
    certificate
        Proof of optimality (or that there is no answer) that the check accepted, else None.
    bound_proof
        Without such a certificate, the one that proves the bound: ``upper`` of a score, ``lower`` of what is
        minimised. Its verdict is not valid: it does not prove an answer optimal.
    raw_objective, raw_status
        What the engine said of its own answer, before anything was mended.
    repairs
        What had to be mended to get from the engine's answer to this one, and which engine was asked in vain before.
    seconds
        Wall time: engine, mending and certificate.
    problem
        What was solved.
    """

    status: Status
    solver: str
    evidence: Evidence = "claimed"
    objective: Fraction | None = None
    lower: Fraction | None = None
    upper: Fraction | None = None
    experts: npt.NDArray[np.int64] | None = None
    split: npt.NDArray[Any] | None = None
    flows: npt.NDArray[np.int64] | None = None
    physical_to_logical: npt.NDArray[np.int64] | None = None
    copies: npt.NDArray[np.bool_] | None = None
    certificate: Certificate | None = None
    bound_proof: Certificate | None = None
    raw_objective: Fraction | None = None
    raw_status: str = ""
    repairs: tuple[str, ...] = ()
    seconds: float = 0.0
    problem: Problem | None = field(default=None, kw_only=True)

    @property
    def gap(self) -> Fraction | None:
        """``upper - lower``; None while a bound is missing."""
        return None if self.lower is None or self.upper is None else self.upper - self.lower

    @property
    def proof(self) -> Certificate | None:
        """The certificate of optimality, or else that of the bound."""
        return self.bound_proof if self.certificate is None else self.certificate

    @property
    def prices(self) -> npt.NDArray[np.float64] | None:
        """``[E]`` prices of the experts' capacities in units of the scores; None for problems without scores."""
        proof: Any = self.proof
        if not isinstance(self.problem, ScoredProblem) or not hasattr(proof, "prices"):
            return None
        with np.errstate(over="ignore"):  # prices of the largest scores can leave the floats
            prices: npt.NDArray[np.float64] = np.ldexp(proof.prices.astype(np.float64), -proof.exponent)
        return prices

    @cached_property
    def loads(self) -> npt.NDArray[Any] | None:
        """Tokens of each expert ``[E]`` (routing) or each device ``[G]``, base loads included; None without an answer.

        Floats where tokens may be divided.
        """
        problem = self.problem
        if self.experts is not None:
            experts = getattr(problem, "assignment", problem)
            return loads(self.experts, getattr(experts, "num_experts", 0))
        if self.split is not None:
            held: npt.NDArray[Any] = self.split.sum(axis=0)
            return held + problem.base_load if isinstance(problem, SchedulingProblem) else held
        problem = problem.placement if isinstance(problem, MigrationProblem) else problem
        if self.physical_to_logical is not None and isinstance(problem, PlacementProblem):
            counts = problem.counts(self.physical_to_logical)
            share: npt.NDArray[np.float64] = problem.load / counts.sum(axis=1) @ counts
            return share
        return None

    @property
    def peak(self) -> int | float | None:
        """The largest of :attr:`loads`, in tokens; None without an answer."""
        return None if self.loads is None else self.loads.max(initial=0).item()

    def to_dict(self) -> dict[str, Any]:
        """Return all but the certificates as JSON has it: exact fractions as strings "p/q", arrays as lists."""
        grid = getattr(self.problem, "grid", None)
        asked = getattr(getattr(self.problem, "assignment", self.problem), "demand", None)
        return {
            "schema": SCHEMA,
            "problem": repr(self.problem),
            "status": self.status,
            "evidence": self.evidence,
            "objective": _exact(self.objective),
            "lower": _exact(self.lower),
            "upper": _exact(self.upper),
            "grid_error": _exact(None if grid is None else grid.error),
            "peak": self.peak,
            "max_vio": None if self.loads is None else max_vio(self.loads, asked),
            "solver": self.solver,
            "raw_status": self.raw_status,
            "raw_objective": _exact(self.raw_objective),
            "repairs": list(self.repairs),
            "seconds": self.seconds,
            **{name: _listed(getattr(self, name)) for name in ARRAYS},
        }

    def __repr__(self) -> str:
        facts = [f"{self.status}, {self.evidence}"]
        if self.objective is not None:
            facts.append(f"objective {short(self.objective)}")
        if self.objective is None or self.gap != 0:
            facts += [f"{name} {short(b)}" for name in ("lower", "upper") if (b := getattr(self, name)) is not None]
        return f"Solution({', '.join(facts)}, by {self.solver} in {self.seconds:.3g} s)"


def short(number: Fraction) -> str:
    """Show up to 12 significant digits."""
    try:
        return f"{float(number):.12g}"
    except OverflowError:
        return str(Context(prec=12).divide(Decimal(number.numerator), number.denominator).normalize()).lower()


def _exact(number: Fraction | None) -> str | None:
    return None if number is None else str(number)


def _listed(array: npt.NDArray[Any] | None) -> list[Any] | None:
    """Lists as JSON has them, which has no infinite numbers."""
    if array is None:
        return None
    return array.tolist() if np.isfinite(array).all() else [x if np.isfinite(x) else None for x in array.tolist()]
