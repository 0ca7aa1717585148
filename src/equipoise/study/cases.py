"""Cases: the instances and seeds of a description, each small enough to send to a worker, which makes the data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from equipoise.audits.run import role_audit
from equipoise.errors import InvalidFile, InvalidProblem
from equipoise.files import LARGEST_ARRAY, content_of
from equipoise.study.description import (
    Description,
    GeneratedLoads,
    GeneratedScores,
    GeneratedSeries,
    LoadsFile,
    RecordedLoads,
    RecordedScores,
    RecordedSeries,
    ScoresFile,
    SeriesFile,
)
from equipoise.traces import (
    Instance,
    LoadInstance,
    LoadSeries,
    LoadTrace,
    ScoreTrace,
    drifting,
    generated_series,
    read_loads,
    read_trace,
    recorded,
)

Seeds = tuple[int, ...]
About = tuple[str, str, dict[str, Any]] | tuple[str, str, dict[str, Any], int]
"""Of a case: instance, source, what it is made of and, of generated ones, the seed."""


@dataclass(frozen=True)
class Case:
    """One instance and one seed, as what it is made of.

    Attributes
    ----------
    role, data
        Whose it is, and what the role is tried on: see :class:`~equipoise.audits.role_audit.RoleAudit`.
    instance
        Its name, which all its seeds share.
    source
        "generated", "recorded" or "file".
    made_of
        All that decides the data, beside the seed.
    seed
        0 where the data are what they are.
    """

    role: str
    data: str
    instance: str
    source: str
    made_of: dict[str, Any]
    seed: int = 0

    def build(self) -> Any:
        """Return the data."""
        if self.data == "series":
            return _named(self, self.lessons(None))
        return _BUILDERS[self.data, self.source](self)

    def lessons(self, built: Any) -> list[Any]:
        """Return what a method that learns may be taught from: all series of the source; else what was built alone."""
        return _SERIES[self.source](self) if self.data == "series" else [built]


def cases_of(description: Description) -> list[Case]:
    """Return every case, in the order of the description; recorded and read ones have one seed, 0.

    Raises
    ------
    InvalidFile
        If a run, step or layer that is asked for is not there, a file cannot be read, or two cases are the same.
    """
    found: list[Case] = []
    for role, part in description.parts.items():
        data = role_audit(role).data
        for entry in part.instances:
            found += [Case(role, data, *about) for about in _EXPAND[type(entry)](entry, description.seeds)]
        if not any(case.role == role for case in found):
            raise InvalidFile(f"{role}.instances name nothing that is there; allowed: one instance or more")
    for case in found:
        _expect_horizons(case, description.parts[case.role].options)
    names = [(case.role, case.instance, case.seed) for case in found]
    for name in {name for name in names if names.count(name) > 1}:
        raise InvalidFile(f"{name[0]}.instances name {name[1]} more than once; allowed: every instance once")
    return found


def _expect_horizons(case: Case, options: dict[str, Any]) -> None:
    """Refuse horizons none of which fits a series twice."""
    shortest = min(options.get("horizon") or [0])
    if case.data == "series" and 2 * shortest > (steps := case.made_of["steps"]):
        raise InvalidFile(f"{case.role}.horizons starts at {shortest}; allowed for {case.instance}: 1 to {steps // 2}")


def _generated_scores(entry: GeneratedScores, seeds: Seeds) -> Iterator[About]:
    for gate, size, skew, seed in product(entry.gate, entry.size, entry.skew, seeds):
        name = f"{gate}/{size.tokens}x{size.experts}k{size.top_k}/skew{skew:g}"
        about = {"gate": gate, "skew": skew, "tokens": size.tokens, "experts": size.experts, "top_k": size.top_k}
        yield (name, "generated", about, seed)


def _generated_loads(entry: GeneratedLoads, seeds: Seeds) -> Iterator[About]:
    for experts, zipf, seed in product(entry.experts, entry.zipf, seeds):
        about = {"skew": zipf, "tokens": entry.tokens, "experts": experts}
        yield (f"zipf{zipf:g}/E{experts}", "generated", about, seed)


def _recorded_scores(entry: RecordedScores, seeds: Seeds) -> Iterator[About]:
    trace = recorded()
    for run in _chosen("runs", entry.runs, trace.runs):
        logits, steps = trace.arrays[f"{run}/logits"], trace.arrays[f"{run}/steps"].tolist()
        wanted = steps if entry.steps is None else [step for step in entry.steps if step in steps]
        for step, layer in product(wanted, _chosen("layers", entry.layers, range(logits.shape[1]))):
            yield (f"{run}/layer{layer}/step{step}", "recorded", {"trace": _trace_hash()})
    held = {step for run in trace.runs for step in trace.arrays[f"{run}/steps"].tolist()}
    _chosen("steps", entry.steps, sorted(held))


def _recorded_loads(entry: RecordedLoads, seeds: Seeds) -> Iterator[About]:
    trace = recorded()
    runs = _chosen("runs", entry.runs, trace.runs)
    layers = _chosen("layers", entry.layers, range(trace.loads(trace.runs[0]).shape[1]))
    for instance in trace.load_instances(entry.steps):
        run, layer, _ = instance.name.split("/")
        if run in runs and int(layer.removeprefix("layer")) in layers:
            about = {"trace": _trace_hash(), "steps": entry.steps}
            yield (instance.name, "recorded", about)


def _scores_file(entry: ScoresFile, seeds: Seeds) -> Iterator[About]:
    about = {"path": entry.path, "sha256": _file_hash(entry.path), "top_k": entry.top_k}
    about |= _said(gate=entry.gate, axes=entry.axes)
    for instance in _scores_read(about):
        yield (instance.name, "file", about)


def _loads_file(entry: LoadsFile, seeds: Seeds) -> Iterator[About]:
    about = {"path": entry.path, "sha256": _file_hash(entry.path), "steps": entry.steps, **_said(axes=entry.axes)}
    for instance in _loads_read(about).instances(entry.steps):
        yield (instance.name, "file", about)


def _generated_series(entry: GeneratedSeries, seeds: Seeds) -> Iterator[About]:
    for experts, moves, seed in product(entry.experts, entry.moves, seeds):
        about = {"steps": entry.steps, "tokens": entry.tokens, "experts": experts}
        yield (f"generated-{moves}-E{experts}", "generated", about, seed)


def _recorded_series(entry: RecordedSeries, seeds: Seeds) -> Iterator[About]:
    trace = recorded()
    for run in _chosen("runs", entry.runs, trace.runs):
        steps, layers, _ = trace.loads(run).shape
        for layer in _chosen("layers", entry.layers, range(layers)):
            yield (f"{run}/layer{layer}", "recorded", {"trace": _trace_hash(), "steps": steps})


def _series_file(entry: SeriesFile, seeds: Seeds) -> Iterator[About]:
    about = {"path": entry.path, "sha256": _file_hash(entry.path), **_said(axes=entry.axes)}
    for series in _loads_read(about).series(entry.path):
        yield (series.name, "file", {**about, "steps": len(series.loads)})


def _said(**settings: str | None) -> dict[str, Any]:
    """Return what the description says of a file: a case of a file that needs no word is what it always was."""
    return {name: value for name, value in settings.items() if value is not None}


def _scores_read(about: dict[str, Any]) -> ScoreTrace:
    return read_trace(about["path"], about["top_k"], gate=about.get("gate"), axes=about.get("axes"))


def _loads_read(about: dict[str, Any]) -> LoadTrace:
    return read_loads(about["path"], axes=about.get("axes"))


def _chosen(what: str, wanted: Any, present: Any) -> list[Any]:
    present = list(present)
    missing = [one for one in wanted or () if one not in present]
    if missing:
        raise InvalidFile(f"instances: {what} has {missing[0]!r}; allowed: {', '.join(map(str, present))}")
    return present if wanted is None else list(wanted)


@cache
def _file_hash(path: str) -> str:
    return hashlib.sha256(content_of(path, LARGEST_ARRAY)).hexdigest()


@cache
def _trace_hash() -> str:
    return "+".join(str(file["sha256"]) for file in recorded().provenance["files"].values())


def _make_scores(case: Case) -> Instance:
    about = case.made_of
    options = {key: about[key] for key in ("tokens", "experts", "top_k", "skew", "gate")}
    return drifting(steps=1, seed=case.seed, **options)[0]


def _make_loads(case: Case) -> LoadInstance:
    about, rng = case.made_of, np.random.default_rng(case.seed)
    shares = np.arange(1, about["experts"] + 1) ** -float(about["skew"])
    load = rng.multinomial(about["tokens"], rng.permutation(shares / shares.sum()))
    return LoadInstance(case.instance, load.astype(np.int64))


def _named(case: Case, instances: Any) -> Any:
    for instance in instances:
        if instance.name == case.instance:
            return instance
    raise InvalidProblem("instance", repr(case.instance), "one that the trace holds on this machine too")


@cache
def _recorded_instances() -> list[Instance]:
    return recorded().instances()


_SERIES: dict[str, Callable[[Case], list[LoadSeries]]] = {
    "generated": lambda case: generated_series(
        case.made_of["steps"], case.made_of["tokens"], (case.made_of["experts"],), case.seed
    ),
    "recorded": lambda case: recorded().load_series(),
    "file": lambda case: _loads_read(case.made_of).series(case.made_of["path"]),
}

_EXPAND: dict[type, Any] = {
    GeneratedScores: _generated_scores,
    RecordedScores: _recorded_scores,
    ScoresFile: _scores_file,
    GeneratedLoads: _generated_loads,
    RecordedLoads: _recorded_loads,
    LoadsFile: _loads_file,
    GeneratedSeries: _generated_series,
    RecordedSeries: _recorded_series,
    SeriesFile: _series_file,
}

_BUILDERS: dict[tuple[str, str], Any] = {
    ("scores", "generated"): _make_scores,
    ("scores", "recorded"): lambda case: _named(case, _recorded_instances()),
    ("scores", "file"): lambda case: _named(case, _scores_read(case.made_of)),
    ("loads", "generated"): _make_loads,
    ("loads", "recorded"): lambda case: _named(case, recorded().load_instances(case.made_of["steps"])),
    ("loads", "file"): lambda case: _named(case, _loads_read(case.made_of).instances(case.made_of["steps"])),
}
