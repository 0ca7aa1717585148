"""`equipoise doctor`: versions, which engines work here, and what to do where one does not."""

from __future__ import annotations

import click

from equipoise.cli.show import format_option, show_json, show_table

PACKAGES = ("numpy", "ortools", "pulp", "click", "rich", "msgspec", "array-api-compat", "highspy", "torch")
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
    engines = {engine.name: _try(engine.name) for engine in ENGINES}
    advice = [CLASH] if importlib.util.find_spec("highspy") is not None else []
    advice += [f"{name}: {outcome}" for name, outcome in engines.items() if outcome != "certified"]
    if form == "json":
        show_json({"schema": "equipoise-doctor/1", "versions": versions, "engines": engines, "advice": advice})
    else:
        show_table(("package", "version"), [list(pair) for pair in versions.items()], form, "versions")
        if form == "markdown":
            click.echo()
        show_table(("engine", "outcome"), [list(pair) for pair in engines.items()], form, "engines")
        click.echo("\n".join(advice) or "everything works")
    return 0 if all(outcome == "certified" for outcome in engines.values()) else 3


def _try(name: str) -> str:
    """Solve a small problem in a child process, where a broken installation cannot take us down."""
    import numpy as np

    from equipoise.errors import EquipoiseError
    from equipoise.problems import AssignmentProblem
    from equipoise.solvers.solve import solve

    problem = AssignmentProblem(np.arange(24).reshape(6, 4) % 7, 2)
    try:
        solution = solve(problem, name, time_limit=60)
    except EquipoiseError as error:
        return str(error)
    return solution.evidence if solution.evidence == "certified" else f"failed: {solution.raw_status}"
