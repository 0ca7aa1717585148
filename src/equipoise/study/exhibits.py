"""What a report shows beside the rows: frontiers, streams, loads over steps, device loads. Made once, kept as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise import __version__, metrics
from equipoise.audits.cluster import Cluster, certified_schedule, placed_by, word_of
from equipoise.audits.comparators import FixedBias, LastPrices
from equipoise.audits.contender import Contender, contenders
from equipoise.audits.router import FIXED_BIAS, LAST_PRICES
from equipoise.balancers.find import Target
from equipoise.balancers.in_process import InProcess
from equipoise.errors import InvalidFile, TargetError
from equipoise.executors import as_they_finish
from equipoise.files import json_of, write_whole
from equipoise.problems import AssignmentProblem, SchedulingProblem
from equipoise.problems.scheduling import hosts_of
from equipoise.roles.router import ROLE
from equipoise.solvers.assignment.frontier import frontier
from equipoise.study.cases import Case
from equipoise.study.code import code_of
from equipoise.study.description import Description
from equipoise.study.run import Study
from equipoise.traces import recorded

SCHEMA = "equipoise-study-exhibit/1"
COLUMNS = 160
"""Most columns of a load heat map; neighbouring steps are averaged."""


@dataclass(frozen=True)
class Exhibit:
    """One thing to show, as what it is made of; ``codes`` are hashes of the methods' code that it runs."""

    kind: str
    name: str
    about: dict[str, Any]
    case: Case | None = None
    codes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Hash of everything that decides it."""
        case = None if self.case is None else [self.case.made_of, self.case.source, self.case.seed]
        about = [SCHEMA, __version__, self.kind, self.name, self.about, case, self.codes]
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]


def exhibits_of(description: Description, cases: list[Case]) -> list[Exhibit]:
    """Return what the description asks for.

    Raises
    ------
    InvalidFile
        If it names an instance or run that is not there.
    """
    figures = description.figures
    found = [Exhibit("frontier", name, {}, _case(cases, name, "scores")) for name in figures.frontiers]
    router = description.parts.get(ROLE.name)
    methods = {} if router is None else {"methods": list(router.methods), "seconds": router.seconds}
    streams = [run for run in recorded().runs if f"{run}/stream" in recorded().arrays]
    if router is not None:
        codes = tuple(code_of(method, ROLE.name) for method in router.methods) if figures.streams else ()
        found += [Exhibit("stream", _one_of("streams", run, streams), methods, None, codes) for run in figures.streams]
    layer = {"layer": figures.layer}
    found += [Exhibit("heat", _one_of("heat", run, recorded().runs), layer) for run in figures.heat]
    for name in figures.devices:
        sizes = {key: getattr(description.cluster, key) for key in ("slots", "devices", "nodes", "groups")}
        case = _case(cases, name, "loads")
        found.append(Exhibit("devices", name, sizes, case, (code_of("eplb", "placer"),)))
    return found


def make(
    study: Study, folder: Path, executor: Executor | None = None, progress: Callable[[int, int], None] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the data of every exhibit by kind and name; those that ``folder`` has are read, the others made."""
    exhibits = exhibits_of(study.description, study.cases)
    if exhibits:
        folder.mkdir(exist_ok=True)
    known = {one.key: content for one in exhibits if (content := _read(folder / f"{one.key}.json")) is not None}
    missing = [one for one in exhibits if one.key not in known]
    for key, content in as_they_finish(_made, missing, executor):
        write_whole(folder / f"{key}.json", json.dumps(content).encode())
        known[key] = content
        if progress is not None:
            progress(len(known), len(exhibits))
    shown: dict[str, dict[str, Any]] = {}
    for one in exhibits:
        shown.setdefault(one.kind, {})[one.name] = known[one.key]
    return shown


def _made(exhibit: Exhibit) -> tuple[str, Any]:
    makers: dict[str, Callable[[Exhibit], Any]] = {
        "frontier": _frontier,
        "stream": _stream,
        "heat": _heat,
        "devices": _devices,
    }
    return exhibit.key, makers[exhibit.kind](exhibit)


def _frontier(exhibit: Exhibit) -> dict[str, Any]:
    """Peaks in units of the mean load, scores in units of the balanced optimum."""
    instance: Any = _built(exhibit)
    problem = AssignmentProblem(instance.scores, instance.top_k)
    curve = frontier(problem)
    mean = Fraction(problem.demand, problem.num_experts)
    balanced = curve.at(curve.balance).objective
    points = [[float(point.peak / mean), float(point.objective / balanced)] for point in curve.points]
    return {"points": points, "most": float(curve.most / mean), "certified": len(points)}


