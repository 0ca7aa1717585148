"""`equipoise audit --role scheduler | placer`: on records of loads, for devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import click

from equipoise.cli.baseline import Gate
from equipoise.cli.show import number, pair, percent, progress, show_audit

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from equipoise.targets import Target
    from equipoise.traces import LoadInstance

SCHEDULER_SCHEMA, PLACER_SCHEMA = "equipoise-audit-scheduler/1", "equipoise-audit-placer/1"

SCHEDULER_WORDS = """\
Pairs are mean / worst over the instances. excess: peak load beyond the certified optimum of whole tokens on the same
placement; tokens: the same in tokens. optimal: instances where there is none. balancedness: mean over peak load of the
devices; best: the optimum's. traffic: moved beyond the least at the same peak ("-": sources are not known).
seconds: of a call, on this machine. Placement: {placement}; {sizes}."""

PLACER_WORDS = """\
Pairs are mean / worst over the instances. even: replicas share evenly; split: the certified best split on the same
placement. beyond bound: peak over the proved lower bound of that form over all placements. balancedness: mean over peak
load of the devices. duplicates: slots whose device holds the same expert already, in all. seconds: of a call, on this
machine. {sizes}."""

_OPTIONS = (
    click.option("--against", type=click.Path(), help="Placers: also score on this record, and place on it."),
    click.option("--placement", help="Placer for schedulers [default: eplb], or for --value [default: micromoe]."),
    click.option("--steps", type=click.IntRange(1), help="Steps of the record, evenly spaced. [default: 1, the last]"),
    click.option("--slots", type=click.IntRange(1), help="P. [default: E + E/8, up to a multiple of the devices]"),
    click.option("--devices", type=click.IntRange(1), help="G. [default: 8 up to 64 experts, else 32]"),
    click.option("--nodes", type=click.IntRange(1), help="Nodes the devices stand in. [default: 1]"),
    click.option("--groups", type=click.IntRange(1), help="Groups of experts. [default: as many as nodes]"),
    click.option(
        "--time-limit",
        type=click.FloatRange(0, min_open=True),
        help="Placers: seconds to search, per instance and form. [default: 2]",
    ),
)


def device_options(function: Any) -> Any:
    """Add the options of schedulers and placers; None where not given."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), function)


def audit_devices(
    role: str,
    found: Sequence[Target],
    path: str,
    form: str,
    gate: Gate,
    workers: int | None,
    dask: str | None,
    *,
    against: str | None,
    placement: str | None,
    steps: int | None,
    time_limit: float | None,
    **sizes: int | None,
) -> int:
    """Audit schedulers or placers (all built-in ones, if none are given), show the result and return the exit code."""
    from equipoise.executors import open_executor
    from equipoise.targets import CATALOGUES, find

    if role == "scheduler" and (against is not None or time_limit is not None):
        raise click.UsageError("--against and --time-limit are for placers; they do not go with --role scheduler")
    if role == "placer" and placement is not None:
        raise click.UsageError("--placement is for schedulers; it does not go with --role placer")
    found = found or [find(entry.name, role) for entry in CATALOGUES[role].values() if not entry.only_named]
    paths = [path] if against is None else list(dict.fromkeys([path, against]))
    workloads = {one: _loads(one, steps or 1) for one in paths}
    with open_executor(workers, dask) as executor:
        if role == "scheduler":
            return _schedulers(found, workloads[path], path, placement or "eplb", sizes, form, gate, executor)
        return _placers(found, workloads, time_limit, sizes, form, gate, executor)


def _loads(path: str, steps: int) -> list[LoadInstance]:
    from equipoise.traces import read_loads, recorded

    if path == "recorded":
        return recorded().load_instances(steps)
    if path == "drift":
        raise click.UsageError("--trace drift is for routers; allowed: 'recorded' or a record of loads")
    trace = read_loads(path)
    for doubt in trace.doubts:
        click.echo(f"{path}: {doubt}", err=True)
    return trace.instances(steps)


