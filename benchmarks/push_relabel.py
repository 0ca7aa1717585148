"""How fast are exact splits of many load vectors on one placement? `push-relabel` beside max flow and HiGHS.

    python benchmarks/push_relabel.py [-o DIRECTORY] [--vectors 500] [--rounds 7] [--only 256-64] [--fuzz SECONDS]
    python benchmarks/push_relabel.py --write    # also puts the tables into docs/measured/batched-scheduling.md

Placements are random, every expert on different devices; loads are multinomial with Zipf shares, the same shares for
all vectors of a case, so that each vector is close to the one before and a warm start is worth most. All sides end at
the same integral peaks, which is checked. The model or network is built once, outside the clock, on every side; "solve"
is the solver's own call, "all" is from the load vector to the split: handing over the loads, every solve, and reading
peak and split (here: checks at the door and the network too). HiGHS is SciPy's, warm-started from its last
basis; it solves the linear program, so its split is not integral. Max flow raises the peak by the cut of each flow that
falls short, as the engine `ortools-flow` does. `--fuzz` instead tries random placements until time is up, every
certificate checked.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measure import Results, Timing, environment, table
from ortools.graph.python import max_flow

from equipoise import SchedulingProblem, schedule_batch
from equipoise.solvers.scheduling.push_relabel.batch import scheduled
from equipoise.solvers.scheduling.push_relabel.network import Network

PAGE = "measured/batched-scheduling.md"

SIZES = ((64, 8, 2), (64, 16, 2), (256, 32, 2), (256, 64, 2), (256, 64, 4))
"""Experts, devices, replicas of every expert."""

ZIPF = (0.6, 1.0, 1.5)
TOKENS = 65_536

Side = Callable[[], tuple[float, float, list[int]]]
"""Seconds in the solver's own calls, seconds in all, and the integral peaks."""


def instance(experts: int, devices: int, replicas: int, zipf: float, vectors: int) -> tuple[np.ndarray, np.ndarray]:
    """Loads ``[B, E]`` and hosts ``[E, G]``."""
    random = np.random.default_rng([experts, devices, replicas, int(10 * zipf)])
    hosts = random.permuted(np.tile(np.arange(devices) < replicas, (experts, 1)), axis=1)
    share = random.permutation(np.arange(1, experts + 1) ** -zipf)
    return random.multinomial(TOKENS, share / share.sum(), vectors), hosts


def batched(loads: np.ndarray, hosts: np.ndarray) -> Side:
    form, network = SchedulingProblem(np.zeros(len(hosts), np.int64), hosts), Network.of(hosts)

    def run() -> tuple[float, float, list[int]]:
        started = time.perf_counter()
        scheduled(loads, form, network)
        solved = time.perf_counter() - started
        started = time.perf_counter()
        peaks = schedule_batch(loads, hosts).peaks
        return solved, time.perf_counter() - started, [int(peak) for peak in peaks]

    return run