def _stream(exhibit: Exhibit) -> dict[str, Any]:
    """MaxVio of every step by router; None from where a router failed. The last two cannot see the future."""
    batches = [batch for batch in recorded().streams() if batch.sequence == f"{exhibit.name}/stream"]
    hindsight = FixedBias([batch.scores for batch in batches], batches[0].top_k)
    beside = [
        Contender(LAST_PRICES, InProcess(LAST_PRICES, ROLE, LastPrices)),
        Contender(FIXED_BIAS, InProcess(FIXED_BIAS, ROLE, lambda: hindsight)),
    ]
    targets = [Target(method, method, role=ROLE.name) for method in exhibit.about["methods"]]
    seconds = exhibit.about["seconds"]
    with contenders(targets, seconds, seconds) as tried:
        series = {one.name: _routed(one, batches) for one in [*tried, *beside]}
    return {"steps": [int(batch.name.rpartition("/step")[2]) for batch in batches], "max_vio": series}


def _routed(router: Contender, batches: list[Any]) -> list[float | None]:
    found: list[float | None] = []
    for batch in batches:
        try:
            load = router.ask(batch.scores, batch.top_k).load
            found.append(metrics.max_vio(load, len(batch.scores) * batch.top_k))
        except TargetError:
            break
    return found + [None] * (len(batches) - len(found))


def _heat(exhibit: Exhibit) -> dict[str, Any]:
    """``load[E, columns]`` in units of the mean, experts from the most to the least loaded over the run."""
    loads = recorded().loads(exhibit.name)
    layer = min(exhibit.about["layer"], loads.shape[1] - 1)
    return heat_of(loads[:, layer])


def heat_of(loads: npt.NDArray[Any]) -> dict[str, Any]:
    """Return the heat map of ``loads[S, E]``, neighbouring steps averaged to at most ``COLUMNS`` columns."""
    shares = loads / loads.mean(axis=1, keepdims=True)
    edges = np.linspace(0, len(loads), min(COLUMNS, len(loads)) + 1).round().astype(int)
    columns = np.stack([shares[a:b].mean(axis=0) for a, b in pairwise(edges)], axis=1)
    order = np.argsort(-columns.mean(axis=1), kind="stable")
    return {"load": columns[order].round(4).tolist(), "steps": len(loads)}


def _devices(exhibit: Exhibit) -> dict[str, Any]:
    """Device loads, in units of the mean: experts in order without replicas, EPLB's placement, and its best split."""
    instance: Any = _built(exhibit)
    load = instance.total
    cluster = Cluster.of(len(load), **exhibit.about)
    homes = np.array_split(np.arange(len(load)), cluster.devices)
    before = [Fraction(int(load[home].sum())) for home in homes]
    placed = placed_by("eplb", cluster, load)
    replicas = np.bincount(placed[placed >= 0], minlength=len(load))
    slots = placed.reshape(cluster.devices, -1)
    shared = [sum((Fraction(int(load[e]), int(replicas[e])) for e in row if e >= 0), Fraction(0)) for row in slots]
    problem = SchedulingProblem(load, hosts_of(placed, len(load), cluster.devices))
    solution = certified_schedule(problem)
    assert solution.split is not None
    best = [Fraction(int(value)) for value in solution.split.sum(axis=0)]
    mean = Fraction(int(load.sum()), cluster.devices)
    series = {"before": before, "placed": shared, "scheduled": best}
    loads = {name: [float(value / mean) if mean else 1.0 for value in values] for name, values in series.items()}
    return {"loads": loads, "evidence": word_of(solution), "slots": cluster.slots, "devices": cluster.devices}


def _built(exhibit: Exhibit) -> Any:
    assert exhibit.case is not None
    return exhibit.case.build()


def _case(cases: list[Case], name: str, data: str) -> Case:
    found = [case for case in cases if case.data == data and case.instance == name]
    if not found:
        allowed = ", ".join(dict.fromkeys(case.instance for case in cases if case.data == data))
        raise InvalidFile(f"figures names the instance {name!r}; allowed: {allowed or 'none, no such role is studied'}")
    return found[0]


def _one_of(what: str, name: str, allowed: list[str]) -> str:
    if name not in allowed:
        raise InvalidFile(f"figures.{what} names {name!r}; allowed: {', '.join(allowed)}")
    return name


def _read(path: Path) -> Any:
    return json_of(path) if path.exists() else None
