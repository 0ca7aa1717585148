"""`solve`: one door to every engine; what comes out is certified or says that it is not."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.certificates.kinds.assignment import AssignmentCertificate
from equipoise.errors import InvalidProblem
from equipoise.problems import (
    AssignmentProblem,
    CommunicationProblem,
    GroupLimitedProblem,
    LimitedProblem,
    PlacementProblem,
    SchedulingProblem,
    TrafficProblem,
)
from equipoise.solution import Solution
from equipoise.solvers import child
from equipoise.solvers.assignment.certify import certify as certify_assignment
from equipoise.solvers.assignment.claim import Claim as AssignmentClaim
from equipoise.solvers.communication.certify import certify as certify_communication
from equipoise.solvers.communication.claim import Claim as CommunicationClaim
from equipoise.solvers.engines import Engine, engine_named, engines_for
from equipoise.solvers.group_limited.judge import judge as judge_group_limited
from equipoise.solvers.limited.certify import certify as certify_limited
from equipoise.solvers.placement.certify import certify as certify_placement
from equipoise.solvers.placement.claim import Claim as PlacementClaim
from equipoise.solvers.scheduling.certify import certify as certify_schedule
from equipoise.solvers.scheduling.claim import Claim as ScheduleClaim
from equipoise.solvers.traffic.certify import certify as certify_traffic
from equipoise.solvers.traffic.claim import Claim as TrafficClaim

Problem = (
    AssignmentProblem
    | LimitedProblem
    | GroupLimitedProblem
    | SchedulingProblem
    | TrafficProblem
    | PlacementProblem
    | CommunicationProblem
)

_KINDS: dict[type, tuple[Callable[[Any, Any, str, float | None], Solution], Callable[..., Any]]] = {
    AssignmentProblem: (certify_assignment, AssignmentClaim),
    LimitedProblem: (certify_limited, AssignmentClaim),
    GroupLimitedProblem: (judge_group_limited, AssignmentClaim),
    SchedulingProblem: (certify_schedule, ScheduleClaim),
    TrafficProblem: (certify_traffic, TrafficClaim),
    PlacementProblem: (certify_placement, PlacementClaim),
    CommunicationProblem: (certify_communication, CommunicationClaim),
}
"""For every kind of problem: what turns a claim into a solution, and how an engine's claim is made."""


def solve(problem: Problem, solver: str | None = None, time_limit: float | None = None, start: Any = None) -> Solution:
    """Return the optimum of ``problem`` with its certificate.

    Parameters
    ----------
    solver
        Name of an engine (:func:`available_solvers`); default: the fastest that certifies.
    time_limit
        Seconds of wall time for the engine; mending and certifying get two more. Running out of it is a status
        ("bounded" or "unknown"), not an exception.
    start
        Where to start: the solution of a similar :class:`AssignmentProblem` (the previous step of the same layer), or
        expert prices ``[E]`` in units of the scores. It changes the time, never the optimum; engines other than
        `express` ignore it.

    Raises
    ------
    InvalidProblem
        If the time limit is not positive, or ``start`` is not one finite price for each of E experts.
    SolverNotAvailable
        If the engine is unknown, not installed, or not made for this problem.
    """
    if time_limit is not None and (not math.isfinite(time_limit) or time_limit <= 0):
        raise InvalidProblem("time_limit", repr(time_limit), "a positive number of seconds")
    engine = engine_named(solver, problem)
    started = time.monotonic()
    deadline = None if time_limit is None else started + time_limit + child.GRACE
    prices = None if start is None else _prices(start, problem)
    claim = _claim(engine, problem, time_limit, prices)
    certify, _ = _KINDS[engine.problem]
    solution = certify(problem, claim, engine.name, deadline)
    return replace(solution, seconds=time.monotonic() - started)


def available_solvers(problem: Problem) -> list[str]:
    """Return the names of the installed engines that take this kind of problem, preferred first."""
    return [engine.name for engine in engines_for(problem)]


def claim(problem: Problem, solver: str, time_limit: float | None = None) -> Any:
    """Return what an engine says of ``problem``, unmended: for agreement between engines."""
    return _claim(engine_named(solver, problem), problem, time_limit)


def _prices(start: Any, problem: Problem) -> npt.NDArray[np.float64]:
    """Prices in units of the scores from what a caller gives as a start."""
    allowed = "a solved AssignmentProblem's solution, or finite prices [E]"
    if not isinstance(problem, AssignmentProblem):
        raise InvalidProblem("start", f"given for a {type(problem).__name__}", "an AssignmentProblem's start")
    if isinstance(start, Solution):
        if not isinstance(start.certificate, AssignmentCertificate):
            raise InvalidProblem("start", "a solution without a certificate of prices", allowed)
        prices = np.ldexp(start.certificate.prices.astype(np.float64), -start.certificate.exponent)
    else:
        array = as_numpy(start, "start")
        if array.dtype.kind not in "fiu":
            raise InvalidProblem("start", f"of type {array.dtype}", allowed)
        prices = array.astype(np.float64)
    if prices.shape != (problem.num_experts,) or not np.isfinite(prices).all():
        raise InvalidProblem("start", f"not {problem.num_experts} finite prices (shape {prices.shape})", allowed)
    return prices


def _claim(
    engine: Engine, problem: Problem, time_limit: float | None, start: npt.NDArray[np.float64] | None = None
) -> Any:
    _, no_answer = _KINDS[engine.problem]
    try:
        return engine.run(problem, time_limit, start)
    except TimeoutError:
        return no_answer("time limit", message="stopped at the time limit")
    except child.ChildFailed as error:
        return no_answer("failed", message=str(error))
