"""`equipoise doctor`: versions, which engines work here, and what to do where one does not."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from equipoise.cli.show import format_option, progress, show_json, show_table

if TYPE_CHECKING:
    from equipoise.solvers.engines import Engine

WORKS = "works"
SECONDS = 60.0
PACKAGES = ("numpy", "numba", "ortools", "pulp", "click", "rich", "msgspec", "array-api-compat", "highspy", "torch")
CLASH = (
    "highspy is installed: it cannot be loaded in one process with ortools (or-tools issue 5246). Equipoise keeps them "
    "apart by running pulp-cbc in a process of its own; if your code imports highspy itself, uninstall it "
    "(pip uninstall highspy) or reach HiGHS through OR-Tools or SciPy."
)


@click.command()
@format_option
def doctor(form: str) -> int:
    """Show versions and try every engine on a small problem; exits with 3 if one fails."""
    import importlib.metadata
    import importlib.util
    import platform

    from equipoise import __version__
    from equipoise.solvers.engines import ENGINES

    versions = {"equipoise": __version__, "python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    engines = [
        {"engine": engine.name, "problem": engine.problem.__name__, "outcome": outcome}
        for engine, outcome in zip(ENGINES, _outcomes(), strict=True)
    ]
    advice = [CLASH] if importlib.util.find_spec("highspy") is not None else []
    broken = [entry for entry in engines if entry["outcome"] != WORKS]
    advice += [f"{entry['engine']} ({entry['problem']}): {entry['outcome']}" for entry in broken]
    if form == "json":
        show_json({"schema": "equipoise-doctor/1", "versions": versions, "engines": engines, "advice": advice})
    else:
        show_table(("package", "version"), [list(pair) for pair in versions.items()], form, "versions")
        if form == "markdown":
            click.echo()
        show_table(list(engines[0]), [list(entry.values()) for entry in engines], form, "engines")
        click.echo("\n".join(advice) or "everything works")
    return 3 if broken else 0


def _outcomes() -> list[str]:
    """Try every engine in child processes, where a broken installation cannot take us down.

    The engines of one kind of problem share a process, which is quick; what does not work there, or died with it, is
    tried in a process of its own.
    """
    from equipoise.solvers import child
    from equipoise.solvers.engines import ENGINES

    outcomes = []
    with progress("engines") as advance:
        advance(0, len(ENGINES))
        for kind, members in groupby(ENGINES, lambda engine: engine.problem.__name__):
            engines = list(members)
            try:
                together = child.call(__name__, "tried_here", kind, time_limit=SECONDS)
            except Exception:  # whatever it was, the engine that it comes from shows it again
                together = [""] * len(engines)
            for engine, outcome in zip(engines, together, strict=True):
                outcomes.append(outcome if outcome == WORKS else _try(engine, SECONDS))
                advance(len(outcomes), len(ENGINES))
    return outcomes


def tried_here(kind: str) -> list[str]:
    """Try every engine for one kind of problem in this process, but for those that need their own."""
    from equipoise.solvers.engines import ENGINES

    return [_try(engine, None) for engine in ENGINES if engine.problem.__name__ == kind]


def _try(engine: Engine, time_limit: float | None) -> str:
    """Solve a small problem; with a time limit, in a child process."""
    import numpy as np

    from equipoise.errors import EquipoiseError
    from equipoise.problems import (
        AssignmentProblem,
        CommunicationProblem,
        FewExpertsProblem,
        GroupLimitedProblem,
        Limit,
        LimitedProblem,
        MigrationProblem,
        PlacementProblem,
        ReplicationProblem,
        SchedulingProblem,
        TrafficProblem,
    )
    from equipoise.solvers.solve import claim

    plain = AssignmentProblem(np.arange(24).reshape(6, 4) % 7, 2)
    samples: dict[type, Any] = {
        AssignmentProblem: plain,
        LimitedProblem: LimitedProblem(plain, [Limit(6, experts=[0, 1])]),
        GroupLimitedProblem: GroupLimitedProblem(plain.with_capacity(6), 2, 1),
        FewExpertsProblem: FewExpertsProblem(plain.with_capacity(6), 3),
        SchedulingProblem: SchedulingProblem([3, 2], [[True, True], [False, True]]),
        TrafficProblem: TrafficProblem([[1, 0], [2, 1]], [[True, True], [True, True]], [2, 2], [[0, 1], [1, 0]]),
        CommunicationProblem: CommunicationProblem([[1, 0], [2, 1]], [[True, True], [False, True]], 1),
        PlacementProblem: PlacementProblem([3, 2], 4, 2, engine.form or "even"),
        ReplicationProblem: ReplicationProblem([5, 1], [0, 1], 2, 1),
        MigrationProblem: MigrationProblem(PlacementProblem([3, 2], 4, 2, engine.form or "even"), [0, -1, 1, -1], 1),
    }
    try:
        answer = claim(samples[engine.problem], engine.name, time_limit)
    except EquipoiseError as error:
        return str(error)
    return WORKS if answer.objective is not None else f"failed: {answer.message}"
