"""Judging solutions: what an engine claimed, and what was certified."""

from __future__ import annotations

from fractions import Fraction

from equipoise import AssignmentProblem, Solution
from oracles import Statement, exact_scores, naive_check

PRECISION = {"ortools-flow": 1e-15, "ortools-cpsat": 1e-11, "ortools-pdlp": 1e-5}
"""Relative to the largest possible score; 1e-9 for the other engines. Cost grids and tolerances are behind it."""


def claim_agrees(solution: Solution, problem: AssignmentProblem, best: Fraction) -> bool:
    """Whether what the engine itself said is the optimum, within what its arithmetic can resolve."""
    if solution.raw_objective is None:
        return False
    largest = max(abs(score) for row in exact_scores(problem) for score in row)
    precision = Fraction(PRECISION.get(solution.solver, 1e-9))
    return abs(solution.raw_objective - best) <= problem.demand * largest * precision


def assert_certified(solution: Solution, problem: AssignmentProblem) -> None:
    """Certified by production and naive checker alike, and consistent in itself."""
    certificate = solution.certificate
    assert (solution.status, solution.evidence) == ("optimal", "certified")
    assert certificate.verify(problem).valid
    naive = naive_check(Statement.of(certificate.statement), solution.experts.tolist(), certificate.prices.tolist())
    assert naive.valid
    assert (naive.lower, naive.upper) == (solution.lower, solution.upper)
    assert solution.lower <= solution.objective <= solution.upper
    assert solution.gap == 2 * problem.grid.error * problem.demand
