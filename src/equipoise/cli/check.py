"""`equipoise check` and `equipoise replay`: find the smallest input that breaks a balancer, and run it again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import click

from equipoise.cli.configuration import configured
from equipoise.cli.github import Annotation, post, source_of

if TYPE_CHECKING:
    from equipoise.checks.engine.registry import Check
    from equipoise.checks.engine.report import Report

FORMATS = click.Choice(["table", "json", "markdown", "junit", "github"])
ACCEPTS = "Sizes of the inputs that a target takes, e.g. 'K < E and T*K % E == 0'. [default: as it says itself]"
DECLARES = "What a target would say in its `capabilities`, e.g. drops; may be repeated."
AS = "What a TARGET of a role that computes several things computes, e.g. max-vio of a metric; implies the role."
EXPECTED = 'A TOML file of checks that may fail, with reasons: router_breaks_ties = "ticket 17".'
MOST = click.FloatRange(0.1)


def share(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Read "1%" or "0.01"."""
    if value is None:
        return None
    try:
        share = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share < float("inf"):
        raise click.BadParameter(f"{value!r} is not a share; allowed: for instance 1% or 0.01")
    return share


@click.command()
@configured
@click.option("--role", help="What TARGET is: router, scheduler, ... [default: told from its parameters]")
@click.option("--as", "as_", metavar="KIND", help=AS)
@click.option("--accepts", metavar="CONDITION", help=ACCEPTS)
@click.option("--declares", multiple=True, metavar="NAME", help=DECLARES)
@click.option("--max-gap", callback=share, help="Largest relative gap to the certified optimum, e.g. 1%.")
@click.option("--exclude", multiple=True, metavar="NAME", help="Leave a check out; may be repeated.")
@click.option("--checks-as-of", metavar="VERSION", help="Leave out checks that came later than this version.")
@click.option("--expected-failures", metavar="FILE", help=EXPECTED)
@click.option("--examples", type=click.IntRange(1), default=200, show_default=True, help="Cases per check to search.")
@click.option(
    "--shrink-steps", type=click.IntRange(0), default=200, show_default=True, help="Smaller cases to try per finding."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the search.")
@click.option("--call-seconds", type=MOST, default=5.0, show_default=True, help="A call that takes longer hangs.")
@click.option("--seconds", type=MOST, default=300.0, show_default=True, help="Time after which a check gives up.")
@click.option("--run-seconds", type=MOST, default=3600.0, show_default=True, help="The same for all of them.")
@click.option("--form", help="How TARGET is called: a name of `list --forms`. [default: told from its parameters]")
@click.option("--experts", type=click.IntRange(1), help="Try a router at this E only, beside --top-k.")
@click.option("--top-k", type=click.IntRange(1), help="Try a router at this K only, beside --experts.")
@click.option("--in-process", is_flag=True, help="Run the target in this process, for a debugger.")
@click.option("--format", "output", type=FORMATS, default="table", show_default=True)
def check(targets: tuple[str, ...], output: str, expected_failures: str | None, **options: Any) -> int:
    """Check each TARGET against the properties of its role, and show the smallest input that breaks one.

    TARGET is package.module:attribute, file.py:attribute, a built-in name, an entry point of equipoise.balancers, or
    "cmd:COMMAND" for a program that speaks JSON lines; without one, those of the configuration. It runs in a process of
    its own, with a time limit per call. What is tried depends on the counts and the seed alone. Findings are saved
    under .equipoise/. Exits with 1 if a property is broken, with 2 if no check could run, with 3 if a time limit struck
    before a check could say anything.
    """
    from equipoise.checks.check import check
    from equipoise.checks.engine.expected import read_expected

    if not targets:
        raise click.UsageError("there is no TARGET: name one, or state `targets` in equipoise.toml")
    expected = {} if expected_failures is None else read_expected(expected_failures)
    reports = []
    for target in targets:
        with _progress() as advance:
            report = check(target, progress=advance, expected_failed_checks=expected, **options)
        reports.append(report)
        if output == "github":
            post(repr(report), _summary(report), _annotations(report))
        elif output in ("table", "markdown"):
            click.echo(
                ("\n" if len(reports) > 1 else "") + (report.markdown() if output == "markdown" else repr(report))
            )
    if output in ("json", "junit"):
        click.echo(_json(reports) if output == "json" else _junit(reports))
    for report in reports:
        if report.ran == 0:
            raise click.UsageError(f"no check of {report.target} ran: all were skipped or excluded")
    if any(report.gave_up for report in reports):
        return 3
    return 0 if all(report.passed for report in reports) else 1


@click.command()
@click.argument("finding")
@click.option("--max-gap", callback=share, help="As given to `check`.")
@click.option("--target", help="Run another target on the same case.")
@click.option("--form", help="How that target is called. [default: as the finding says, or told from its parameters]")
@click.option("--in-process", is_flag=True, help="Run the target in this process, for a debugger.")
def replay(finding: str, max_gap: float | None, target: str | None, form: str | None, in_process: bool) -> int:
    """Run one saved counter-example again: FIXED, STILL FAILS or ERROR.

    FINDING is the id that `check` printed, or the path of the file. Exits with 0, 1 and 2.
    """
    from equipoise.checks.check import replay

    outcome, sentence = replay(finding, target, max_gap, form=form, in_process=in_process)
    click.echo(f"{outcome}: {sentence}")
    return {"FIXED": 0, "STILL FAILS": 1, "ERROR": 2}[outcome]


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[Check, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("checks")

        def advance(entry: Check, total: int) -> None:
            progress.update(task, advance=1, total=total, description=entry.name)

        yield advance


def _json(reports: Sequence[Report]) -> str:
    """Return the report of one target, or a list."""
    if len(reports) == 1:
        return reports[0].json()
    return json.dumps([report.to_dict() for report in reports], indent=1)


def _junit(reports: Sequence[Report]) -> str:
    if len(reports) == 1:
        return reports[0].junit()
    return "\n".join(["<testsuites>", *(report.junit() for report in reports), "</testsuites>"])


def _summary(report: Report) -> str:
    return f"## equipoise check: {report.role} `{report.target}`\n\n{report.markdown()}"


def _annotations(report: Report) -> Iterator[Annotation]:
    file = source_of(report.target)
    for finding in report.findings:
        level: Literal["error", "warning"] = "error" if finding.severity == "error" else "warning"
        yield Annotation(level, f"{finding.check}: {report.target}", f"{finding}.", file)
    for outcome in report.gave_up:
        yield Annotation("error", f"{outcome.check}: {report.target}", f"It {outcome.sentence}.", file)
    for sentence in (*report.misspelt, *report.warnings):
        yield Annotation("warning", f"check of {report.target}", sentence, file)
