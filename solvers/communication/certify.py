"""From a claimed split to an exact one with a proved bound.

Dual values of a linear program are floats near fractions with small denominators. They are rounded to such fractions
and scaled to add up exactly; whatever comes out bounds the optimum, and where it meets the split's cost it proves it.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import lcm

import numpy as np
import numpy.typing as npt

from equipoise.arrays import frozen
from equipoise.certificates.check.communication import Multipliers
from equipoise.certificates.kinds.communication import CommunicationCertificate
from equipoise.problems import CommunicationProblem, SchedulingProblem
from equipoise.solution import Solution
from equipoise.solvers.communication.claim import Claim
from equipoise.solvers.scheduling.relieve import rounded

DENOMINATOR = 10_000
"""Largest denominator that a float is taken for; beyond it the tolerance of the solver (1e-7) blurs fractions."""

LARGEST = 2**40


def certify(problem: CommunicationProblem, claim: Claim, solver: str, deadline: float | None = None) -> Solution:
    """Turn ``claim`` into a :class:`Solution`: "optimal" only if the certificate was accepted."""
    del deadline
    solution = Solution("unknown", solver, raw_objective=claim.objective, raw_status=claim.message or claim.status)
    if claim.split is None:
        return solution
    split, denominator = _exact(problem, claim.split)
    certificate = CommunicationCertificate.of(problem, split, denominator, _multipliers(problem, claim.multipliers))
    verdict = certificate.verify()
    changed = int((np.abs(split / denominator - claim.split) > 1e-6).sum())
    return replace(
        solution,
        status="optimal" if verdict.valid else "bounded",
        evidence="certified" if verdict.valid else "claimed",
        objective=problem.value(split, denominator),
        lower=verdict.lower,
        upper=verdict.upper,
        split=frozen(split / denominator if problem.fractional else split),
        certificate=certificate,
        repairs=(f"rounded {changed} shares",) if changed else (),
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
