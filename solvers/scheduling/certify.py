"""What a scheduling problem makes of a claim: the split as it stands where it is proved, else levelled."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import frozen
from equipoise.certificates.check.scheduling import peak_of
from equipoise.certificates.kinds.scheduling import SchedulingCertificate
from equipoise.problems import SchedulingProblem
from equipoise.solvers.claim import Candidate, Claim
from equipoise.solvers.scheduling.relieve import Relieved, bound, first_cut, relieve, rounded


def certify(problem: SchedulingProblem, claim: Claim, deadline: float | None) -> Iterator[Candidate]:
    """Level the claimed split until a set of devices proves its peak; without one, take the best obvious set."""
    if claim.answer is None:
        nothing = np.zeros(problem.hosts.shape, np.int64)
        yield Candidate(SchedulingCertificate.of(problem, nothing, 1, first_cut(problem)[0]))
        return
    best = _best(problem, claim, claim.answer, deadline)
    changed = int((best.split * claim.denominator != claim.answer * best.denominator).sum())
    yield Candidate(
        SchedulingCertificate.of(problem, best.split, best.denominator, best.devices),
        {"split": frozen(best.split / best.denominator if problem.fractional else best.split)},
        (f"rounded or moved {changed} shares",) if changed else (),
    )


def _best(problem: SchedulingProblem, claim: Claim, split: npt.NDArray[Any], deadline: float | None) -> Relieved:
    """Return the claim as it stands where its own device set proves it or nothing better is found; else level it."""
    exact = _exact(problem, split, claim.denominator)
    claimed = _peak(problem, split, claim.denominator) if exact else None
    if exact and claim.duals is not None and bound(problem, claim.duals) == claimed:
        return Relieved(split, claim.denominator, claim.duals)
    start = split if exact and claim.denominator == 1 else rounded(problem, split / claim.denominator)
    best = relieve(problem, start, deadline)
    if claimed is not None and claimed <= _peak(problem, best.split, best.denominator):
        return Relieved(split, claim.denominator, best.devices)
    return best


def _exact(problem: SchedulingProblem, split: npt.NDArray[Any], unit: int) -> bool:
    """Whether the claimed split is feasible as it stands, in integers and in the problem's own form."""
    if split.dtype.kind != "i" or (unit > 1 and not problem.fractional):
        return False
    served = [sum(row) == load * unit for row, load in zip(split.tolist(), problem.load.tolist(), strict=True)]
    return bool((split >= 0).all() and not split[~problem.hosts].any() and all(served))


def _peak(problem: SchedulingProblem, split: npt.NDArray[np.int64], denominator: int) -> Fraction:
    return peak_of(problem.base_load, problem.speed, split, denominator)
