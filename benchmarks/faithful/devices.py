"""Placers, schedulers and planners beside their originals."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from comparison import Comparison, differing
from original import functions, module

from equipoise.reference.placement.eplb import eplb
from equipoise.reference.planning.llep import LLEP
from equipoise.reference.planning.moonep import moonep
from equipoise.reference.scheduling.sglang_static import static_map


def _placement(rng: np.random.Generator) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Loads ``[2, E]`` without ties, slots, groups, nodes and devices that fit."""
    nodes, per_node = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    groups = nodes * int(rng.integers(1, 4)) if rng.random() < 0.5 else nodes * 2 + (nodes > 1)
    experts = groups * int(rng.integers(1, 5))
    devices = nodes * per_node
    slots = devices * int(-(-experts // devices) + rng.integers(0, 3))
    load = (rng.pareto(1.2, (2, experts)) * 100 + rng.random((2, experts))).astype(np.float32)
    return load, (slots, groups, nodes, devices)


def _eplb(original: Any, rng: np.random.Generator) -> str | None:
    load, sizes = _placement(rng)
    table = original(torch.from_numpy(load), *sizes)
    return differing("slot", eplb(load, *sizes), table[0] if isinstance(table, tuple) else table)


def _vllm(path: Path) -> Any:
    stand = SimpleNamespace(AbstractEplbPolicy=object)
    policy = functions(
        path / "vllm/distributed/eplb/policy/default.py",
        ["DefaultEplbPolicy"],
        np=np,
        torch=torch,
        AbstractEplbPolicy=stand.AbstractEplbPolicy,
    )["DefaultEplbPolicy"]
    return policy.rebalance_experts


def _sglang_static(path: Path) -> Any:
    names = [
        "compute_logical_to_rank_dispatch_physical_map",
        "_logical_to_all_physical_raw",
        "_compute_gpu_id_of_physical_expert",
        "_compute_node_id_of_physical_expert",
        "_find_nearest_expert",
        "_fair_choices",
    ]
    size = SimpleNamespace(ep_size=1, nnodes=1)
    found = functions(
        path / "sglang/srt/eplb/expert_location.py",
        names,
        torch=torch,
        random=random,
        get_parallel=lambda: size,
        _prefer_same_node_experts=lambda: size.nnodes > 1,
    )
    return found[names[0]], size


def _static(original: Any, rng: np.random.Generator) -> str | None:
    function, size = original
    nodes, per_node, each = int(rng.integers(1, 4)), int(rng.integers(1, 5)), int(rng.integers(1, 4))
    devices = nodes * per_node
    slots = devices * each
    experts = int(rng.integers(1, slots + 1))
    holds = rng.permutation(np.concatenate([np.arange(experts), rng.integers(0, experts, slots - experts)]))
    places = [np.flatnonzero(holds == expert) for expert in range(experts)]
    table = np.full((1, experts, max(map(len, places))), -1)
    for expert, found in enumerate(places):
        table[0, expert, : len(found)] = found
    size.ep_size, size.nnodes = devices, nodes
    hosts = np.stack([np.bincount(found // each, minlength=devices) for found in places])
    theirs = [function(torch.from_numpy(table), devices, slots, rank)[0].numpy() // each for rank in range(devices)]
    return differing("device of source and expert", static_map(hosts, nodes), np.stack(theirs))


def _moonep(path: Path) -> Any:
    name = "launch_planning_torch_reference"
    return functions(path / "tests/planning_reference.py", [name], torch=torch, dist=None)[name]


def _planned(original: Any, rng: np.random.Generator) -> str | None:
    devices, each = int(rng.integers(1, 9)), int(rng.integers(1, 7))
    experts, tokens, top_k = devices * each, int(rng.integers(1, 33)), int(rng.integers(1, min(4, devices * each) + 1))
    liked = rng.dirichlet(np.full(experts, 0.3))
    chosen = np.argsort(-(np.log(liked + 1e-9) + rng.gumbel(size=(devices, tokens, experts))), axis=2)[..., :top_k]
    counts = np.stack([np.bincount(one.ravel(), minlength=experts) for one in chosen])
    context = {"rank": 0, "R": devices, "E": experts, "B": each, "S": tokens, "K": top_k}
    context["NvS_capacity"] = tokens * top_k
    theirs = original(context, torch.from_numpy(chosen), torch.from_numpy(counts), return_alloc=True).numpy().T
    ours = moonep(counts, np.arange(experts) // each, np.full(devices, each))
    return differing("tokens of expert and device", ours, theirs)


def _llep(path: Path) -> Any:
    names = ["WeightTransferPlan", "LLEPLptPlan", "compute_llep_lpt_plan"]
    return functions(path / "llep/gpt_oss_llep.py", names, torch=torch, dataclass=dataclass)[names[-1]]


def _spilled(original: Any, rng: np.random.Generator) -> str | None:
    devices, each, most = int(rng.integers(1, 9)), int(rng.integers(1, 7)), int(rng.choice([1, 20, 1024]))
    load = (rng.pareto(1.2, devices * each) * rng.choice([3, 100, 5000])).astype(np.int64)
    factor = float(rng.choice([1.0, 1.1, 1.5]))
    plan = original(torch.from_numpy(load), devices, 0, each, factor, most).lpt_plan
    theirs = np.zeros((len(load), devices), np.int64)
    for expert, parts in plan.items():
        for device, start, end in parts:
            theirs[expert, device] += end - start
    ours = LLEP(factor, most)(load, np.arange(len(load)) // each, np.zeros(devices, np.int64))
    return differing("tokens of expert and device", ours, theirs)


PLACEMENTS = "2 layers, Pareto loads without ties, 1 to 3 nodes of 1 to 4 devices, groups that divide over nodes or not"

COMPARISONS = [
    Comparison(
        "eplb",
        "eplb",
        "placer `eplb`",
        "`rebalance_experts`, eplb.py",
        PLACEMENTS,
        lambda path: module(path / "eplb.py").rebalance_experts,
        _eplb,
        "Every slot is compared. With ties the original leaves the order to an unstable sort (EPLB issue 8).",
    ),
    Comparison(
        "eplb-vllm",
        "vllm",
        "placer `eplb`",
        "`DefaultEplbPolicy.rebalance_experts`",
        PLACEMENTS,
        _vllm,
        _eplb,
        "Without an old map, which would keep experts in their slots.",
    ),
    Comparison(
        "eplb-sglang",
        "sglang",
        "placer `eplb`",
        "`rebalance_experts`, eplb_algorithms/deepseek.py",
        PLACEMENTS,
        lambda path: (
            lambda load, slots, groups, nodes, devices: module(
                path / "sglang/srt/eplb/eplb_algorithms/deepseek.py"
            ).rebalance_experts(load, slots, groups, nodes, devices, enable_hierarchical=groups % nodes == 0)
        ),
        _eplb,
    ),
    Comparison(
        "sglang-static",
        "sglang",
        "scheduler `sglang-static`",
        "`compute_logical_to_rank_dispatch_physical_map`",
        "one layer, 1 to 3 nodes of 1 to 4 devices with 1 to 3 slots, random replicas, also two on a device",
        _sglang_static,
        _static,
        "The device is compared, for every source and expert, the seeded draws among them.",
    ),
    Comparison(
        "moonep",
        "moonep",
        "planner `moonep`",
        "`launch_planning_torch_reference`, tests/planning_reference.py",
        "1 to 8 devices, 1 to 6 experts each, top 1 to 4 of Dirichlet popularity",
        _moonep,
        _planned,
        "Every count is compared.",
    ),
    Comparison(
        "llep",
        "llep",
        "planner `llep`",
        "`compute_llep_lpt_plan`, gpt_oss_llep.py",
        "1 to 8 devices, 1 to 6 experts each, Pareto loads, factor 1 to 1.5, 1, 20 or 1024 tokens at least",
        _llep,
        _spilled,
        "Every count is compared, ties included.",
    ),
]
