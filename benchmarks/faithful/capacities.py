"""The capacity of an expert beside the frameworks' own, which work in floats."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from comparison import Comparison
from original import functions
from routing import MOE


def _capacity(original: Any, rng: np.random.Generator) -> str | None:
    tokens, experts, top_k = int(rng.integers(1, 5000)), int(rng.integers(1, 257)), int(rng.integers(1, 9))
    ours, theirs = -(-tokens * top_k // experts), int(original(tokens, experts, top_k))
    return None if ours == theirs else f"T={tokens}, E={experts}, K={top_k}: {ours} against {theirs}"


def _deepspeed_capacity(path: Path) -> Any:
    file = next(iter([*path.glob("deepspeed/moe/sharded_moe.py"), *path.glob("*/deepspeed/moe/sharded_moe.py")]))
    found = functions(file, ["_capacity"], torch=torch)["_capacity"]
    return lambda tokens, experts, top_k: found(
        torch.empty(tokens, experts), torch.tensor(float(top_k)), torch.tensor(0)
    )


COMPARISONS = [
    Comparison(
        "capacity-megatron",
        "megatron",
        "the capacity ceil(T K / E)",
        "`get_capacity`",
        "T to 5000, E to 256, K to 8",
        lambda path: (
            lambda tokens, experts, top_k: functions(path / MOE, ["get_capacity"], math=math)["get_capacity"](
                tokens, experts, top_k
            )
        ),
        _capacity,
        "The original multiplies T / E, a float, by K, and rounds up.",
    ),
    Comparison(
        "capacity-deepspeed",
        "deepspeed",
        "the capacity ceil(T K / E)",
        "`_capacity`, sharded_moe.py",
        "T to 5000, E to 256, K to 8",
        _deepspeed_capacity,
        _capacity,
        "The same, in float32.",
    ),
]
