"""The engines by name. Looking one up imports nothing; calling it imports its one file."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any

from equipoise.errors import SolverNotAvailable
from equipoise.problems import (
    AssignmentProblem,
    CommunicationProblem,
    GroupLimitedProblem,
    LimitedProblem,
    PlacementProblem,
    SchedulingProblem,
    TrafficProblem,
)
from equipoise.solvers import child


@dataclass(frozen=True)
class Engine:
    """Where an engine is and what it needs.

    Attributes
    ----------
    name
        As users write it.
    module
        Holds ``solve(problem, time_limit) -> Claim``.
    problem
        The kind of problem it takes.
    package
        What must be installed.
    comfortable
        Size of a problem (its ``size``) up to which a call takes about a second at most; a longer call runs in a
        child process, so that Ctrl-C and time limits work while the solver holds the interpreter.
    family
        Engines of one family share code; agreement within a family is one witness.
    form
        The only ``problem.split`` it solves; empty: any.
    warm
        Whether its ``solve`` also takes ``start``, prices to start from.
    """

    name: str
    module: str
    problem: type
    package: str
    comfortable: int
    family: str
    form: str = ""
    warm: bool = False

    @property
    def installed(self) -> bool:
        """Whether the package is there, without importing it."""
        return importlib.util.find_spec(self.package) is not None

    def takes(self, problem: Any) -> bool:
        """Whether it solves this kind and form of problem."""
        return isinstance(problem, self.problem) and self.form in ("", getattr(problem, "split", ""))

    @property
    def needs_own_process(self) -> bool:
        """Whether loading it here could break another engine.

        PuLP imports highspy where that is installed, and highspy cannot share a process with OR-Tools (or-tools issue
        5246).
        """
        return self.package == "pulp" and importlib.util.find_spec("highspy") is not None

    def run(self, problem: Any, time_limit: float | None = None, start: Any = None) -> Any:
        """Return the engine's claim; in a child process if the call may be long, limited, or must not load here.

        Raises
        ------
        SolverNotAvailable
            If the engine's package cannot be imported.
        TimeoutError, ChildFailed
            From the child process.
        """
        arguments = (problem, time_limit, start) if self.warm else (problem, time_limit)
        try:
            if time_limit is None and problem.size <= self.comfortable and not self.needs_own_process:
                return importlib.import_module(self.module).solve(*arguments)
            return child.call(self.module, "solve", *arguments, time_limit=time_limit)
        except ImportError as error:
            raise SolverNotAvailable(f"{self.name} cannot be loaded ({error}); run `equipoise doctor`") from error


_ASSIGNMENT = "equipoise.solvers.assignment."
_LIMITED = "equipoise.solvers.limited."
_GROUPS = "equipoise.solvers.group_limited."
_SCHEDULING = "equipoise.solvers.scheduling."
_TRAFFIC = "equipoise.solvers.traffic."
_COMMUNICATION = "equipoise.solvers.communication."
_PLACEMENT = "equipoise.solvers.placement."

ENGINES = (
    Engine("ortools-flow", _ASSIGNMENT + "flow", AssignmentProblem, "ortools", 100_000, "network flow"),
    Engine("express", _ASSIGNMENT + "dual_descent.engine", AssignmentProblem, "numba", 2**40, "express", warm=True),
    Engine("ortools-highs", _ASSIGNMENT + "highs", AssignmentProblem, "ortools", 30_000, "HiGHS"),
    Engine("ortools-glop", _ASSIGNMENT + "glop", AssignmentProblem, "ortools", 20_000, "GLOP"),
    Engine("ortools-pdlp", _ASSIGNMENT + "pdlp", AssignmentProblem, "ortools", 30_000, "PDLP"),
    Engine("ortools-cpsat", _ASSIGNMENT + "cpsat", AssignmentProblem, "ortools", 20_000, "CP-SAT"),
    Engine("pulp-cbc", _ASSIGNMENT + "cbc", AssignmentProblem, "pulp", 20_000, "CBC"),
    Engine("ortools-flow", _LIMITED + "flow", LimitedProblem, "ortools", 1_000_000, "network flow"),
    Engine("ortools-highs", _LIMITED + "highs", LimitedProblem, "ortools", 30_000, "HiGHS"),
    Engine("ortools-glop", _LIMITED + "glop", LimitedProblem, "ortools", 20_000, "GLOP"),
    Engine("ortools-cpsat", _LIMITED + "cpsat", LimitedProblem, "ortools", 20_000, "CP-SAT"),
    Engine("cross-check", _GROUPS + "cross_check", GroupLimitedProblem, "pulp", 500, "CP-SAT and CBC"),
    Engine("lagrangian", _GROUPS + "lagrangian", GroupLimitedProblem, "ortools", 20_000, "network flow"),
    Engine("ortools-cpsat", _GROUPS + "cpsat", GroupLimitedProblem, "ortools", 500, "CP-SAT"),
    Engine("ortools-cpsat-plain", _GROUPS + "cpsat_plain", GroupLimitedProblem, "ortools", 500, "CP-SAT"),
    Engine("pulp-cbc", _GROUPS + "cbc", GroupLimitedProblem, "pulp", 2_000, "CBC"),
    Engine("ortools-flow", _SCHEDULING + "flow", SchedulingProblem, "ortools", 100_000, "network flow"),
    Engine("express", _SCHEDULING + "express.engine", SchedulingProblem, "numba", 5_000_000, "own flow"),
    Engine("ortools-highs", _SCHEDULING + "highs", SchedulingProblem, "ortools", 30_000, "HiGHS"),
    Engine("ortools-glop", _SCHEDULING + "glop", SchedulingProblem, "ortools", 30_000, "GLOP"),
    Engine("ortools-cpsat", _SCHEDULING + "cpsat", SchedulingProblem, "ortools", 200, "CP-SAT"),
    Engine("pulp-cbc", _SCHEDULING + "cbc", SchedulingProblem, "pulp", 1_000, "CBC"),
    Engine("ortools-flow", _TRAFFIC + "flow", TrafficProblem, "ortools", 300_000, "network flow"),
    Engine("pulp-cbc", _TRAFFIC + "cbc", TrafficProblem, "pulp", 1_000, "CBC"),
    Engine("ortools-highs", _COMMUNICATION + "highs", CommunicationProblem, "ortools", 500, "HiGHS"),
    Engine("pulp-cbc", _COMMUNICATION + "cbc", CommunicationProblem, "pulp", 200, "CBC"),
    Engine("ortools-highs", _PLACEMENT + "highs", PlacementProblem, "ortools", 300, "HiGHS", "free"),
    Engine("express", _PLACEMENT + "express", PlacementProblem, "numpy", 100_000, "search"),
    Engine("cross-check", _PLACEMENT + "cross_check", PlacementProblem, "pulp", 300, "CP-SAT or HiGHS, and CBC"),
    Engine("ortools-cpsat", _PLACEMENT + "cpsat", PlacementProblem, "ortools", 300, "CP-SAT", "even"),
    Engine("pulp-cbc", _PLACEMENT + "cbc", PlacementProblem, "pulp", 300, "CBC"),
)
"""In the order of preference: of those for a problem, the first that is installed and comfortable with its size is the
default, or else the one that is comfortable with most."""


def engines_for(problem: Any) -> list[Engine]:
    """Return the installed engines that take this kind of problem, preferred first."""
    return [engine for engine in ENGINES if engine.takes(problem) and engine.installed]


def engine_named(name: str | None, problem: Any) -> Engine:
    """Return the engine to use; raise :class:`SolverNotAvailable` naming what is available."""
    usable = engines_for(problem)
    if name is None and usable:
        largest = max(usable, key=lambda engine: engine.comfortable)
        return next((engine for engine in usable if problem.size <= engine.comfortable), largest)
    for engine in usable:
        if engine.name == name:
            return engine
    known = next((engine for engine in ENGINES if engine.name == name), None)
    missing = f"; install the package {known.package!r}" if known is not None and not known.installed else ""
    choice = ", ".join(engine.name for engine in usable) or "none"
    raise SolverNotAvailable(
        f"solver is {name!r}, not available for a {type(problem).__name__}{missing}; allowed: {choice}"
    )
