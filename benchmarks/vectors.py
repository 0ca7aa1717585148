"""Write src/equipoise/checks/vectors: hard cases of every role, with their certified optima.

    python benchmarks/vectors.py            # write the files
    python benchmarks/vectors.py FOLDER     # write them elsewhere

Nothing else writes them. Random numbers come from NumPy's frozen legacy generator, so that every version of NumPy makes
the same cases. A case may join every check whose family admits it; its id never changes its meaning.
"""

from __future__ import annotations

import json
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import equipoise
from equipoise import AssignmentProblem, PlacementProblem, ReplicationProblem, SchedulingProblem
from equipoise.checks.engine.known import FOLDER, SCHEMA
from equipoise.reference.placement.eplb import eplb
from equipoise.reference.routing.bip import bip_sweep
from equipoise.reference.routing.quantile import quantile_sweep
from equipoise.roles.placer import PlacerCase
from equipoise.roles.planner import PlannerCase
from equipoise.roles.predictor import PredictorCase
from equipoise.roles.role import Case
from equipoise.roles.router import RouterCase
from equipoise.roles.scheduler import SchedulerCase
from equipoise.traces import recorded

FLAGS: dict[str, dict[str, str]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
"""What is hard about a case, in words, by role and flag."""


def distinct(seed: int, tokens: int, experts: int, tilt: float = 0.0) -> np.ndarray:
    """Scores in (0, 1) without a tie, multiples of 2^-12; with a tilt, the first experts are the popular ones."""
    levels = np.random.RandomState(seed).permutation(2**12 - 1)[: tokens * experts].reshape(tokens, experts) + 1.0
    return np.asarray(np.floor(levels * (1 - tilt * np.arange(experts) / experts)) / 2**12, np.float32)


def liked(scores: np.ndarray, expert: int) -> np.ndarray:
    """The same scores with one expert above all others."""
    return scores / 2 + np.float32(0.5) * np.eye(scores.shape[1], dtype=np.float32)[expert]


def stalling(tokens: int, experts: int, top_k: int) -> np.ndarray:
    """The first tie-free scores on which both sweeps, run to the end, leave prices that balance nothing."""
    for seed in range(1000):
        scores = distinct(seed, tokens, experts).astype(np.float64)
        if all(_stalls(sweep, scores, top_k) for sweep in (bip_sweep, quantile_sweep)):
            return scores.astype(np.float32)
    raise AssertionError((tokens, experts, top_k))


def _stalls(sweep: Any, scores: np.ndarray, top_k: int) -> bool:
    prices = np.zeros(scores.shape[1])
    for _ in range(200):
        prices = sweep(scores, prices, top_k)
    chosen = np.argsort(-(scores - prices), axis=1, kind="stable")[:, :top_k]
    capacity = -(-len(scores) * top_k // scores.shape[1])
    return bool(np.bincount(chosen.ravel(), minlength=scores.shape[1]).max() > capacity)


def bfloat16(scores: np.ndarray) -> np.ndarray:
    """Cut float32 to the eight leading digits that bfloat16 keeps."""
    return (scores.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Row-wise, rounded to multiples of 2^-16 so that no machine's exponential function shows."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(np.round(weights / weights.sum(axis=1, keepdims=True) * 2**16) / 2**16, np.float32)


Entries = Iterator[tuple[str, str, str, Case]]


def router() -> Entries:
    """Id, flags, source and case."""

    def one(scores: np.ndarray, top_k: int, *groups: int) -> RouterCase:
        return RouterCase((np.ascontiguousarray(scores),), top_k, *groups)

    made = "made for this corpus"
    stairs = distinct(19, 8, 8) / 64  # token t likes expert t + 1 best; the last likes its own, and expert 0 is free
    for token in range(8):
        stairs[token, token] += 0.5
        stairs[token, min(7, token + 1)] += 0.5 * (token < 7) + (8 - token) / 128
    yield "stairs-8x8-k1", "long exchange", made, one(stairs, 1)
    for tokens, experts, top_k in ((6, 4, 1), (12, 6, 2), (24, 8, 2)):
        source = f"first seed on which both sweeps stall, {tokens}x{experts}"
        yield f"stalls-{tokens}x{experts}-k{top_k}", "stalls", source, one(stalling(tokens, experts, top_k), top_k)
    yield "favourite-12x4-k1", "favourite, skewed", made, one(liked(distinct(1, 12, 4), 0), 1)
    yield "favourite-16x8-k2", "favourite, skewed", made, one(liked(distinct(2, 16, 8), 0), 2)
    yield "skewed-24x8-k2", "skewed", made, one(distinct(3, 24, 8, tilt=0.75), 2)
    yield "skewed-32x6-k3", "skewed", made, one(distinct(4, 32, 6, tilt=0.5), 3)
    two = np.where(np.random.RandomState(5).rand(10, 4) < 0.5, 0.25, 0.75).astype(np.float32)
    yield "two-levels-10x4-k2", "ties", made, one(two, 2)
    yield "all-equal-9x4-k2", "ties, indivisible", made, one(np.full((9, 4), 0.5, np.float32), 2)
    same = np.repeat(distinct(6, 8, 3), 2, axis=1)
    yield "twins-8x6-k2", "duplicates, ties, indivisible", made, one(same, 2)
    alike = np.repeat(distinct(7, 1, 4), 12, axis=0)
    yield "alike-tokens-12x4-k1", "alike, favourite, skewed", made, one(alike, 1)
    yield "indivisible-7x4-k2", "indivisible", made, one(distinct(8, 7, 4), 2)
    yield "indivisible-13x6-k3", "indivisible", made, one(distinct(9, 13, 6), 3)
    yield "few-tokens-2x8-k2", "few tokens, indivisible", made, one(distinct(10, 2, 8), 2)
    narrow = (0.5 + distinct(11, 10, 5) * 2**-12).astype(np.float32)
    yield "near-ties-float32-10x5-k4", "near ties", made, one(narrow, 4)
    close = 0.5 + np.random.RandomState(12).permutation(64).reshape(16, 4) * 2.0**-45
    yield "near-ties-float64-16x4-k1", "near ties", made, one(close, 1)
    yield "negative-12x4-k2", "negative", made, one(distinct(13, 12, 4) - 2, 2)
    below = distinct(14, 8, 8) - 1
    issue = "DeepSeek-V3 issue 741, on numbers of our own"
    yield "groups-negative-8x8-k3", "groups, negative", issue, one(below, 3, 4, 2)
    yield "groups-8x8-k3", "groups", made, one(distinct(15, 8, 8), 3, 4, 2)
    wide = np.ldexp(1.0 + distinct(16, 8, 4), np.random.RandomState(16).randint(-20, 20, (8, 4))).astype(np.float32)
    yield "wide-8x4-k1", "wide", made, one(wide, 1)
    half = (np.random.RandomState(17).permutation(1023)[:96].reshape(16, 6) + 1) / 2048
    yield "half-16x6-k2", "half, indivisible", made, one(half.astype(np.float32), 2)
    gate = bfloat16(softmax(np.random.RandomState(18).randint(-4, 5, (24, 8)) / 2))
    yield "bfloat16-softmax-24x8-k2", "ties", made, one(gate, 2)
    ring = (np.arange(4) - np.arange(12)[:, None]) % 4
    yield "balanced-12x4-k1", "balanced", made, one(((4 - ring) / 8).astype(np.float32), 1)
    for run in recorded().instances():
        if run.scores.shape[1] == 16:
            source = f"first 24 tokens of the recorded instance {run.name}"
            scores = np.asarray(run.scores[:24], np.float32)
            yield f"recorded-24x16-k{run.top_k}", "recorded", source, one(scores, run.top_k)
            break
    moving = [liked(distinct(20 + step, 12, 4), step) for step in range(4)]
    yield "moving-favourite-4-batches", "drift, favourite", made, RouterCase(tuple(moving), 1)
    flips = [liked(distinct(27, 9, 3), favourite) for favourite in (0, 0, 0, 1, 0, 1)]
    yield "flips-6-batches", "drift, favourite", made, RouterCase(tuple(flips), 1)
    yield "the-same-batch-5-times", "skewed", made, RouterCase((distinct(25, 10, 5, tilt=0.75),) * 5, 1)


def scheduler() -> Entries:
    """Id, flags, source and case."""

    def one(load: Any, hosts: Any) -> SchedulerCase:
        return SchedulerCase((np.array(load, np.int64),), np.array(hosts, bool))

    def on(pairs: list[tuple[int, ...]], devices: int) -> np.ndarray:
        return np.array([[device in pair for device in range(devices)] for pair in pairs])

    made = "made for this corpus"
    chain = on([(0,), (0, 1), (1, 2), (2, 3), (3, 4), (4, 5)], 6)
    yield "chain-of-6", "long exchange", made, one([6, 6, 6, 6, 6, 6], chain)
    yield "chain-of-6-loaded", "long exchange, indivisible", made, one([12, 6, 5, 4, 3, 1], chain)
    pair = on([(0, 1), (0, 1), (1, 2), (2, 3), (3,)], 4)
    yield "two-devices-too-full", "bottleneck, indivisible", made, one([9, 8, 2, 3, 4], pair)
    trio = on([(0, 1, 2), (0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5)], 6)
    yield "three-devices-too-full", "bottleneck, indivisible", made, one([8, 7, 6, 7, 3, 2, 1], trio)
    ring = np.eye(8, dtype=bool) | np.roll(np.eye(8, dtype=bool), 1, axis=1)
    source = "cycle of 8 devices and 8 experts, arXiv 2511.16947; loads of our own"
    yield "ring-8-zipf", "symmetric", source, one([96, 48, 32, 24, 19, 16, 14, 12], ring)
    yield "ring-8-one-hot", "symmetric, one-hot, zero", source, one([0, 0, 0, 77, 0, 0, 0, 0], ring)
    yield (
        "ring-8-neighbours",
        "symmetric, bottleneck, zero, indivisible",
        source,
        one([50, 50, 49, 0, 0, 0, 0, 0], ring),
    )
    full = np.array([[device % 4 in (expert % 4, expert // 4) for device in range(4)] for expert in range(8)])
    load = (np.random.RandomState(31).zipf(1.6, 8) * 7 % 211).tolist()
    yield "random-8x4", "uneven", made, one(load, full)
    yield (
        "huge-4x3",
        "huge, indivisible",
        made,
        one([2**28 + 1, 2**27 + 3, 5, 2**28], on([(0, 1), (1, 2), (0, 2), (0, 1, 2)], 3)),
    )
    yield "one-token-short", "bottleneck, indivisible", made, one([4, 3, 1], on([(0, 1), (0, 1), (1, 2)], 3))
    loads = np.array([600, 560, 120, 120, 20, 10, 10, 10])
    placed = eplb(loads[None], 16, 1, 1, 8)[0]
    hosts = SchedulingProblem(loads, physical_to_logical=placed, num_devices=8).hosts
    source = "loads of vllm-ascend PR 3042, on EPLB's placement"
    yield "ascend-8x8", "golden, uneven", source, one(loads, hosts)
    readme = np.array([90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86])
    placed = eplb(readme[None], 16, 1, 1, 8)[0]
    hosts = SchedulingProblem(readme, physical_to_logical=placed, num_devices=8).hosts
    yield "eplb-readme-12x8", "golden, uneven", "EPLB's README, layer 0, flat", one(readme, hosts)
    sources = np.random.RandomState(32).randint(0, 9, (4, 6))
    spread = on([(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 3)], 4)
    yield "sources-4x6", "sources", made, SchedulerCase((sources.astype(np.int64),), spread)
    steps = [np.roll([40, 9, 7, 5, 3, 1, 1, 1], step) for step in range(5)]
    yield "moving-favourite-5-steps", "drift, symmetric", made, SchedulerCase(tuple(steps), ring)


def placer() -> Entries:
    """Id, flags, source and case."""

    def one(load: list[int], slots: int, devices: int, groups: int = 1, nodes: int = 1) -> PlacerCase:
        return PlacerCase((np.array([load], np.int64),), slots, groups, nodes, devices)

    made = "made for this corpus"
    ascend = [600, 560, 120, 120, 20, 10, 10, 10]
    yield "ascend-8e-16p-8g", "golden, counts", "loads of vllm-ascend PR 3042", one(ascend, 16, 8)
    readme = [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86]
    yield "eplb-readme-16p-8g", "golden", "EPLB's README, layer 0, flat", one(readme, 16, 8)
    yield "eplb-readme-16p-8g-2n", "golden, groups", "EPLB's README, layer 0, hierarchical", one(readme, 16, 8, 4, 2)
    yield (
        "three-experts-2g",
        "packing",
        "58, 54, 25: folding is not optimal with distinct devices",
        one([58, 54, 25], 4, 2),
    )
    yield "packing-6e-6p-2g", "packing", made, one([8, 7, 6, 5, 4, 2], 6, 2)
    yield "packing-9e-9p-3g", "packing", made, one([17, 15, 14, 12, 11, 9, 8, 7, 3], 9, 3)
    yield "one-hot-4e-8p-4g", "one-hot, zero", made, one([0, 0, 24, 0], 8, 4)
    yield "no-load-4e-8p-4g", "zero", made, one([0, 0, 0, 0], 8, 4)
    yield "spare-3e-12p-4g", "spare", made, one([9, 5, 4], 12, 4)
    yield "indivisible-5e-9p-3g", "indivisible", made, one([31, 17, 11, 5, 3], 9, 3)
    yield "huge-4e-6p-3g", "huge, indivisible", made, one([2**28 + 7, 2**27 + 1, 2**26, 4], 6, 3)
    yield "groups-8e-12p-4g-2n", "groups", made, one([40, 2, 3, 1, 9, 8, 11, 10], 12, 4, 4, 2)
    yield "counts-4e-8p-4g", "counts", made, one([100, 34, 33, 33], 8, 4)
    steps = [np.array([np.roll([40, 9, 7, 5, 3, 1], step)]) for step in range(4)]
    yield "moving-favourite-4-steps", "drift", made, PlacerCase(tuple(steps), 9, 1, 1, 3)


def planner() -> Entries:
    """Id, flags, source and case."""

    def one(load: Any, home: Any, slots: Any) -> PlannerCase:
        devices = 1 + max(home)
        slots = np.full(devices, slots) if isinstance(slots, int) else np.array(slots)
        return PlannerCase((np.array(load, np.int64),), np.array(home), slots)

    made, two = "made for this corpus", np.repeat(np.arange(4), 2).tolist()
    yield "one-hot-8e-4g", "one-hot, zero", made, one([96, 0, 0, 0, 0, 0, 0, 0], two, 1)
    yield "one-hot-8e-4g-3s", "one-hot, zero, no slots", made, one([0, 0, 0, 90, 0, 0, 0, 0], two, [2, 0, 1, 0])
    yield "balanced-8e-4g", "balanced", made, one([5, 3, 4, 4, 8, 0, 1, 7][::-1], two, 2)
    yield "full-home-8e-4g", "zero", made, one([30, 30, 0, 0, 2, 2, 0, 0], two, 1)
    yield "two-full-homes-8e-4g", "indivisible", made, one([23, 19, 17, 20, 1, 2, 3, 4], two, 1)
    yield "chain-6e-6g", "partition, indivisible", made, one([16, 13, 11, 9, 7, 5], range(6), 1)
    yield "pairs-6e-6g", "partition", made, one([14, 6, 13, 7, 12, 8], range(6), 1)
    yield "many-light-experts-12e-3g", "bottleneck", made, one([6] * 8 + [1] * 4, np.repeat(range(3), 4).tolist(), 1)
    yield "no-slots-6e-3g", "no slots, bottleneck", made, one([9, 8, 1, 1, 2, 3], [0, 0, 1, 1, 2, 2], 0)
    yield "uneven-homes-7e-3g", "uneven homes, indivisible", made, one([8, 7, 6, 5, 4, 3, 2], [0, 0, 0, 0, 1, 1, 2], 2)
    yield "huge-4e-2g", "huge, indivisible", made, one([2**28 + 1, 2**26 + 2, 6, 2**25], [0, 0, 1, 1], 1)
    ascend = [600, 560, 120, 120, 20, 10, 10, 10]
    yield "ascend-8e-4g", "golden, indivisible", "loads of vllm-ascend PR 3042", one(ascend, two, 1)
    readme = [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86]
    halves = np.repeat(np.arange(4), 3).tolist()
    yield "eplb-readme-12e-4g", "golden, indivisible", "EPLB's README, layer 0", one(readme, halves, 1)
    sources = np.random.RandomState(51).randint(0, 9, (4, 8)) * [4, 1, 1, 1, 1, 1, 1, 1]
    yield "sources-8e-4g", "sources", made, one(sources, two, 1)
    steps = tuple(np.roll([40, 9, 7, 5, 3, 1, 1, 1], 3 * step) for step in range(4))
    yield "moving-favourite-4-steps", "drift", made, PlannerCase(steps, np.array(two), np.ones(4, np.int64))


def predictor() -> Entries:
    """Id, flags, source and case."""

    def one(history: Any, horizon: int) -> PredictorCase:
        return PredictorCase(np.array(history, np.int64), horizon)

    made = "made for this corpus"
    noise = np.random.RandomState(41)
    yield "stationary-40x4", "stationary", made, one(noise.multinomial(1000, [0.4, 0.3, 0.2, 0.1], 40), 10)
    yield "stationary-64x8", "stationary", made, one(noise.multinomial(4096, np.full(8, 1 / 8), 64), 1)
    ramp = np.arange(24)
    yield "drift-24x3", "drift", made, one(np.stack([600 - 20 * ramp, 200 + 20 * ramp, np.full(24, 200)], 1), 5)
    yield "jump-20x3", "jump", made, one([[90, 5, 5]] * 12 + [[5, 90, 5]] * 8, 4)
    yield "periodic-24x2", "periodic", made, one([[70, 30], [70, 30], [30, 70]] * 8, 6)
    yield "one-hot-10x4", "one-hot, zero", made, one([[0, 0, 50, 0]] * 10, 3)
    yield "idle-steps-9x3", "zero", made, one([[5, 3, 2], [0, 0, 0], [5, 3, 2]] * 3, 3)
    yield "short-2x4", "short", made, one([[4, 3, 2, 1], [4, 3, 1, 2]], 100)
    yield "huge-6x2", "huge", made, one([[2**28 + step, 2**28 - step] for step in range(6)], 2)
    yield "falling-32x2", "long, drift", made, one([[320 - 10 * step, 90 - step] for step in range(32)], 12)
    yield "constant-32x3", "long", made, one([[5, 3, 1]] * 32, 4)
    yield "empty-32x2", "long, zero", made, one(np.zeros((32, 2)), 2)
    idle = np.insert(noise.multinomial(500, [0.7, 0.3], 32), 0, 0, axis=1)
    yield "idle-expert-32x3", "long, stationary, zero", made, one(idle, 6)
    yield "any-32x2", "long", made, one(noise.randint(0, 60, (32, 2)), 5)


ROLES = {"router": router, "scheduler": scheduler, "placer": placer, "planner": planner, "predictor": predictor}


def problem_of(case: Case) -> Any:
    """The problem of a case's first step and first layer; None where a role has no optimum.

    Routers at the default capacity; schedulers with whole tokens; placers with replicas that share
    evenly; planners with copies of one token or more.
    """
    if isinstance(case, RouterCase):
        return AssignmentProblem(case.scores, case.top_k)
    if isinstance(case, SchedulerCase):
        known = {"load": case.load} if case.load.ndim == 1 else {"source_load": case.load}
        return SchedulingProblem(hosts=case.hosts, **known)
    if isinstance(case, PlacerCase):
        machine = {"num_groups": case.num_groups, "num_nodes": case.num_nodes}
        return PlacementProblem(case.load[0], case.num_slots, case.num_devices, "even", **machine)
    if isinstance(case, PlannerCase):
        return ReplicationProblem(case.load, case.home, len(case.slots), case.slots)
    return None


def certified(case: Case) -> tuple[str | None, Any]:
    """The optimum as a fraction, and its certificate without the problem; None where it is not proved."""
    problem = problem_of(case)
    if problem is None:
        return None, None
    solution = equipoise.solve(problem)
    if solution.certificate is None or solution.lower != solution.upper:
        return None, None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "certificate.json"
        solution.certificate.save(path)
        document = json.loads(path.read_bytes())
    document["problem"] = None
    return str(solution.objective), document


def entries(role: str) -> list[dict[str, Any]]:
    """The vectors of a role, without their optima."""
    return [
        {"id": name, "flags": flags.split(", "), "source": source, "case": case.to_json()}
        for name, flags, source, case in ROLES[role]()
    ]


def document(role: str) -> dict[str, Any]:
    """The whole file of a role."""
    vectors = []
    for entry, (_, _, _, case) in zip(entries(role), ROLES[role](), strict=True):
        optimum, certificate = certified(case)
        vectors.append({**entry, "optimum": optimum, "certificate": certificate})
    return {"schema": SCHEMA, "role": role, "flags": FLAGS[role], "vectors": vectors}


def text(content: dict[str, Any]) -> str:
    """One vector a line, so that a change shows which."""
    head = {key: value for key, value in content.items() if key != "vectors"}
    lines = ",\n".join(json.dumps(vector, separators=(",", ":")) for vector in content["vectors"])
    return json.dumps(head, indent=1)[:-2] + ',\n "vectors": [\n' + lines + "\n]}\n"


def main(folder: Path = FOLDER) -> None:
    folder.mkdir(exist_ok=True)
    for role in ROLES:
        content = document(role)
        (folder / f"{role}.json").write_text(text(content))
        unproved = [vector["id"] for vector in content["vectors"] if vector["optimum"] is None]
        print(f"{role}: {len(content['vectors'])} vectors, without a certified optimum: {unproved}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
