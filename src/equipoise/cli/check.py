"""`equipoise check` and `equipoise replay`: find the smallest input that breaks a balancer, and run it again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from equipoise.checks.registry import ROLES
from equipoise.cli.show import show_json, show_table

if TYPE_CHECKING:
    from equipoise.checks.registry import Check
    from equipoise.checks.run import Outcome, Report
    from equipoise.isolation.subject import Subject

SCHEMA = "equipoise-check/1"
FORMATS = click.Choice(["table", "json", "markdown", "junit"])


def share(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Read "1%" or "0.01"."""
    if value is None:
        return None
    try:
        share = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share < float("inf"):
        raise click.BadParameter(f"{value!r} is no share; allowed: for instance 1% or 0.01")
    return share


@click.command()
@click.argument("target")
@click.option("--role", type=click.Choice(ROLES), help="What TARGET is. [default: told from its parameters]")
@click.option("--max-gap", callback=share, help="Largest relative regret against the certified optimum, e.g. 1%.")
@click.option("--exclude", multiple=True, metavar="NAME", help="Leave a check out; may be repeated.")
@click.option("--checks-as-of", metavar="VERSION", help="Leave out checks that came later than this version.")
@click.option("--examples", type=click.IntRange(1), default=60, show_default=True, help="Cases per check.")
@click.option(
    "--seconds", type=click.FloatRange(0.1), default=4.0, show_default=True, help="Time per check until it fails."
)
@click.option("--shrink-seconds", type=click.FloatRange(0), default=2.0, show_default=True, help="Time per finding.")
@click.option("--call-seconds", type=click.FloatRange(0.1), default=5.0, show_default=True, help="Time per call.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the search.")
@click.option("--in-process", is_flag=True, help="Run the target in this process, for a debugger.")
@click.option("--format", "form", type=FORMATS, default="table", show_default=True)
def check(
    target: str,
    role: str | None,
    max_gap: float | None,
    exclude: tuple[str, ...],
    checks_as_of: str | None,
    examples: int,
    seconds: float,
    shrink_seconds: float,
    call_seconds: float,
    seed: int,
    in_process: bool,
    form: str,
) -> int:
    """Check TARGET against the properties of its role, and show the smallest input that breaks one.

    TARGET is package.module:attribute, file.py:attribute, a built-in name, an entry point of equipoise.balancers, or
    "cmd:COMMAND" for a program that speaks JSON lines. It runs in a process of its own, with a time limit per call.
    Findings are saved under .equipoise/. Exits with 1 if a property is broken, with 2 if no check could run.
    """
    from equipoise.checks import store
    from equipoise.checks.registry import select
    from equipoise.checks.run import run_checks
    from equipoise.checks.settings import Settings

    settings = Settings(max_gap, examples, seconds, seed, shrink_seconds)
    with _subject(target, role, call_seconds, in_process) as subject:
        checks = select(subject.role, exclude, checks_as_of)
        with _progress(len(checks)) as advance:
            report = run_checks(subject, checks, settings, advance)
    for finding in report.findings:
        store.save(finding)
    if form == "json":
        _show_json(report)
    elif form == "junit":
        _show_junit(report, max_gap)
    else:
        _show(report, form, max_gap)
    if report.ran == 0:
        raise click.UsageError("no check ran: all were skipped or excluded")
    return 0 if report.passed else 1


@click.command()
@click.argument("finding")
@click.option("--max-gap", callback=share, help="As given to `check`.")
@click.option("--target", help="Run another target on the same case.")
@click.option("--in-process", is_flag=True, help="Run the target in this process, for a debugger.")
def replay(finding: str, max_gap: float | None, target: str | None, in_process: bool) -> int:
    """Run one saved counter-example again: FIXED, STILL FAILS or ERROR.

    FINDING is the id that `check` printed, or the path of the file. Exits with 0, 1 and 2.
    """
    from equipoise.checks import store
    from equipoise.checks.failure import Failure
    from equipoise.checks.registry import select
    from equipoise.checks.settings import Settings
    from equipoise.errors import EquipoiseError
    from equipoise.isolation.misbehaviour import Misbehaviour

    saved = store.load(finding)
    entry = next((entry for entry in select(saved.role) if entry.name == saved.check), None)
    if entry is None:
        raise click.UsageError(f"{finding} is about {saved.check!r}, which is no check of this version")
    try:
        with _subject(target or saved.target, saved.role, 5.0, in_process) as subject:
            entry.function(subject, saved.case, Settings(max_gap))
    except (Failure, Misbehaviour) as failure:
        click.echo(f"STILL FAILS: {failure.message}")
        return 1
    except EquipoiseError as error:
        click.echo(f"ERROR: {error}")
        return 2
    click.echo(f"FIXED: {saved.check} holds on the saved case")
    return 0


@contextlib.contextmanager
def _subject(target: str, role: str | None, call_seconds: float, in_process: bool) -> Iterator[Subject]:
    from equipoise.isolation.subject import InProcess, Isolated

    subject: Subject = InProcess(target, role) if in_process else Isolated(target, role, call_seconds=call_seconds)
    try:
        yield subject
    finally:
        subject.close()


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[Check], None]]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("checks", total=total)

        def advance(entry: Check) -> None:
            progress.update(task, advance=1, description=entry.name)

        yield advance


def _show(report: Report, form: str, max_gap: float | None) -> None:
    from equipoise.checks.text import describe

    rows = [
        [outcome.check, _word(outcome) + (f": {outcome.skipped}" if outcome.skipped else ""), str(outcome.cases)]
        for outcome in report.outcomes
    ]
    show_table(("check", "outcome", "cases"), rows, form, f"{report.role} {report.target}")
    for finding in report.findings:
        click.echo("\n" + describe(finding, max_gap))
    skipped = len(report.outcomes) - report.ran
    click.echo(f"\n{report.ran} checks ran, {skipped} skipped, {len(report.findings)} found something")


def _word(outcome: Outcome) -> str:
    if outcome.finding is not None:
        return "FAILED" if outcome.finding.severity == "error" else "warning"
    return "passed" if outcome.skipped is None else "skipped"


def _show_json(report: Report) -> None:
    from equipoise.checks import store

    outcomes = [
        {"check": o.check, "outcome": _word(o), "cases": o.cases}
        | ({"skipped": o.skipped} if o.skipped is not None else {})
        | ({"finding": store.document(o.finding)} if o.finding is not None else {})
        for o in report.outcomes
    ]
    show_json(
        {"schema": SCHEMA, "target": report.target, "role": report.role, "passed": report.passed, "checks": outcomes}
    )


def _show_junit(report: Report, max_gap: float | None) -> None:
    from xml.etree import ElementTree

    from equipoise.checks.text import describe

    errors = [finding for finding in report.findings if finding.severity == "error"]
    skipped = str(len(report.outcomes) - report.ran)
    totals = {"tests": str(len(report.outcomes)), "failures": str(len(errors)), "skipped": skipped}
    suite = ElementTree.Element("testsuite", {"name": f"equipoise {report.role} {report.target}", **totals})
    for outcome in report.outcomes:
        case = ElementTree.SubElement(suite, "testcase", {"name": outcome.check, "classname": report.target})
        if outcome.skipped is not None:
            ElementTree.SubElement(case, "skipped", {"message": outcome.skipped})
        elif outcome.finding is not None and outcome.finding.severity == "error":
            failure = ElementTree.SubElement(case, "failure", {"message": outcome.finding.message})
            failure.text = describe(outcome.finding, max_gap)
    ElementTree.indent(suite)
    click.echo(ElementTree.tostring(suite, encoding="unicode"))
