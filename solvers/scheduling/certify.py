"""From an engine's claim to a schedule: level it, and let the solver-free check decide."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import frozen
from equipoise.certificates.check.scheduling import peak_of
from equipoise.certificates.kinds.scheduling import SchedulingCertificate
from equipoise.problems import SchedulingProblem
from equipoise.solution import Solution
from equipoise.solvers.scheduling.claim import Claim
from equipoise.solvers.scheduling.relieve import Relieved, bound, first_cut, relieve, rounded


def certify(problem: SchedulingProblem, claim: Claim, solver: str, deadline: float | None = None) -> Solution:
    """Turn ``claim`` into a :class:`Solution`: "optimal" only if the certificate was accepted."""
    solution = Solution("unknown", solver, raw_objective=claim.objective, raw_status=claim.message or claim.status)
    if claim.split is None:
        return replace(solution, lower=first_cut(problem)[1])
    best = _best(problem, claim, claim.split, deadline)
    certificate = SchedulingCertificate.of(problem, best.split, best.denominator, best.devices)
    verdict = certificate.verify()
    changed = int((best.split * claim.denominator != claim.split * best.denominator).sum())
    return replace(
        solution,
        status="optimal" if verdict.valid else "bounded",
        evidence="certified" if verdict.valid else "claimed",
        objective=_peak(problem, best.split, best.denominator),
        lower=verdict.lower,
        upper=verdict.upper,
        split=frozen(best.split / best.denominator if problem.fractional else best.split),
        certificate=certificate if verdict.valid else None,
        repairs=(f"rounded or moved {changed} shares",) if changed else (),
    )


def _best(problem: SchedulingProblem, claim: Claim, split: npt.NDArray[Any], deadline: float | None) -> Relieved:
    """Return the claim as it stands where its own device set proves it or nothing better is found; else level it."""
    exact = _exact(problem, claim)
    claimed = _peak(problem, split, claim.denominator) if exact else None
    if exact and claim.devices is not None and bound(problem, claim.devices) == claimed:
        return Relieved(split, claim.denominator, claim.devices)
    start = split if exact and claim.denominator == 1 else rounded(problem, split / claim.denominator)
    best = relieve(problem, start, deadline)
    if claimed is not None and claimed <= _peak(problem, best.split, best.denominator):
        return Relieved(split, claim.denominator, best.devices)
    return best


def _exact(problem: SchedulingProblem, claim: Claim) -> bool:
    """Whether the claimed split is feasible as it stands, in integers and in the problem's own form."""
    split, unit = claim.split, claim.denominator
    if split is None or split.dtype.kind != "i" or (unit > 1 and not problem.fractional):
        return False
    served = [sum(row) == load * unit for row, load in zip(split.tolist(), problem.load.tolist(), strict=True)]
    return bool((split >= 0).all() and not split[~problem.hosts].any() and all(served))


def _peak(problem: SchedulingProblem, split: npt.NDArray[np.int64], denominator: int) -> Fraction:
    return peak_of(problem.base_load, problem.speed, split, denominator)