def _schedulers(
    found: Sequence[Any],
    instances: Sequence[LoadInstance],
    trace: str,
    placement: str,
    sizes: dict[str, int | None],
    form: str,
    gate: Gate,
    executor: Executor | None,
) -> int:
    from equipoise.audit import audit_schedulers, summarise_schedules
    from equipoise.audit.baseline import hashes
    from equipoise.targets import find

    made = {"role": "scheduler", "placement": placement, "sizes": sizes}
    gate.expect(made, lambda: hashes(instances), [target.name for target in found])
    with progress(len(instances)) as advance:
        result = audit_schedulers(
            found, instances, find(placement, "placer"), **sizes, progress=advance, executor=executor
        )
    columns: dict[str, Callable[[Any], str]] = {
        "scheduler": lambda s: s.method,
        "excess": lambda s: pair(percent, s.mean_relative_excess, s.max_relative_excess),
        "tokens": lambda s: pair(number, s.mean_excess, s.max_excess),
        "optimal": lambda s: f"{s.optimal}/{s.instances}",
        "balancedness": lambda s: pair(number, s.mean_balancedness, s.min_balancedness),
        "best": lambda s: number(s.mean_best_balancedness),
        "traffic": lambda s: percent(s.mean_relative_traffic),
        "seconds": lambda s: number(s.mean_seconds),
        "certified": lambda s: f"{s.certified}/{s.instances}",
        "worst instance": lambda s: s.worst,
    }
    words = SCHEDULER_WORDS.format(placement=placement, sizes=_sizes(result))
    head = {"schema": SCHEDULER_SCHEMA, "trace": trace, "placement": placement, **_about(result)}
    title = f"{len(instances)} instances of {trace}"
    gate.judge(result.rows, result.certified)
    head |= gate.head()
    show_audit(head, summarise_schedules(result.rows), result.rows, columns, words, title, form)
    gate.show(form)
    return _code(result, gate)


def _placers(
    found: Sequence[Any],
    workloads: dict[str, list[LoadInstance]],
    time_limit: float | None,
    sizes: dict[str, int | None],
    form: str,
    gate: Gate,
    executor: Executor | None,
) -> int:
    from equipoise.audit.placements import TIME_LIMIT, audit_placers, summarise_placements

    limit = time_limit or TIME_LIMIT
    crossed = len(workloads) > 1
    made = {"role": "placer", "workloads": list(workloads) if crossed else None, "sizes": sizes}
    gate.expect(made, lambda: _hashes(workloads), [target.name for target in found])
    with progress(sum(map(len, workloads.values()))) as advance:
        result = audit_placers(found, workloads, **sizes, time_limit=limit, progress=advance, executor=executor)
    both: dict[str, Callable[[Any], str]] = {
        "placed on": lambda s: s.workload,
        "scored on": lambda s: s.scored_on,
    }
    columns: dict[str, Callable[[Any], str]] = {
        "placer": lambda s: s.method,
        **(both if crossed else {}),
        "even beyond bound": lambda s: pair(percent, s.mean_even_excess, s.max_even_excess),
        "split beyond bound": lambda s: pair(percent, s.mean_split_excess, s.max_split_excess),
        "even balancedness": lambda s: pair(number, s.mean_even_balancedness, s.min_even_balancedness),
        "split balancedness": lambda s: pair(number, s.mean_split_balancedness, s.min_split_balancedness),
        "duplicates": lambda s: str(s.duplicates),
        "seconds": lambda s: number(s.mean_seconds),
        "certified": lambda s: f"{s.certified}/{s.instances}",
        "worst instance": lambda s: s.worst,
    }
    trace = list(workloads)
    head = {"schema": PLACER_SCHEMA, "workloads": trace, "time_limit": limit, **_about(result)}
    title = f"{len(workloads[trace[0]])} instances of {' and '.join(trace)}"
    words = PLACER_WORDS.format(sizes=_sizes(result))
    gate.judge(result.rows, result.certified)
    head |= gate.head()
    show_audit(head, summarise_placements(result.rows), result.rows, columns, words, title, form)
    gate.show(form)
    return _code(result, gate)


def _hashes(workloads: dict[str, list[LoadInstance]]) -> dict[str, str]:
    from equipoise.audit.baseline import hashes

    first, *others = workloads
    found = hashes(workloads[first])
    for other in others:
        found |= hashes(workloads[other], f"{other}: ")
    return found


def _about(result: Any) -> dict[str, Any]:
    from dataclasses import asdict

    clusters = {str(experts): asdict(cluster) for experts, cluster in result.clusters.items()}
    return {"clusters": clusters, "environment": result.environment}


def _sizes(result: Any) -> str:
    return "; ".join(
        f"{experts} experts: {one.slots} slots on {one.devices} devices"
        + (f" in {one.nodes} nodes, {one.groups} groups" if one.nodes > 1 else "")
        for experts, one in result.clusters.items()
    )


def _code(result: Any, gate: Gate) -> int:
    if not result.certified:
        return 3
    return 1 if gate.failed or any(row.error for row in result.rows) else 0
