"""What the open instances state: every problem is made here, from a seed, published numbers or the trace that ships.

Random numbers come from NumPy's frozen legacy generator, so that every version of NumPy makes the same problems. A name
never changes its meaning: a problem that differs gets another name, or the next version.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from equipoise import (
    AssignmentProblem,
    CommunicationProblem,
    GroupLimitedProblem,
    MigrationProblem,
    PlacementProblem,
    ReplicationProblem,
)
from equipoise.problems import Problem
from equipoise.reference.placement.eplb import eplb
from equipoise.traces import recorded

sys.path.append(str(Path(__file__).parents[1]))
from golden import FLASH, README

Integers = npt.NDArray[np.int64]

TOKENS = 65_536
"""Of drawn loads."""

V3 = "sizes of DeepSeek-V3 (arXiv 2412.19437)"
PREFILL = "DeepSeek-V3's prefilling unit (arXiv 2412.19437, section 3.4)"
DECODE = "DeepSeek-V3's decoding unit (deepseek-ai/open-infra-index, inference system overview)"
KIMI = "as many experts as Kimi K2 has"
QWEN = "as many experts as Qwen3-235B has"


@dataclass(frozen=True)
class Stated:
    """A problem, what it is about, where its numbers come from, and their licence."""

    name: str
    problem: Problem
    description: str
    provenance: str
    licence: str = "Apache-2.0"


def zipf(seed: int, experts: int, exponent: float, tokens: int = TOKENS) -> Integers:
    """Tokens of each expert: so many draws, popularity ``rank ** -exponent``, experts in random order."""
    random = np.random.RandomState(seed)
    share = random.permutation(np.arange(1, experts + 1) ** -exponent)
    return random.multinomial(tokens, share / share.sum()).astype(np.int64)


def drawn(seed: int, exponent: float) -> str:
    """Say where the loads of :func:`zipf` come from."""
    return f"loads drawn: {TOKENS} tokens, Zipf exponent {exponent}, seed {seed}"


def trained(run: str, layer: int, step: int, steps: int = 1) -> Integers:
    """Tokens of each expert in so many steps of a recorded run."""
    return recorded().loads(run)[step : step + steps, layer].sum(axis=0, dtype=np.int64)


def of_run(run: str, layer: int, step: int, steps: int = 1) -> str:
    """Say where the loads of :func:`trained` come from."""
    when = f"step {step}" if steps == 1 else f"steps {step} to {step + steps - 1}"
    return f"the trace that ships, run {run}, layer {layer}, {when}"


def placed(problem: PlacementProblem, load: Integers) -> Integers:
    """Where EPLB puts the experts for ``load``: a placement to start from."""
    machine = (problem.num_slots, problem.num_groups, problem.num_nodes, problem.num_devices)
    slots: Integers = np.asarray(eplb(load, *machine), np.int64)
    return slots


def published() -> Iterator[Stated]:
    """Small loads with published placements."""
    flash = "vllm-project/vllm-ascend, pull request 3042"
    readme = "README of deepseek-ai/EPLB"
    for split in ("even", "free"):
        name, about = f"flashlb-{split}", "the example of FlashLB"
        yield Stated(name, PlacementProblem(FLASH, 16, 8, split), about, flash)
        for layer, groups, nodes in ((0, 1, 1), (1, 4, 2)):
            made = PlacementProblem(README[layer], 16, 8, split, groups, nodes)
            name = f"eplb-{layer}-{split}" if nodes == 1 else f"eplb-{layer}-{split}-nodes"
            yield Stated(name, made, f"EPLB's example, layer {layer}", readme, "MIT")


def placements() -> Iterator[Stated]:
    """From a few experts to what is deployed."""
    for experts, slots, devices, exponent, split in (
        (16, 20, 10, 0.6, "free"),
        (32, 36, 12, 0.6, "free"),
        (64, 72, 24, 0.6, "free"),
        (24, 32, 8, 0.8, "even"),
        (48, 56, 14, 0.6, "even"),
    ):
        load = zipf(experts + slots, experts, exponent)
        name = f"place-e{experts}-p{slots}-g{devices}-{split}"
        made = PlacementProblem(load, slots, devices, split)
        yield Stated(name, made, "few spare slots", drawn(experts + slots, exponent))
    for layer, slots, devices, split in ((1, 72, 24, "even"), (2, 80, 16, "free")):
        load = trained("E64-none", layer, 300, 20)
        made = PlacementProblem(load, slots, devices, split)
        yield Stated(
            f"trained-p{slots}-g{devices}-{split}", made, "loads of a training run", of_run("E64-none", layer, 300, 20)
        )
    grouped = PlacementProblem(zipf(7, 32, 0.8), 40, 8, "even", 4, 2)
    yield Stated("place-e32-p40-g8-nodes", grouped, "groups stay on nodes", drawn(7, 0.8))
    for name, about, seed, exponent, experts, slots, devices, groups, nodes in (
        ("v3-prefill-flat", f"{PREFILL}, groups on any node", 1, 0.8, 256, 288, 32, 1, 1),
        ("v3-prefill-nodes", PREFILL, 1, 0.8, 256, 288, 32, 8, 4),
        ("v3-decode", DECODE, 2, 0.7, 256, 288, 144, 1, 1),
        ("qwen3", QWEN, 3, 0.6, 128, 144, 48, 1, 1),
        ("kimi-k2", KIMI, 4, 0.7, 384, 448, 64, 1, 1),
    ):
        for split in ("even", "free"):
            made = PlacementProblem(zipf(seed, experts, exponent), slots, devices, split, groups, nodes)
            yield Stated(f"{name}-{split}", made, about, drawn(seed, exponent))


def replications() -> Iterator[Stated]:
    """Copies for one batch."""
    small = ReplicationProblem(trained("E16-none", 2, 100), np.arange(16) // 2, 8, 1, most_copies=4)
    yield Stated("copies-e16-g8", small, "one batch of a training run", of_run("E16-none", 2, 100))
    load = zipf(11, 32, 0.9, 8192)
    floor = ReplicationProblem(load, np.arange(32) // 2, 16, 1, floor=128, most_copies=10)
    yield Stated(
        "copies-e32-g16-floor", floor, "a copy serves at least 128 tokens", drawn(11, 0.9).replace("65536", "8192")
    )
    middle = ReplicationProblem(trained("E64-none", 3, 300), np.arange(64) // 4, 16, 1, most_copies=12)
    yield Stated("copies-e64-g16", middle, "one batch of a training run", of_run("E64-none", 3, 300))
    home, load = np.arange(256) // 8, zipf(12, 256, 0.8)
    few = ReplicationProblem(load, home, 32, 1, floor=64, most_copies=16)
    yield Stated("copies-v3-few", few, f"{V3}; a copy serves at least 64 tokens", drawn(12, 0.8))
    domain = home[:, None] // 8 == np.arange(32)[None] // 8
    near = ReplicationProblem(load, home, 32, 2, domain=domain, copies_per_expert=2)
    yield Stated("copies-v3-nodes", near, f"{V3}; copies stay on the node, two an expert", drawn(12, 0.8))


def group_limited() -> Iterator[Stated]:
    """At most M of N groups a token."""
    for tokens, experts, top_k, groups, most in (
        (16, 16, 3, 4, 2),
        (48, 32, 4, 8, 3),
        (64, 256, 8, 8, 4),
        (256, 256, 8, 8, 4),
    ):
        seed = tokens + experts
        liked = np.random.RandomState(seed).randint(0, 500, (tokens, experts)) + zipf(
            seed, experts, 0.6, 300 * experts // 4
        )
        capacity = -(-tokens * top_k // experts)
        plain = AssignmentProblem(np.minimum(liked, 999), top_k, capacity)
        about = V3 if experts == 256 else "drawn scores, some experts popular"
        made = f"scores drawn: 0 to 499 and an expert's popularity, seed {seed}"
        yield Stated(f"groups-t{tokens}-e{experts}", GroupLimitedProblem(plain, groups, most), about, made)
    logits = recorded().arrays["E64-none/logits"][1, 2, :96].astype(np.float64)
    scores = np.round(256 * logits).astype(np.int64)
    plain = AssignmentProblem(scores, 8, 12)
    about = "recorded logits, times 256, rounded"
    made = "the trace that ships, run E64-none, layer 2, step 300, the first 96 tokens"
    yield Stated("groups-trained-t96-e64", GroupLimitedProblem(plain, 8, 4), about, made)


def migrations() -> Iterator[Stated]:
    """A placement for yesterday's load, and few moves."""
    for run, slots, devices, moves, split in (
        ("E16-none", 20, 10, 4, "even"),
        ("E64-none", 72, 12, 6, "even"),
        ("E64-none", 72, 24, 8, "free"),
    ):
        before, now = trained(run, 1, 150, 20), trained(run, 1, 300, 20)
        made = PlacementProblem(now, slots, devices, split)
        problem = MigrationProblem(made, placed(made, before), moves)
        source = f"{of_run(run, 1, 300, 20)}; placed by EPLB for the loads of steps 150 to 169"
        yield Stated(
            f"moves-{run[:3].lower()}-p{slots}-g{devices}-{split}",
            problem,
            "loads of a training run, 150 steps later",
            source,
        )
    for split, moves, nodes in (("even", 16, True), ("free", 16, False)):
        before, drift = zipf(21, 256, 0.8), zipf(22, 256, 0.8)
        form = (8, 4) if nodes else (1, 1)
        made = PlacementProblem((3 * before + drift) // 4, 288, 32, split, *form, distinct=False)
        source = f"{drawn(21, 0.8)}, a quarter replaced by seed 22; placed by EPLB for those of seed 21"
        problem = MigrationProblem(made, placed(made, before), moves)
        yield Stated(f"moves-v3-{split}", problem, f"{PREFILL}, a quarter of the load replaced", source)


def communications() -> Iterator[Stated]:
    """The fullest device and the busiest link."""
    for experts, slots, devices, alpha in (
        (8, 12, 4, "1/2"),
        (16, 24, 8, "1/4"),
        (64, 80, 16, "1/4"),
        (256, 288, 32, "1/8"),
    ):
        seed, tokens = 30 + devices, 512 * devices
        load = zipf(seed, experts, 0.7, tokens)
        random = np.random.RandomState(seed + 1)
        source = np.stack([random.multinomial(count, np.full(devices, 1 / devices)) for count in load], axis=1)
        machine = PlacementProblem(load, slots, devices)
        problem = CommunicationProblem(source, machine.counts(placed(machine, load)) > 0, alpha)
        about = V3 if experts == 256 else "whole tokens, placed by EPLB"
        made = f"loads drawn: {tokens} tokens, Zipf exponent 0.7, seed {seed}, from devices alike; placed by EPLB"
        yield Stated(f"links-e{experts}-g{devices}", problem, about, made)


def statements() -> Iterator[Stated]:
    """Every instance, in the order of the table."""
    for kind in (published, placements, replications, group_limited, migrations, communications):
        yield from kind()