def flow(loads: np.ndarray, hosts: np.ndarray) -> Side:
    """OR-Tools' max flow; the arcs are added once, capacities are set for every vector and peak."""
    experts, devices = hosts.shape
    expert, device = np.nonzero(hosts)
    source, sink = experts + devices, experts + devices + 1
    graph = max_flow.SimpleMaxFlow()
    ends = ((np.full(experts, source), np.arange(experts)), (expert, experts + device))
    demands, pairs = (graph.add_arcs_with_capacity(*end, np.zeros(len(end[0]), np.int64)) for end in ends)
    tails = experts + np.arange(devices)
    rooms = graph.add_arcs_with_capacity(tails, np.full(devices, sink), np.zeros(devices, np.int64))

    def run() -> tuple[float, float, list[int]]:
        solving, peaks, begun = 0.0, [], time.perf_counter()
        for load in loads:
            total = int(load.sum())
            peak = -(-total // devices)
            graph.set_arcs_capacity(demands, load)
            graph.set_arcs_capacity(pairs, load[expert])
            while True:
                graph.set_arcs_capacity(rooms, np.full(devices, peak))
                started = time.perf_counter()
                graph.solve(source, sink)
                solving += time.perf_counter() - started
                if graph.optimal_flow() == total:
                    break
                side = np.zeros(source + 2, bool)
                side[graph.get_source_side_min_cut()] = True
                cut = side[experts:source]
                peak = -(-int(load[~hosts[:, ~cut].any(axis=1)].sum()) // int(cut.sum()))
            graph.flows(pairs)
            peaks.append(peak)
        return solving, time.perf_counter() - begun, peaks

    return run


def highs(loads: np.ndarray, hosts: np.ndarray) -> Side:
    """The linear program in SciPy's HiGHS: variables are pairs, then the peak; rows are experts, then devices."""
    import scipy.optimize._highspy._core as core  # not public: linprog offers no warm start

    experts, devices = hosts.shape
    expert, device = np.nonzero(hosts)
    pairs, unit = len(expert), TOKENS / devices
    model = core.HighsLp()
    model.num_col_, model.num_row_ = pairs + 1, experts + devices
    model.col_cost_ = np.append(np.zeros(pairs), 1.0)
    model.col_lower_, model.col_upper_ = np.zeros(pairs + 1), np.full(pairs + 1, core.kHighsInf)
    model.row_lower_ = np.append(np.zeros(experts), np.full(devices, -core.kHighsInf))
    model.row_upper_ = np.zeros(experts + devices)
    matrix = model.a_matrix_
    matrix.format_ = core.MatrixFormat.kColwise
    matrix.num_col_, matrix.num_row_ = pairs + 1, experts + devices
    matrix.start_ = np.append(np.arange(0, 2 * pairs + 1, 2), 2 * pairs + devices).astype(np.int32)
    rows = np.append(np.stack([expert, experts + device], axis=1).ravel(), experts + np.arange(devices))
    matrix.index_ = rows.astype(np.int32)
    matrix.value_ = np.append(np.ones(2 * pairs), -np.ones(devices))
    solver = core._Highs()
    solver.setOptionValue("output_flag", False)
    solver.passModel(model)

    def run() -> tuple[float, float, list[int]]:
        solving, peaks, begun = 0.0, [], time.perf_counter()
        for load in loads:
            for row, value in enumerate((load / unit).tolist()):
                solver.changeRowBounds(row, value, value)
            started = time.perf_counter()
            solver.run()
            solving += time.perf_counter() - started
            np.array(solver.getSolution().col_value)
            peaks.append(math.ceil(solver.getObjectiveValue() * unit - 1e-6))
        return solving, time.perf_counter() - begun, peaks

    return run


def compare(loads: np.ndarray, hosts: np.ndarray, rounds: int) -> dict[str, tuple[Timing, Timing]]:
    """Time every side in turn, after a warm-up; per side "solve" and "all", in seconds a vector."""
    sides = {"push-relabel": batched(loads, hosts), "max flow": flow(loads, hosts), "HiGHS": highs(loads, hosts)}
    peaks = {name: side()[2] for name, side in sides.items()}
    if len(set(map(tuple, peaks.values()))) != 1:
        raise AssertionError(f"the sides end at different peaks: {peaks}")
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            solving, everything, _ = side()
            taken[name].append((solving / len(loads), everything / len(loads)))
    # CPU time cannot be told apart call by call at microseconds: the wall time stands for both.
    return {
        name: tuple(Timing(tuple(column), tuple(column)) for column in zip(*rows, strict=True))  # type: ignore[misc]
        for name, rows in taken.items()
    }


def fuzz(seconds: float) -> int:
    """Random placements, base loads, speeds and forms until time is up; raises at the first certificate refused."""
    random, count, end = np.random.default_rng(), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        seed = int(random.integers(2**63))
        draw = np.random.default_rng(seed)
        experts, devices = draw.integers(1, 40), draw.integers(1, 20)
        hosts = draw.random((experts, devices)) < draw.random() ** 2
        hosts[np.arange(experts), draw.integers(0, devices, experts)] = True
        most = 2 ** int(draw.integers(0, 39))
        loads = (draw.random((8, experts)) ** draw.integers(1, 9) * most).astype(np.int64)
        base, speed = draw.integers(0, draw.choice([1, most + 1]), devices), draw.integers(1, 1000, devices)
        speed = speed if draw.random() < 0.5 else np.ones(devices, np.int64)
        try:
            schedule_batch(loads, hosts, base_load=base, speed=speed, fractional=bool(draw.random() < 0.5)).verify()
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
        count += len(loads)
    return count


def main() -> int:
    """Measure every case, write JSON and Markdown, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("results"))
    parser.add_argument("--vectors", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="cases whose name, such as 256-64-4-0.6, begins with this")
    parser.add_argument("--write", action="store_true", help=f"also put the tables into docs/{PAGE}")
    parser.add_argument("--fuzz", type=float, help="seconds; measures nothing")
    options = parser.parse_args()
    if options.fuzz is not None:
        print(f"{fuzz(options.fuzz)} vectors, every certificate accepted")
        return 0
    options.output.mkdir(parents=True, exist_ok=True)
    facts = environment(["equipoise", "numpy", "numba", "ortools", "scipy"])
    results = Results(options.output / "push_relabel.json", facts)
    header = [
        "E",
        "G",
        "replicas",
        "Zipf",
        "push-relabel, us",
        "spread",
        "max flow / push-relabel",
        "HiGHS / push-relabel",
    ]
    header += ["push-relabel, all, us", "max flow / push-relabel, all", "HiGHS / push-relabel, all"]
    rows = []
    for *size, zipf in ((*size, zipf) for size in SIZES for zipf in ZIPF):
        name = "-".join(map(str, (*size, zipf)))
        if not name.startswith(options.only):
            continue
        times = compare(*instance(*size, zipf, options.vectors), options.rounds)
        own, full = times["push-relabel"]
        row = [*size, str(zipf), own.median * 1e6, f"{own.spread:.0%}"]
        row += [times[peer][0].times(own) for peer in ("max flow", "HiGHS")]
        row += [full.median * 1e6, *(times[peer][1].times(full) for peer in ("max flow", "HiGHS"))]
        record = {name: {"solve": solve.record(), "all": every.record()} for name, (solve, every) in times.items()}
        results.add(name, record)
        rows.append(row)
        print(table(header, [row]).splitlines()[-1], flush=True)
    ratios = [[row[column] for row in rows] for column in (6, 7)]
    peers = zip(("max flow", "HiGHS, warm"), ratios, strict=True)
    least = [[peer, min(found), statistics.median(found)] for peer, found in peers]
    summary = table(["peer", "least ratio", "median ratio"], least)
    command = "python benchmarks/push_relabel.py"
    results.markdown("Exact scheduling of many load vectors", command, [table(header, rows), summary])
    if options.write:
        results.into_page(PAGE, [table(header, rows), summary])
    print(summary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
