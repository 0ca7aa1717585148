"""How often our SwiftBalancer gives the table that vLLM-Ascend's own gives, on random tables and loads.

python benchmarks/faithful/swift_balancer.py CHECKOUT      # a checkout of vllm-project/vllm-ascend

The original needs no accelerator for this: two packages that it imports for device counts are stood in for. Tables in
which a device holds an expert twice are left out: the original keeps sets and loses one of the two.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.reference.placement.swift_balancer import rebalanced

CASES = 500


class Tensor:
    """What the original asks of a tensor."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def numpy(self) -> Any:
        """Return the array."""
        return self._array


def original(checkout: Path) -> Any:
    """Return the original's policy, one node whatever the number of devices."""
    torch, folder = types.ModuleType("torch"), checkout / "vllm_ascend" / "eplb" / "core" / "policy"
    torch.npu = types.SimpleNamespace(device_count=lambda: 1 << 20)  # type: ignore[attr-defined]
    torch.Tensor = Tensor  # type: ignore[attr-defined]
    sys.modules |= {"torch": torch, "torch_npu": types.ModuleType("torch_npu")}
    package = "vllm_ascend.eplb.core.policy"
    for name in ("vllm_ascend", "vllm_ascend.eplb", "vllm_ascend.eplb.core", package):
        sys.modules[name] = types.ModuleType(name)
    for name in ("policy_abstract", "policy_swift_balancer"):
        module = sys.modules[f"{package}.{name}"] = types.ModuleType(f"{package}.{name}")
        module.__package__ = package
        exec((folder / f"{name}.py").read_text(), module.__dict__)
    return module.SwiftBalanceEplb()


def main(checkout: Path) -> None:
    policy, random = original(checkout), np.random.default_rng(0)
    same = level = changed = tried = 0
    while tried < CASES:
        devices, width, layers = int(random.choice([2, 4, 8])), int(random.integers(2, 6)), int(random.integers(1, 4))
        experts = int(random.integers(max(devices, devices * width // 2), devices * width + 1))
        spare = random.integers(0, experts, (layers, devices * width - experts))
        tables = np.stack([random.permutation(np.r_[np.arange(experts), row]) for row in spare])
        if any(len(set(part)) < width for part in tables.reshape(-1, width).tolist()):
            continue
        share = random.dirichlet(np.full(experts, 0.7))
        load = np.stack([random.multinomial(10**6, share) for _ in range(layers)]).astype(float)
        each = np.stack([row / np.bincount(table, minlength=experts) for row, table in zip(load, tables, strict=True)])
        work = np.take_along_axis(each, tables, axis=1).reshape(layers, devices, width)
        wanted = np.array(policy.rebalance_experts(Tensor(tables.reshape(work.shape)), Tensor(work))[2])
        ours = rebalanced(load, tables, devices).reshape(work.shape)
        tried += 1
        changed += bool((wanted.reshape(tables.shape) != tables).any())
        same += bool((np.sort(wanted, axis=2) == np.sort(ours, axis=2)).all())
        level += bool(np.allclose(peaks(load, wanted), peaks(load, ours), rtol=1e-9))
    print(f"{tried} cases, of which {changed} change the table")
    print(f"the same experts on every device in {same}, the same peak of every layer in {level}")


def peaks(load: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Return ``[L]``: peak of every layer, replicas sharing evenly."""
    found = []
    for row, table in zip(load, tables, strict=True):
        share = row / np.maximum(1, np.bincount(table.ravel(), minlength=len(row)))
        found.append(share[table].sum(axis=1).max())
    return np.array(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
