"""`solve`: one door to every engine; what comes out is certified or says that it is not."""

from __future__ import annotations

import math
import time
from dataclasses import replace

from equipoise.errors import InvalidProblem
from equipoise.problems import AssignmentProblem
from equipoise.solution import Solution
from equipoise.solvers import child
from equipoise.solvers.assignment.certify import certify
from equipoise.solvers.assignment.claim import Claim
from equipoise.solvers.engines import Engine, engine_named, engines_for


def solve(problem: AssignmentProblem, solver: str | None = None, time_limit: float | None = None) -> Solution:
    """Return the optimum of ``problem`` with its certificate.

    Parameters
    ----------
    solver
        Name of an engine (:func:`available_solvers`); default: the fastest that certifies.
    time_limit
        Seconds of wall time for the engine; mending and certifying get two more. Running out of it is a status
        ("bounded" or "unknown"), not an exception.

    Raises
    ------
    SolverNotAvailable
        If the engine is unknown, not installed, or not made for this problem.
    """
    if time_limit is not None and (not math.isfinite(time_limit) or time_limit <= 0):
        raise InvalidProblem("time_limit", repr(time_limit), "a positive number of seconds")
    engine = engine_named(solver, problem)
    started = time.monotonic()
    deadline = None if time_limit is None else started + time_limit + child.GRACE
    claim = _claim(engine, problem, time_limit)
    solution = certify(problem, claim, engine.name, deadline)
    return replace(solution, seconds=time.monotonic() - started)


def available_solvers(problem: AssignmentProblem) -> list[str]:
    """Return the names of the installed engines that take this kind of problem, preferred first."""
    return [engine.name for engine in engines_for(problem)]


def claim(problem: AssignmentProblem, solver: str) -> Claim:
    """Return what an engine says of ``problem``, unmended: for tests of agreement between engines."""
    return _claim(engine_named(solver, problem), problem, None)


def _claim(engine: Engine, problem: AssignmentProblem, time_limit: float | None) -> Claim:
    try:
        return engine.run(problem, time_limit)  # type: ignore[no-any-return]
    except TimeoutError:
        return Claim("time limit", message="stopped at the time limit")
    except child.ChildFailed as error:
        return Claim("failed", message=str(error))
