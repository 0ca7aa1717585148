"""`equipoise audit`: balancers against the certified optimum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from equipoise.cli.audit_devices import audit_devices, device_options
from equipoise.cli.audit_predictors import audit_predictors, audit_values, predictor_options
from equipoise.cli.baseline import Gate, baseline_options
from equipoise.cli.show import format_option, number, pair, percent, progress, show_audit
from equipoise.cli.workers import worker_options

if TYPE_CHECKING:
    from equipoise.audit import Audit
    from equipoise.targets import Target
    from equipoise.traces import Instance

SCHEMA = "equipoise-audit/1"

BATCH_WORDS = """\
Pairs are mean / worst over the instances. regret: score lost against the certified optimum with the same
peak load, over that optimum's gain on random balanced routing; absolute: in units of the scores. excess peak:
tokens of peak load beyond the least with which the same score is possible. score: over that of the certified
balanced optimum. dual gap: of the bias, as prices for the balanced optimum.
Stateful routers saw each batch {passes} times and are judged on the last (--passes)."""

STREAM_WORDS = """\
Every batch is routed once, in order. AvgMaxVio, SupMaxVio: mean and maximum of MaxVio over the steps, averaged over
the sequences. regret, score: as in the batch audit, mean over steps. balanced after: steps until MaxVio stays at most
{balanced_at}, and in how many sequences. The last two rows cannot see the future; the optimum of each step can."""


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option(
    "--role",
    type=click.Choice(["router", "scheduler", "placer", "predictor"]),
    help="What the targets are. [default: told from their parameters; router without a target]",
)
@click.option(
    "--trace",
    "path",
    default="recorded",
    show_default=True,
    help="'recorded'; 'drift' (routers) or 'generated' (predictors), which are made, not measured; or a file: scores "
    "(.npy, .npz, .json) for routers, loads for all others.",
)
@click.option("--top-k", type=int, help="K, where the trace's file does not say it.")
@click.option("--stream", is_flag=True, help="Route each batch once, in order of time.")
@click.option("--passes", type=click.IntRange(1), help="Times a stateful router sees each batch. [default: 50]")
@device_options
@baseline_options
@predictor_options
@worker_options
@format_option
def audit(
    targets: tuple[str, ...],
    role: str | None,
    path: str,
    top_k: int | None,
    stream: bool,
    passes: int | None,
    baseline: str | None,
    update_baseline: bool,
    tolerance: float | None,
    workers: int | None,
    dask: str | None,
    form: str,
    horizons: tuple[int, ...],
    origins: int | None,
    value: bool,
    **device: Any,
) -> int:
    """Say how far balancers are from the exact optimum on a trace.

    TARGET is package.module:attribute, file.py:attribute, "cmd:COMMAND" or a built-in name; without one, all built-in
    balancers of the role that take any input are audited, and without --trace on the recording that ships.

    Every routing is held against the certified optimum at its own peak load. Without --stream a stateful router is
    judged on the last of --passes calls for each batch; with it every batch is seen once, as in training.

    A scheduler is held against the certified optimum on the placement that --placement makes; a placer against proved
    bounds, with replicas that share evenly and with the best split. Their trace is a record of loads: SGLang's or
    ADRS's JSON, or NPZ.

    A predictor's forecasts are held against what came, beside the noise that nobody can predict. Its trace is such a
    record of many steps. --value places experts on the forecasts and serves what came exactly instead.

    With --baseline the gaps of every instance are held against those of an earlier audit.

    Exits with 1 if a target broke or a gap grew, with 3 if an optimum could not be certified.
    """
    from equipoise.targets import find

    found = [find(name, role) for name in dict.fromkeys(targets)]
    role = _common_role(found) if role is None else role
    _refuse({"--top-k": top_k is not None, "--stream": stream, "--passes": passes is not None}, ["router"], role)
    _refuse({"--horizon": bool(horizons), "--origins": origins is not None, "--value": value}, ["predictor"], role)
    placement = device.pop("placement") if role == "predictor" else None
    given = {f"--{name.replace('_', '-')}": value is not None for name, value in device.items()}
    _refuse(given, ["scheduler", "placer"], role)
    spread = {"--workers": workers is not None, "--dask": dask is not None}
    _refuse(spread, ["router", "scheduler", "placer"], role)
    gate = Gate(baseline, update_baseline, tolerance)
    if role == "predictor":
        if value:
            return audit_values(found, path, form, gate, horizons=horizons, origins=origins, placement=placement)
        _refuse({"--placement": placement is not None}, ["scheduler"], f"{role} without --value")
        return audit_predictors(found, path, form, gate, horizons=horizons, origins=origins)
    if role != "router":
        return audit_devices(role, found, path, form, gate, workers, dask, **device)

    from equipoise.audit import PASSES, audit, audit_stream
    from equipoise.audit.baseline import hashes
    from equipoise.executors import open_executor
    from equipoise.reference.routing.catalogue import ROUTERS

    if stream and passes is not None:
        raise click.UsageError("--passes does not go with --stream, where every batch is seen once")
    instances = _instances(path, top_k, stream)
    ks = {instance.top_k for instance in instances}
    built_in = [entry.name for entry in ROUTERS.values() if entry.only_top_k is None or ks == {entry.only_top_k}]
    found = found or [find(name, role) for name in built_in]
    names = [target.name for target in found]
    made = {"role": role, "stream": stream, "passes": 1 if stream else passes or PASSES}
    gate.expect(made, lambda: hashes(instances), names)
    with open_executor(workers, dask) as executor, progress(len(instances)) as advance:
        if stream:
            result = audit_stream(found, instances, trace=path, progress=advance, executor=executor)
        else:
            passes = passes or PASSES
            result = audit(found, instances, passes=passes, trace=path, progress=advance, executor=executor)
    gate.judge([row for row in result.rows if row.router in names], result.certified)
    (_show_stream if stream else _show_batch)(result, form, gate)
    if not result.certified:
        return 3
    return 1 if gate.failed or any(row.error for row in result.rows) else 0


def _refuse(given: dict[str, bool], owners: Sequence[str], role: str) -> None:
    for option in (option for option, present in given.items() if present and role not in owners):
        raise click.UsageError(
            f"{option} is for {' and '.join(f'{owner}s' for owner in owners)}; it does not go with --role {role}"
        )


def _common_role(found: Sequence[Target]) -> str:
    roles = list(dict.fromkeys(target.role for target in found)) or ["router"]
    if len(roles) > 1:
        raise click.UsageError(f"the targets are of different roles ({', '.join(roles)}); an audit takes one")
    if roles[0] not in ("router", "scheduler", "placer", "predictor"):
        raise click.UsageError(f"there is no audit of a {roles[0]}")
    return roles[0]


def _instances(path: str, top_k: int | None, stream: bool) -> Sequence[Instance]:
    from equipoise.traces import drifting, read_trace, recorded

    if path not in ("recorded", "drift"):
        return read_trace(path, top_k)
    if top_k is not None:
        raise click.UsageError("--top-k belongs to a --trace file; the recorded and generated traces know their own K")
    if path == "drift":
        return drifting()
    return recorded().streams() if stream else recorded().instances()


def _show_batch(result: Audit, form: str, gate: Gate) -> None:
    columns: dict[str, Callable[[Any], str]] = {
        "router": lambda s: s.router,
        "regret": lambda s: pair(percent, s.mean_relative_regret, s.max_relative_regret),
        "absolute": lambda s: pair(number, s.mean_regret, s.max_regret),
        "excess peak": lambda s: pair(number, s.mean_excess_peak, s.max_excess_peak),
        "MaxVio": lambda s: pair(number, s.mean_max_vio, s.max_max_vio),
        "MinVio": lambda s: pair(number, s.mean_min_vio, s.min_min_vio),
        "score": lambda s: number(s.mean_score_ratio),
        "dual gap": lambda s: percent(s.mean_relative_dual_gap),
        "certified": lambda s: f"{s.certified}/{s.instances}",
        "worst instance": lambda s: s.worst,
    }
    count = result.summaries[0].instances
    title = f"{count} instances of {result.trace}"
    _show(result, result.summaries, columns, BATCH_WORDS.format(passes=result.passes), title, form, gate)


def _show_stream(result: Audit, form: str, gate: Gate) -> None:
    from equipoise.audit.stream import BALANCED_AT, summarise

    columns: dict[str, Callable[[Any], str]] = {
        "router": lambda s: s.router,
        "AvgMaxVio": lambda s: number(s.avg_max_vio),
        "SupMaxVio": lambda s: number(s.sup_max_vio),
        "MinVio": lambda s: number(s.mean_min_vio),
        "regret": lambda s: percent(s.mean_relative_regret),
        "score": lambda s: number(s.mean_score_ratio),
        "balanced after": lambda s: f"{number(s.balanced_after)} ({s.balanced_sequences}/{s.sequences})",
        "certified": lambda s: f"{s.certified}/{s.steps}",
    }
    summaries = summarise(result)
    title = f"{summaries[0].steps} steps in {summaries[0].sequences} sequences of {result.trace}"
    _show(result, summaries, columns, STREAM_WORDS.format(balanced_at=BALANCED_AT), title, form, gate)


def _show(
    result: Audit,
    summaries: Sequence[Any],
    columns: dict[str, Callable[[Any], str]],
    words: str,
    title: str,
    form: str,
    gate: Gate,
) -> None:
    head = {"schema": SCHEMA, "trace": result.trace, "passes": result.passes, "environment": result.environment}
    show_audit({**head, **gate.head()}, summaries, result.rows, columns, words, title, form, by="router")
    gate.show(form)
