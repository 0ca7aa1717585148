"""The frontier of peak against moved slots, and the fewest moves for a peak."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from equipoise.errors import InvalidProblem
from equipoise.problems import MigrationProblem
from equipoise.solution import Solution
from equipoise.solvers.solve import solve


def migration_frontier(
    problem: MigrationProblem, moves: Iterable[int], solver: str | None = None, time_limit: float | None = None
) -> dict[int, Solution]:
    """Return the solutions of ``problem`` with at most M moves, by M; each with a proved bound on the peak.

    ``solver`` and ``time_limit`` are as for :func:`equipoise.solve`, each time.

    Raises
    ------
    InvalidProblem
        If a number of moves is negative or beyond the problem's own limit.
    """
    asked = list(moves)
    for most in asked:
        if not 0 <= most <= problem.most_moves:
            raise InvalidProblem("moves", f"{most}", f"0 to {problem.most_moves}, what the problem allows")
    return {most: solve(problem.with_moves(most), solver, time_limit) for most in asked}


def fewest_moves(
    problem: MigrationProblem, peak: Fraction | int, solver: str | None = None, time_limit: float | None = None
) -> tuple[int, Solution | None]:
    """Return proved bounds on the moves that bring every device to ``peak`` or below.

    By bisection: so many moves are needed at least, and the solution has a placement with the fewest moves that were
    found to do; None where none was found within the problem's own limit. Both numbers are one where every bound meets.
    """
    low, high, best = 0, problem.most_moves, None
    while low <= high:
        middle = low if best is None and low == 0 else (low + high) // 2
        found = solve(problem.with_moves(middle), solver, time_limit)
        if found.objective is not None and found.objective <= peak:
            best, high = found, middle - 1
        else:
            low = middle + 1
    return _proved(problem, peak, low, solver, time_limit), best


def _proved(
    problem: MigrationProblem, peak: Fraction | int, most: int, solver: str | None, time_limit: float | None
) -> int:
    """Return the largest number up to ``most`` of which one move fewer is proved not to do."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        found = solve(problem.with_moves(middle - 1), solver, time_limit)
        proved = found.objective if found.status == "optimal" else found.lower
        if proved is not None and proved > peak:
            low = middle
        else:
            high = middle - 1
    return low
