"""The engines by name. Looking one up imports nothing; calling it imports its one file."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any

from equipoise.errors import SolverNotAvailable
from equipoise.problems import (
    AssignmentProblem,
    CommunicationProblem,
    FewExpertsProblem,
    GroupLimitedProblem,
    LimitedProblem,
    MigrationProblem,
    PlacementProblem,
    ReplicationProblem,
    SchedulingProblem,
    TrafficProblem,
)
from equipoise.solvers import child
from equipoise.solvers.claim import Claim


@dataclass(frozen=True)
class Engine:
    """Where an engine is and what it needs.

    Attributes
    ----------
    name
        As users write it.
    module
        Holds ``solve(problem, time_limit) -> Claim``; with a ``method``, that comes third.
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
    method
        Which of the methods (libraries, settings) that its module knows; empty: there is one.
    alias
        Another name that users can write.
    """

    name: str
    module: str
    problem: type
    package: str
    comfortable: int
    family: str
    form: str = ""
    warm: bool = False
    method: str = ""
    alias: str = ""

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

    def run(self, problem: Any, time_limit: float | None = None, start: Any = None) -> Claim:
        """Return the engine's claim; in a child process if the call may be long, limited, or must not load here.

        Raises
        ------
        SolverNotAvailable
            If the engine's package cannot be imported.
        TimeoutError, ChildFailed
            From the child process.
        """
        arguments = (problem, time_limit, *((self.method,) if self.method else ()), *((start,) if self.warm else ()))
        try:
            if time_limit is None and problem.size <= self.comfortable and not self.needs_own_process:
                found: Claim = importlib.import_module(self.module).solve(*arguments)
            else:
                found = child.call(self.module, "solve", *arguments, time_limit=time_limit)
            return found
        except ImportError as error:
            raise SolverNotAvailable(f"{self.name} cannot be loaded ({error}); run `equipoise doctor`") from error


_ASSIGNMENT = "equipoise.solvers.assignment."
_LIMITED = "equipoise.solvers.limited."
_GROUPS = "equipoise.solvers.group_limited."
_FEW = "equipoise.solvers.few_experts."
_SCHEDULING = "equipoise.solvers.scheduling."
_TRAFFIC = "equipoise.solvers.traffic."
_COMMUNICATION = "equipoise.solvers.communication."
_PLACEMENT = "equipoise.solvers.placement."
_REPLICATION = "equipoise.solvers.replication."
_MIGRATION = "equipoise.solvers.migration."

ENGINES = (
    Engine("ortools-flow", _ASSIGNMENT + "flow", AssignmentProblem, "ortools", 100_000, "network flow"),
    Engine(
        "dual-descent",
        _ASSIGNMENT + "dual_descent.engine",
        AssignmentProblem,
        "numba",
        2**40,
        "dual descent",
        warm=True,
        alias="express",
    ),
    Engine("ortools-highs", _ASSIGNMENT + "linear", AssignmentProblem, "ortools", 30_000, "HiGHS", method="HIGHS"),
    Engine("ortools-glop", _ASSIGNMENT + "linear", AssignmentProblem, "ortools", 20_000, "GLOP", method="GLOP"),
    Engine("ortools-pdlp", _ASSIGNMENT + "linear", AssignmentProblem, "ortools", 30_000, "PDLP", method="PDLP"),
    Engine("ortools-cpsat", _ASSIGNMENT + "cpsat", AssignmentProblem, "ortools", 20_000, "CP-SAT"),
    Engine("pulp-cbc", _ASSIGNMENT + "cbc", AssignmentProblem, "pulp", 20_000, "CBC"),
    Engine("ortools-flow", _LIMITED + "flow", LimitedProblem, "ortools", 1_000_000, "network flow"),
    Engine("ortools-highs", _LIMITED + "linear", LimitedProblem, "ortools", 30_000, "HiGHS", method="HIGHS"),
    Engine("ortools-glop", _LIMITED + "linear", LimitedProblem, "ortools", 20_000, "GLOP", method="GLOP"),
    Engine("ortools-cpsat", _LIMITED + "cpsat", LimitedProblem, "ortools", 20_000, "CP-SAT"),
    Engine("cross-check", _GROUPS + "cross_check", GroupLimitedProblem, "pulp", 500, "CP-SAT and CBC"),
    Engine("lagrangian", _GROUPS + "lagrangian", GroupLimitedProblem, "ortools", 20_000, "network flow"),
    Engine("ortools-cpsat", _GROUPS + "cpsat", GroupLimitedProblem, "ortools", 500, "CP-SAT"),
    Engine("ortools-cpsat-plain", _GROUPS + "cpsat", GroupLimitedProblem, "ortools", 500, "CP-SAT", method="plain"),
    Engine("pulp-cbc", _GROUPS + "cbc", GroupLimitedProblem, "pulp", 2_000, "CBC"),
    Engine("cross-check", _FEW + "cross_check", FewExpertsProblem, "pulp", 500, "CP-SAT and CBC"),
    Engine("exchange-search", _FEW + "search", FewExpertsProblem, "ortools", 2**40, "search"),
    Engine("ortools-cpsat", _FEW + "cpsat", FewExpertsProblem, "ortools", 500, "CP-SAT"),
    Engine("pulp-cbc", _FEW + "cbc", FewExpertsProblem, "pulp", 500, "CBC"),
    Engine("ortools-flow", _SCHEDULING + "flow", SchedulingProblem, "ortools", 100_000, "network flow"),
    Engine(
        "push-relabel",
        _SCHEDULING + "push_relabel.engine",
        SchedulingProblem,
        "numba",
        5_000_000,
        "push-relabel",
        alias="express",
    ),
    Engine("ortools-highs", _SCHEDULING + "linear", SchedulingProblem, "ortools", 30_000, "HiGHS", method="HIGHS"),
    Engine("ortools-glop", _SCHEDULING + "linear", SchedulingProblem, "ortools", 30_000, "GLOP", method="GLOP"),
    Engine("ortools-cpsat", _SCHEDULING + "cpsat", SchedulingProblem, "ortools", 200, "CP-SAT"),
    Engine("pulp-cbc", _SCHEDULING + "cbc", SchedulingProblem, "pulp", 1_000, "CBC"),
    Engine("ortools-flow", _TRAFFIC + "flow", TrafficProblem, "ortools", 300_000, "network flow"),
    Engine("pulp-cbc", _TRAFFIC + "cbc", TrafficProblem, "pulp", 1_000, "CBC"),
    Engine("ortools-highs", _COMMUNICATION + "highs", CommunicationProblem, "ortools", 500, "HiGHS"),
    Engine("pulp-cbc", _COMMUNICATION + "cbc", CommunicationProblem, "pulp", 200, "CBC"),
    Engine("ortools-highs", _PLACEMENT + "linear", PlacementProblem, "ortools", 300, "HiGHS", "free"),
    Engine("placement-search", _PLACEMENT + "search", PlacementProblem, "numpy", 100_000, "search", alias="express"),
    Engine("cross-check", _PLACEMENT + "cross_check", PlacementProblem, "pulp", 300, "CP-SAT or HiGHS, and CBC"),
    Engine("ortools-cpsat", _PLACEMENT + "cpsat", PlacementProblem, "ortools", 300, "CP-SAT", "even"),
    Engine("pulp-cbc", _PLACEMENT + "cbc", PlacementProblem, "pulp", 300, "CBC"),
    Engine("cross-check", _REPLICATION + "cross_check", ReplicationProblem, "pulp", 200, "CP-SAT and CBC"),
    Engine("copy-search", _REPLICATION + "search", ReplicationProblem, "ortools", 2_000_000, "search"),
    Engine("ortools-cpsat", _REPLICATION + "cpsat", ReplicationProblem, "ortools", 200, "CP-SAT"),
    Engine("ortools-highs", _REPLICATION + "linear", ReplicationProblem, "ortools", 200, "HiGHS"),
    Engine("pulp-cbc", _REPLICATION + "cbc", ReplicationProblem, "pulp", 100, "CBC"),
    Engine("cross-check", _MIGRATION + "cross_check", MigrationProblem, "pulp", 300, "CP-SAT or HiGHS, and CBC"),
    Engine("move-search", _MIGRATION + "search", MigrationProblem, "numba", 2**40, "search"),
    Engine("ortools-cpsat", _MIGRATION + "cpsat", MigrationProblem, "ortools", 300, "CP-SAT", "even"),
    Engine("ortools-highs", _MIGRATION + "linear", MigrationProblem, "ortools", 300, "HiGHS", "free"),
    Engine("pulp-cbc", _MIGRATION + "cbc", MigrationProblem, "pulp", 300, "CBC"),
)
"""In the order of preference."""


def engines_for(problem: Any) -> list[Engine]:
    """Return the installed engines that take this kind of problem, preferred first."""
    return [engine for engine in ENGINES if engine.takes(problem) and engine.installed]


def engines_to_try(name: str | None, problem: Any) -> list[Engine]:
    """Return the engine of that name; without one, those that are comfortable with the size, preferred first.

    Where none is, the one that is comfortable with most.

    Raises
    ------
    SolverNotAvailable
        Naming what is available, and the name that may have been meant.
    """
    usable = engines_for(problem)
    if name is None and usable:
        comfortable = [engine for engine in usable if problem.size <= engine.comfortable]
        return comfortable or [max(usable, key=lambda engine: engine.comfortable)]
    named = [engine for engine in usable if name and name in (engine.name, engine.alias)]
    if named:
        return named
    known = next((engine for engine in ENGINES if name and name in (engine.name, engine.alias)), None)
    hint = f"; install the package {known.package!r}" if known is not None and not known.installed else ""
    names = [engine.name for engine in usable]
    for meant in difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.5):
        hint = hint or f"; did you mean {meant!r}?"
    kind, choice = type(problem).__name__, ", ".join(names) or "none"
    raise SolverNotAvailable(f"solver is {name!r}, not available for problems of type {kind}{hint}; allowed: {choice}")
