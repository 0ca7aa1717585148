"""What a communication problem makes of a claim: an exact split, and multipliers that add up.

Dual values of a linear program are floats near fractions with small denominators. They are rounded to such fractions
and scaled to add up exactly; whatever comes out bounds the optimum, and where it meets the split's cost it proves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import lcm

import numpy as np
import numpy.typing as npt

from equipoise.arrays import frozen
from equipoise.certificates.check.communication import Multipliers
from equipoise.certificates.kinds.communication import CommunicationCertificate
from equipoise.problems import CommunicationProblem, SchedulingProblem
from equipoise.solvers.claim import Candidate, Claim
from equipoise.solvers.scheduling.relieve import rounded

DENOMINATOR = 10_000
"""Largest denominator that a float is taken for; beyond it the tolerance of the solver (1e-7) blurs fractions."""

LARGEST = 2**40


def certify(problem: CommunicationProblem, claim: Claim, deadline: float | None) -> Iterator[Candidate]:
    """Round the split and the multipliers; without a split, the multipliers bound the cost."""
    del deadline
    multipliers = _multipliers(problem, claim.duals)
    if claim.answer is None:
        nothing = np.zeros(problem.hosts.shape, np.int64)
        yield Candidate(CommunicationCertificate.of(problem, nothing, 1, multipliers))
        return
    split, denominator = _exact(problem, claim.answer)
    changed = int((np.abs(split / denominator - claim.answer) > 1e-6).sum())
    yield Candidate(
        CommunicationCertificate.of(problem, split, denominator, multipliers),
        {"split": frozen(split / denominator if problem.fractional else split)},
        (f"rounded {changed} shares",) if changed else (),
    )


def _exact(problem: CommunicationProblem, split: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int64], int]:
    """Return the split as integers over one denominator, every expert served exactly."""
    schedule = SchedulingProblem(problem.load, problem.hosts)
    if not problem.fractional:
        return rounded(schedule, split), 1
    near = [[Fraction(x).limit_denominator(DENOMINATOR) for x in row] for row in split.tolist()]
    unit = lcm(*(x.denominator for row in near for x in row))
    if unit * max(1, int(problem.load.sum())) > LARGEST:
        unit = max(1, LARGEST // max(1, int(problem.load.sum())))
    whole = np.array([[int(x * unit) for x in row] for row in near], np.int64)
    if (whole.sum(axis=1) == problem.load * unit).all():
        return whole, unit
    return rounded(SchedulingProblem(problem.load * unit, problem.hosts), split * unit), unit


def _multipliers(problem: CommunicationProblem, duals: npt.NDArray[np.float64] | None) -> Multipliers:
    """Round dual values to fractions that add up; equal ones where there are none."""
    devices = problem.hosts.shape[1]
    given = np.ones((3, devices)) if duals is None or not np.isfinite(duals).all() else np.maximum(0, duals)
    load, send, receive = ([Fraction(x).limit_denominator(DENOMINATOR) for x in row] for row in given.tolist())
    links = _scaled(send + receive, problem.alpha)
    return Multipliers(_scaled(load, Fraction(1)), links[:devices], links[devices:])


def _scaled(values: list[Fraction], total: Fraction) -> list[Fraction]:
    found = sum(values, Fraction(0))
    return [value * total / found for value in values] if found else [total / len(values)] * len(values)
