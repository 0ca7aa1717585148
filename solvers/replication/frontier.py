"""The frontier of peak against copies: how low a batch's peak gets with at most k copies, for every k asked for."""

from __future__ import annotations

from collections.abc import Iterable

from equipoise.errors import InvalidProblem
from equipoise.problems import ReplicationProblem
from equipoise.solution import Solution
from equipoise.solvers.solve import solve


def replication_frontier(
    problem: ReplicationProblem,
    copies: Iterable[int] | None = None,
    solver: str | None = None,
    time_limit: float | None = None,
) -> dict[int, Solution]:
    """Return the solutions of ``problem`` with at most k copies, by k; each with a proved bound on the peak.

    Parameters
    ----------
    problem
        Its own limit on all copies is the largest k.
    copies
        The k to solve; None: 0 to that limit.
    solver, time_limit
        As for :func:`equipoise.solve`, each time.

    Raises
    ------
    InvalidProblem
        If a k is negative or beyond the problem's own limit.
    """
    asked = range(problem.most_copies + 1) if copies is None else list(copies)
    for most in asked:
        if not 0 <= most <= problem.most_copies:
            raise InvalidProblem("copies", f"{most}", f"0 to {problem.most_copies}, what the problem allows")
    return {most: solve(problem.with_copies(most), solver, time_limit) for most in asked}
