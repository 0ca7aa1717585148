"""`equipoise audit`: balancers compared with proved optima. A role contributes its options; there is one command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from equipoise.cli.check import ACCEPTS, AS, DECLARES, share
from equipoise.cli.configuration import configured, from_file
from equipoise.cli.github import Annotation, post, source_of
from equipoise.cli.show import FORMATS, progress, show, width, workers_options

if TYPE_CHECKING:
    from equipoise.audits.baseline import Change
    from equipoise.audits.result import Audit
    from equipoise.audits.role_audit import Option


def role_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every role's audit and the flags of its variants; the help says which role has what."""
    from equipoise.audits.run import role_audit
    from equipoise.roles import all_roles

    options: dict[str, list[tuple[str, Option]]] = {}
    flags: dict[str, str] = {}
    for role in all_roles():
        own = role_audit(role)
        for audit in (own, *own.variants.values()):
            who = f"{role}s" + (f" with --{audit.variant}" if audit.variant else "")
            for option in audit.options:
                options.setdefault(option.name, []).append((who, option))
        flags |= {flag: f"{role}s: {variant.summary}".capitalize() for flag, variant in own.variants.items()}
    for name in sorted(options, reverse=True):
        function = _click(options[name])(function)
    for flag, words in flags.items():
        function = click.option(f"--{flag}", is_flag=True, default=None, help=words)(function)
    return function


def _click(owned: list[tuple[str, Option]]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option that some audits share; where they mean it in different ways, the help has all of them."""
    option = owned[0][1]
    least = None if option.least is None else int(option.least)
    kinds: dict[type, Any] = {int: click.IntRange(least), float: click.FloatRange(option.least), str: str}
    meanings: dict[str, list[str]] = {}
    for who, one in owned:
        default = "" if one.default is None or "default" in one.help else f" [default: {_shown(one.default)}]"
        meanings.setdefault(one.help + default, []).append(who)
    words = " ".join(f"{', '.join(who).capitalize()}: {meaning}" for meaning, who in meanings.items())
    return click.option(option.flag, option.name, type=kinds[option.kind], multiple=option.several, help=words)


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


@click.command()
@configured
@click.option("--role", help="What the targets are. [default: told from their parameters; router without a target]")
@click.option("--form", "call_form", help="How the targets are called: a name of `list --forms`. [default: told]")
@click.option("--as", "as_", metavar="KIND", help=AS)
@click.option("--accepts", metavar="CONDITION", help=ACCEPTS)
@click.option("--declares", multiple=True, metavar="NAME", help=DECLARES)
@click.option(
    "--trace",
    default="recorded",
    show_default=True,
    help="'recorded'; 'drift' (routers) or 'generated' (predictors), which are made, not measured; or a file or a "
    "folder of them: scores for routers and metrics, loads for all others (`equipoise list --formats`).",
)
@role_options
@click.option("--baseline", type=click.Path(dir_okay=False), help="Compare every gap with those stored in FILE.")
@click.option("--update-baseline", is_flag=True, help="Write this audit's gaps to the baseline FILE instead.")
@click.option("--tolerance", callback=share, help="How much a gap may grow, e.g. 0.1%. [default: 0, not at all]")
@click.option(
    "--call-seconds",
    type=click.FloatRange(0.01),
    default=10.0,
    show_default=True,
    help="Time limit of one call of a target that does not ship with Equipoise.",
)
@workers_options
@click.option("--format", "form", type=click.Choice([*FORMATS.choices, "github"]), default="table", show_default=True)
@click.pass_context
def audit(
    context: click.Context,
    /,
    targets: tuple[str, ...],
    form: str,
    call_form: str | None,
    tolerance: float | None,
    **options: Any,
) -> int:
    """Say how far balancers are from the exact optimum on a trace.

    TARGET is package.module:attribute, file.py:attribute, "cmd:COMMAND" or a built-in name; without one, those of the
    configuration, else all built-in balancers of the role that take any input. Targets that do not ship with Equipoise
    run in a process of their own, with a time limit for every call.

    A router is compared with the certified optimum at its own peak load; a scheduler with the certified optimum on the
    placement that --placement makes; a placer with proved bounds; a predictor with what happened, beside the noise
    that nobody can predict; a metric with its exact value. Traces of schedulers, placers and predictors are records
    of loads. `equipoise list --formats` says which files are read.

    Instances that a target refuses are counted and not judged.

    Exits with 1 if a target broke or a gap grew, with 2 if all is refused, with 3 if something is not proved.
    """
    from equipoise.audits.run import audit

    if options["update_baseline"] and from_file(context, "tolerance"):
        tolerance = None  # it is for comparisons
    with progress("units") as advance:
        result = audit(targets, form=call_form, tolerance=tolerance or 0.0, progress=advance, **options)
    if form == "github":
        post(result.table(width()), f"## equipoise audit\n\n{result.to_markdown()}", _annotations(result))
    else:
        show(result.to_dict() if form == "json" else result.to_markdown() if form == "markdown" else result.table, form)
    if result.comparison is None and all(row.refused for row in result.rows):
        raise click.UsageError("nothing was judged: the targets refuse every instance")
    if not result.proved:
        return 3
    return 0 if result.passed else 1


def _annotations(result: Audit) -> Iterator[Annotation]:
    for name, rows in result.broken.items():
        message = f"It broke on {len(rows)} instances, first on {rows[0].instance}: {rows[0].error}."
        yield Annotation("error", f"audit of {name}", message, source_of(name))
    worse: dict[str, list[Change]] = {}
    for change in result.comparison.worse if result.comparison is not None else ():
        worse.setdefault(change.target, []).append(change)
    for name, changes in worse.items():
        most = max(changes, key=lambda change: change.now - change.before)
        grew = f"{most.gap} on {most.instance} from {most.before:.6g} to {most.now:.6g}"
        message = f"{len(changes)} gaps are worse than in {result.baseline}, most of all {grew}."
        yield Annotation("error", f"audit of {name}", message, source_of(name))
    if not result.proved:
        yield Annotation("error", "audit", "Nothing proves what some rows are compared with.")
