"""`equipoise audit --role predictor`: forecasts of loads against what came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import click

from equipoise.cli.show import number, pair, percent, progress, show_audit

if TYPE_CHECKING:
    from equipoise.traces import LoadSeries

SCHEMA = "equipoise-audit-predictor/1"

WORDS = """\
Pairs are relative L1 error / noise floor, means over the forecasts: the floor is what is expected of one who knows the
true shares, from sampling alone. per step: every step of the horizon; of mean: of the horizon's mean load. weighted:
by load; unweighted: every expert counts the same. stable: forecasts made in the stable state ({stable}). seconds: of a
call up to the longest horizon, on this machine."""

_OPTIONS = (
    click.option(
        "--horizon",
        "horizons",
        type=click.IntRange(1),
        multiple=True,
        help="Predictors: steps ahead; may be repeated. [default: 1, 10, 100, 1000, 2000]",
    ),
    click.option("--origins", type=click.IntRange(1), help="Predictors: forecasts per series. [default: 4]"),
)


def predictor_options(function: Any) -> Any:
    """Add the options of predictors; None or empty where not given."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), function)


def audit_predictors(
    targets: Sequence[str], path: str, form: str, *, horizons: Sequence[int], origins: int | None
) -> int:
    """Audit predictors, show the result and return the exit code."""
    from dataclasses import asdict

    from equipoise.audit import forecasts
    from equipoise.targets import CATALOGUES, find

    built_in = CATALOGUES["predictor"].values()
    named = list(dict.fromkeys(targets or [entry.name for entry in built_in if not entry.only_named]))
    found = [find(name, "predictor") for name in named]
    series = _series(path)
    with progress(len(series) * len(found)) as advance:
        result = forecasts.audit_predictors(
            found,
            series,
            horizons=horizons or forecasts.HORIZONS,
            origins=origins or forecasts.ORIGINS,
            progress=advance,
        )
    omitted = list(result.omitted)
    if not targets:
        omitted += [
            f"{entry.name} takes minutes and runs only if it is named" for entry in built_in if entry.only_named
        ]
    if not result.rows:
        raise click.UsageError(f"no horizon fits any series of {path}: {'; '.join(omitted)}")
    head = {
        "schema": SCHEMA,
        "trace": path,
        "environment": result.environment,
        "omitted": omitted,
        "states": [asdict(state) for state in result.states],
    }
    columns: dict[str, Callable[[Any], str]] = {
        "predictor": lambda s: s.method,
        "horizon": lambda s: str(s.horizon),
        "per step, weighted": lambda s: pair(percent, s.errors.step, s.floor.step),
        "unweighted": lambda s: pair(percent, s.errors.step_unweighted, s.floor.step_unweighted),
        "of mean, weighted": lambda s: pair(percent, s.errors.mean, s.floor.mean),
        "of mean, unweighted": lambda s: pair(percent, s.errors.mean_unweighted, s.floor.mean_unweighted),
        "stable: per step": lambda s: pair(percent, s.stable_errors.step, s.stable_floor.step),
        "stable: of mean": lambda s: pair(percent, s.stable_errors.mean, s.stable_floor.mean),
        "forecasts": lambda s: f"{s.forecasts}/{s.forecasts + s.failed}",
        "seconds": lambda s: number(s.mean_seconds),
        "worst": lambda s: s.worst,
    }
    first = [row for row in result.rows if row.method == found[0].name and row.horizon == result.rows[0].horizon]
    stable = f"{sum(row.state == 'stable' for row in first)} of {len(first)} at horizon {first[0].horizon}"
    made = sum(state.generated for state in result.states)
    title = f"{len(series)} series of {path}" + (f", {made} of them generated, not measured" if made else "")
    summaries = forecasts.summarise_forecasts(result.rows)
    show_audit(head, summaries, result.rows, columns, WORDS.format(stable=stable), title, form)
    if form != "json":
        for sentence in [*omitted, *dict.fromkeys(f"{r.method}: {r.unable}" for r in result.rows if r.unable)]:
            click.echo(f"Not run: {sentence}.")
    return 1 if any(row.error for row in result.rows) else 0


def _series(path: str) -> list[LoadSeries]:
    from equipoise.traces import generated_series, read_loads, recorded

    if path == "recorded":
        return recorded().load_series()
    if path == "generated":
        return generated_series()
    if path == "drift":
        raise click.UsageError("--trace drift is for routers; allowed: 'recorded', 'generated' or a record of loads")
    trace = read_loads(path)
    for doubt in trace.doubts:
        click.echo(f"{path}: {doubt}", err=True)
    return trace.series(path)
