"""`place`: how good the deployed map is, the best one found and its proof, and what moving and scheduling would add."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from itertools import count
from os import PathLike, fspath
from typing import Any

import numpy.typing as npt

from equipoise.arrays import as_numpy, whole_numbers
from equipoise.audits.cluster import Cluster, Integers
from equipoise.deployment.answer import Lag, Placement
from equipoise.deployment.layer import Question, answered, found, peak_of
from equipoise.deployment.maps import LARGEST_ID, ExpertMap, read_map
from equipoise.errors import InvalidProblem, TargetError
from equipoise.executors import in_order, open_executor
from equipoise.problems import PlacementProblem
from equipoise.solution import Solution
from equipoise.traces import read_loads
from equipoise.traces.loads import LoadTrace

TIME_LIMIT = 1.0
"""Seconds to search one layer; most searches end before by themselves."""

WORTH = 0.001
"""Share of the peak below which a gain is not worth copying experts."""

Progress = Callable[[int, int], None]


def place(
    loads: str | PathLike[str] | LoadTrace | npt.ArrayLike,
    slots: int | None = None,
    devices: int | None = None,
    *,
    groups: int | None = None,
    nodes: int | None = None,
    split: str = "even",
    current: str | PathLike[str] | ExpertMap | npt.ArrayLike | None = None,
    worth: float = WORTH,
    axes: str | None = None,
    steps: int | None = None,
    lag: bool = False,
    window: int = 1,
    time_limit: float = TIME_LIMIT,
    workers: int | None = None,
    dask: str | None = None,
    progress: Progress | None = None,
) -> Placement:
    """Place the experts of every layer of a record of loads, and compare the deployed map with what is possible.

    Experts are placed on the sum of all steps: a map serves many steps, so what counts is the load of all of them. No
    device holds an expert twice, as frameworks want it, unless ``current`` has such a device: then all maps may.

    Parameters
    ----------
    loads
        A file (:func:`equipoise.read_loads`), what it returns, or array-like, shape (E,), (L, E) or (S, L, E).
    slots, devices
        P and G. Default: those of ``current``, where it says them; else E + E/8 slots, and 8 devices up to 64 experts,
        32 beyond.
    groups, nodes
        Groups of experts that stay on one node, and nodes; see :class:`equipoise.PlacementProblem`.
    split
        "even": replicas share evenly, as EPLB assumes; "free": a scheduler splits the load optimally.
    current
        The deployed map: a file (:func:`equipoise.read_map`), what it returns, or array-like, shape (P,) or (L, P).
    worth
        How much less peak, as a share, is worth more copies: the current map is kept, or a map near it preferred,
        unless another has less by more than that. 0: the best map found, whatever it takes to get there.
    axes
        Names of the axes of the file's array, where its format leaves them open: see :func:`equipoise.read_loads`.
    steps
        Use the last so many steps of the record; default: all.
    lag
        Also place on one part of the record and serve the next: for every part but the first.
    window
        Steps of such a part, which are summed; the record is cut from its end.
    time_limit
        Seconds to search one layer. Proving comes on top. Where it strikes, the answer says so.
    workers, dask
        Local processes, or the address of a Dask cluster; None: this process.
    progress
        Called with the searches that are done and all there are.

    Raises
    ------
    InvalidProblem
        If the sizes do not fit together, or to the record or the map.
    InvalidFile
        If a file cannot be read.
    TargetError
        If the current map is invalid: it places an expert nowhere, names one that does not exist, or tears a group.
    """
    if not 0 < time_limit < float("inf"):
        raise InvalidProblem("time_limit", repr(time_limit), "a positive number of seconds")
    if not 0 <= worth < 1:
        raise InvalidProblem("worth", repr(worth), "a share of at least 0, below 1")
    name, record = _record(loads, axes)
    if steps is not None and steps < 1:
        raise InvalidProblem("steps", str(steps), "1 or more")
    series = record.loads[-(steps or 0) :]
    total = series.sum(axis=0)
    deployed = None if current is None else _map(current)
    rows = None if deployed is None else deployed.rows(record.layers)
    if rows is not None and deployed is not None:
        slots = rows.shape[1] if slots is None else slots
        devices = deployed.devices if devices is None else devices
        if rows.shape[1] != slots or deployed.devices not in (None, devices):
            given = f"of {rows.shape[1]} slots" + (f" on {deployed.devices} devices" if deployed.devices else "")
            raise InvalidProblem("the map", given, f"{slots} slots on {devices} devices, as asked for")
    cluster = Cluster.of(total.shape[1], slots, devices, nodes, groups)
    if rows is not None:
        _expect_valid(rows, total, record.layers, cluster)
    distinct = rows is None or not any(_doubled(cluster, slots) for slots in rows)
    question = Question(cluster, split, distinct, time_limit, Fraction(worth))
    question.problem(total[0])
    parts = _parts(series, window) if lag else series[:0]
    units = [(layer, total[i], None if rows is None else rows[i]) for i, layer in enumerate(record.layers)]
    loads_of_parts = [load for part in parts for load in part]
    done, all_of_them = count(1), len(units) + len(loads_of_parts)
    report = progress or _quiet
    layers, solutions = [], []
    with open_executor(workers, dask) as executor:
        for one in in_order(partial(answered, question), units, executor):
            layers.append(one)
            report(next(done), all_of_them)
        for solution in in_order(partial(_found, question), loads_of_parts, executor):
            solutions.append(solution)
            report(next(done), all_of_them)
    return Placement(
        loads=name,
        steps=len(series),
        cluster=cluster,
        split=split,
        distinct=distinct,
        layers=layers,
        lag=_lags(solutions, record.layers, rows),
        window=window if lag else None,
        current=None if current is None else fspath(current) if isinstance(current, str | PathLike) else "given",
        notes=[f"{name}: {warning}" for warning in record.warnings],
    )


def _found(question: Question, load: Integers) -> Solution:
    return found(question.problem(load), question.seconds)[0]


def _lags(solutions: Sequence[Solution], layers: Sequence[int], current: Integers | None) -> list[Lag]:
    """Judge every map on the part that follows; hindsight is the best known map, the one before included."""
    rows = []
    for index in range(len(layers), len(solutions)):
        part, place = divmod(index, len(layers))
        now, before = solutions[index], solutions[index - len(layers)]
        problem = now.problem
        if not isinstance(problem, PlacementProblem) or before.physical_to_logical is None or now.lower is None:
            raise AssertionError("a search returns a map and a proved bound")
        placed = peak_of(problem, before.physical_to_logical)
        hindsight = placed if now.objective is None else min(placed, now.objective)
        kept = None if current is None else peak_of(problem, current[place])
        rows.append(Lag(part, layers[place], int(problem.load.sum()), now.lower, hindsight, placed, kept))
    return rows


def _record(loads: Any, axes: str | None) -> tuple[str, LoadTrace]:
    if isinstance(loads, str | PathLike):
        return fspath(loads), read_loads(loads, axes=axes)
    if axes is not None:
        raise InvalidProblem("axes", "given with loads that are no file", "only with a file")
    if isinstance(loads, LoadTrace):
        return "given", loads
    array = as_numpy(loads, "loads")
    if not 1 <= array.ndim <= 3 or not array.size:
        raise InvalidProblem("loads", f"of shape {array.shape}", "[E], [L, E] or [S, L, E], none of them 0")
    series = whole_numbers(array.reshape((1,) * (3 - array.ndim) + array.shape), "loads", (None,) * 3, 0, 2**44)
    return "given", LoadTrace(series, tuple(range(series.shape[1])), ())


def _map(current: Any) -> ExpertMap:
    if isinstance(current, ExpertMap):
        return current
    if isinstance(current, str | PathLike):
        return read_map(current)
    array = as_numpy(current, "current")
    array = array[None] if array.ndim == 1 else array
    slots = whole_numbers(array, "current", (None, None), -LARGEST_ID, LARGEST_ID)
    return ExpertMap(slots, tuple(range(len(slots))))


def _expect_valid(rows: Integers, loads: Integers, layers: tuple[int, ...], cluster: Cluster) -> None:
    ExpertMap(rows, layers).expect_placed(loads.shape[1])
    for layer, load, slots in zip(layers, loads, rows, strict=True):
        reason = cluster.problem(load, "even").violation(slots)
        if reason is not None:
            raise TargetError(f"the map does not keep to the groups and nodes given: in layer {layer}, {reason}")


def _doubled(cluster: Cluster, slots: Integers) -> bool:
    """Whether a device holds an expert twice."""
    devices = (held[held >= 0].tolist() for held in slots.reshape(cluster.devices, -1))
    return any(len(set(held)) < len(held) for held in devices)


def _parts(series: Integers, window: int) -> Integers:
    """Sum the record in parts of so many steps, counted from its end: ``[parts, L, E]``."""
    if window < 1:
        raise InvalidProblem("window", str(window), "1 or more steps")
    number = len(series) // window
    if number < 2:
        given = f"given for {len(series)} steps in parts of {window}"
        raise InvalidProblem("--lag", given, "a record of two parts or more")
    used = series[len(series) - number * window :]
    parts: Integers = used.reshape(number, window, *series.shape[1:]).sum(axis=1)
    return parts


def _quiet(done: int, total: int) -> None:
    """Report nothing."""
