"""`equipoise audit --role predictor`: forecasts of loads against what came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import click

from equipoise.cli.baseline import Gate
from equipoise.cli.show import number, pair, percent, progress, show_audit

if TYPE_CHECKING:
    from equipoise.targets import Target
    from equipoise.traces import LoadSeries

SCHEMA, VALUE_SCHEMA = "equipoise-audit-predictor/1", "equipoise-audit-value/1"

WORDS = """\
Pairs are relative L1 error / noise floor, means over the forecasts: the floor is what is expected of one who knows the
true shares, from sampling alone. per step: every step of the horizon; of mean: of the horizon's mean load. weighted:
by load; unweighted: every expert counts the same. stable: forecasts made in the stable state ({stable}). seconds: of a
call up to the longest horizon, on this machine."""

VALUE_WORDS = """\
Experts are placed by {placer} on what the row says, for {horizon} steps; {scored} of these, evenly spaced, are served
by the certified best split of whole tokens. balancedness: mean over peak load of the devices, mean / least over the
placements; beyond hindsight: peak beyond that of the same placer on the sum of the steps to come, mean / worst.
{sizes}."""

_OPTIONS = (
    click.option(
        "--horizon",
        "horizons",
        type=click.IntRange(1),
        multiple=True,
        help="Predictors: steps ahead; may be repeated. [default: 1, 10, 100, 1000, 2000]",
    ),
    click.option("--origins", type=click.IntRange(1), help="Predictors: forecasts per series. [default: 4, or 1]"),
    click.option("--value", is_flag=True, help="Predictors: place on the forecast, schedule what came exactly."),
)


def predictor_options(function: Any) -> Any:
    """Add the options of predictors; None or empty where not given."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), function)


def audit_predictors(
    targets: Sequence[Target], path: str, form: str, gate: Gate, *, horizons: Sequence[int], origins: int | None
) -> int:
    """Audit predictors, show the result and return the exit code."""
    from dataclasses import asdict

    from equipoise.audit import forecasts

    found, omitted = _found(targets)
    series = _series(path)
    horizons, origins = sorted(set(horizons or forecasts.HORIZONS)), origins or forecasts.ORIGINS
    _expect(gate, found, series, horizons=horizons, origins=origins)
    with progress(len(series) * len(found)) as advance:
        result = forecasts.audit_predictors(found, series, horizons=horizons, origins=origins, progress=advance)
    omitted = [*result.omitted, *omitted]
    if not result.rows:
        raise click.UsageError(f"no horizon fits any series of {path}: {'; '.join(omitted)}")
    gate.judge(result.rows, certified=True)
    head = {
        "schema": SCHEMA,
        "trace": path,
        "environment": result.environment,
        "omitted": omitted,
        "states": [asdict(state) for state in result.states],
        **gate.head(),
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
    summaries = forecasts.summarise_forecasts(result.rows)
    show_audit(head, summaries, result.rows, columns, WORDS.format(stable=stable), _title(series, path), form)
    return _end(result.rows, omitted, form, gate)


def audit_values(
    targets: Sequence[Target],
    path: str,
    form: str,
    gate: Gate,
    *,
    horizons: Sequence[int],
    origins: int | None,
    placement: str | None,
) -> int:
    """Audit what forecasts are worth, show the result and return the exit code."""
    from dataclasses import asdict

    from equipoise.audit import values
    from equipoise.targets import find

    if len(horizons) > 1:
        raise click.UsageError("--value takes one --horizon: the steps that a placement serves")
    found, omitted = _found(targets)
    series = _series(path)
    placer = find(placement or "micromoe", "placer")
    horizon, origins = horizons[0] if horizons else values.HORIZON, origins or 1
    _expect(gate, found, series, horizons=[horizon], origins=origins, placement=placer.name)
    with progress(len(series) * len(found)) as advance:
        result = values.audit_values(found, series, placer, horizon=horizon, origins=origins, progress=advance)
    names = {target.name for target in found}
    gate.judge([row for row in result.rows if row.method in names], result.certified)
    columns: dict[str, Callable[[Any], str]] = {
        "placed on": lambda s: s.method,
        "balancedness": lambda s: pair(number, s.mean_balancedness, s.min_balancedness),
        "beyond hindsight": lambda s: pair(percent, s.mean_beyond_hindsight, s.max_beyond_hindsight),
        "placements": lambda s: f"{s.placements}/{s.placements + s.failed}",
        "certified": lambda s: f"{s.certified}/{s.placements}",
        "worst": lambda s: s.worst,
    }
    clusters = {str(experts): asdict(cluster) for experts, cluster in result.clusters.items()}
    head: dict[str, Any] = {"schema": VALUE_SCHEMA, "trace": path, "placer": result.placer, "clusters": clusters}
    sizes = "; ".join(f"{e} experts: {c.slots} slots on {c.devices} devices" for e, c in result.clusters.items())
    words = VALUE_WORDS.format(placer=result.placer, horizon=horizon, scored=result.rows[0].scored, sizes=sizes)
    summaries = values.summarise_values(result.rows)
    head |= {"horizon": horizon, "omitted": omitted, "environment": result.environment, **gate.head()}
    show_audit(head, summaries, result.rows, columns, words, _title(series, path), form)
    code = _end(result.rows, omitted, form, gate)
    return code if result.certified else 3


def _found(named: Sequence[Target]) -> tuple[Sequence[Target], list[str]]:
    """Return the predictors named, or all that are quick, and what is said of the others."""
    from equipoise.targets import CATALOGUES, find

    if named:
        return named, []
    built_in = CATALOGUES["predictor"].values()
    slow = [f"{entry.name} takes minutes and runs only if it is named" for entry in built_in if entry.only_named]
    return [find(entry.name, "predictor") for entry in built_in if not entry.only_named], slow


def _expect(gate: Gate, found: Sequence[Target], series: Sequence[LoadSeries], **made: Any) -> None:
    from equipoise.audit.baseline import hashes

    gate.expect({"role": "predictor", **made}, lambda: hashes(series), [target.name for target in found])


def _end(rows: Sequence[Any], omitted: Sequence[str], form: str, gate: Gate) -> int:
    """Say what did not run and why, and what moved; return 1 if something broke or got worse."""
    if form != "json":
        for sentence in [*omitted, *dict.fromkeys(f"{row.method}: {row.unable}" for row in rows if row.unable)]:
            click.echo(f"Not run: {sentence}.")
    gate.show(form)
    return 1 if gate.failed or any(row.error for row in rows) else 0


def _title(series: Sequence[LoadSeries], path: str) -> str:
    made = sum(one.generated for one in series)
    return f"{len(series)} series of {path}" + (f", {made} of them generated, not measured" if made else "")


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
