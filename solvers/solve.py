"""`solve`: one door to every engine; what comes out is certified or says that it is not."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.errors import InvalidProblem
from equipoise.problems import AssignmentProblem, Problem
from equipoise.solution import Solution
from equipoise.solvers import child
from equipoise.solvers.claim import Claim
from equipoise.solvers.engines import Engine, engines_for, engines_to_try
from equipoise.solvers.judge import judge

Prices = npt.NDArray[np.float64]


def solve(
    problem: Problem,
    solver: str | None = None,
    time_limit: float | None = None,
    start: Solution | npt.ArrayLike | None = None,
) -> Solution:
    """Return the optimum of ``problem`` with its certificate.

    Parameters
    ----------
    problem
        Such as :class:`AssignmentProblem`.
    solver
        Name of an engine (:func:`available_solvers`). Default: the fastest that certifies; where it finds nothing, the
        next one that is comfortable with the size, and ``repairs`` says so.
    time_limit
        Seconds of wall time for the engines; mending and certifying get two more. Running out of it is a status
        ("bounded" or "unknown"), not an exception.
    start
        Where to start: the solution of a similar :class:`AssignmentProblem` (the previous step of the same layer), or
        expert prices, array-like, shape (E,), in units of the scores. It changes the time, never the optimum; engines
        other than `dual-descent` ignore it.

    Raises
    ------
    TypeError
        If ``problem`` is no problem, such as an array of scores.
    InvalidProblem
        If the time limit is not positive, or ``start`` is not one finite price for each of E experts.
    SolverNotAvailable
        If the engine is unknown, not installed, or not made for this problem.
    """
    _check(problem)
    if time_limit is not None and (not math.isfinite(time_limit) or time_limit <= 0):
        raise InvalidProblem("time_limit", repr(time_limit), "a positive number of seconds")
    prices = None if start is None else start_prices(start, problem)
    started = time.monotonic()
    earlier: tuple[str, ...] = ()
    for engine in engines_to_try(solver, problem):
        left = None if time_limit is None else started + time_limit - time.monotonic()
        if left is not None and left <= 0 and earlier:
            break
        claimed = _claim(engine, problem, left, prices)
        deadline = None if time_limit is None else started + time_limit + child.GRACE
        solution = judge(problem, claimed, engine.name, deadline)
        solution = replace(solution, repairs=(*earlier, *solution.repairs), seconds=time.monotonic() - started)
        if solution.status != "unknown":
            break
        earlier = (*earlier, f"{engine.name} found no answer: {solution.raw_status}")
    return solution


def available_solvers(problem: Problem) -> list[str]:
    """Return the names of the installed engines that take this kind of problem, preferred first."""
    return [engine.name for engine in engines_for(problem)]


def claim(problem: Problem, solver: str, time_limit: float | None = None) -> Claim:
    """Return what an engine says of ``problem``, unmended: for agreement between engines."""
    _check(problem)
    return _claim(engines_to_try(solver, problem)[0], problem, time_limit)


def _check(problem: object) -> None:
    if not isinstance(problem, Problem):
        example = "equipoise.solve(equipoise.AssignmentProblem(scores, top_k=2))"
        raise TypeError(f"solve takes a problem, not {type(problem).__name__}; state one first: {example}")


def start_prices(start: Solution | npt.ArrayLike, problem: Problem) -> Prices:
    """Prices in units of the scores from what a caller gives as a start."""
    allowed = "a solved AssignmentProblem's solution, or finite prices [E]"
    if not isinstance(problem, AssignmentProblem):
        raise InvalidProblem("start", f"given for a problem of type {type(problem).__name__}", "an AssignmentProblem")
    if isinstance(start, Solution):
        if start.certificate is None or start.prices is None:
            raise InvalidProblem("start", "a solution without a certificate of prices", allowed)
        prices = start.prices
    else:
        array = as_numpy(start, "start")
        if array.dtype.kind not in "fiu":
            raise InvalidProblem("start", f"of type {array.dtype}", allowed)
        prices = array.astype(np.float64)
    if prices.shape != (problem.num_experts,) or not np.isfinite(prices).all():
        raise InvalidProblem("start", f"not {problem.num_experts} finite prices (shape {prices.shape})", allowed)
    return prices


def _claim(engine: Engine, problem: Problem, time_limit: float | None, start: Prices | None = None) -> Claim:
    try:
        return engine.run(problem, time_limit, start)
    except TimeoutError:
        return Claim("time limit", message="stopped at the time limit")
    except child.ChildFailed as error:
        return Claim("failed", message=str(error))
