"""What stands inside a router's module: the weight that makes its logits, its gate, its groups, its mode of numbers."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.balancers.adapters.forms import parameters

TOP_K = ("top_k", "topk", "num_experts_per_tok", "num_experts_per_token", "experts_per_token", "moe_topk", "k")
"""Where modules keep K."""

GATES = ("score_func", "scoring_func", "score_function")
"""Where modules keep the name of their gate."""

GROUPS = (
    *(("num_group", "topk_group"), ("n_group", "topk_group"), ("num_groups", "topk_groups")),
    ("num_expert_groups", "num_limited_groups"),
)
"""Where modules keep how many groups of experts there are, and how many of them a token may use."""


def top_k_of(module: Any) -> int | None:
    """Return K as the module keeps it; None if it does not."""
    return next((k for name in TOP_K if isinstance(k := getattr(module, name, None), int)), None)


def gate_of(module: Any) -> str:
    """Return the name of the gate: as the module says, or of the one function of that name that it calls; or ""."""
    named = (str(one) for name in GATES if (one := getattr(module, name, None)) is not None)
    forward = inspect.unwrap(getattr(type(module), "forward", type(module).__call__))
    called = {"softmax", "sigmoid"}.intersection(getattr(getattr(forward, "__code__", None), "co_names", ()))
    return next(named, called.pop() if len(called) == 1 else "")


def groups_of(module: Any) -> tuple[str, str] | None:
    """Return the names under which a module keeps its groups; None if it knows none, or is told to ignore them."""
    if getattr(module, "topk_method", None) == "greedy":  # DeepSeek-V2
        return None
    return next((pair for pair in GROUPS if all(hasattr(module, name) for name in pair)), None)


def is_half(array: Any) -> bool:
    """Whether an array of any library is in float16 or bfloat16."""
    return str(array.dtype).endswith("float16")


def buffers_of(module: Any) -> list[npt.NDArray[Any]]:
    """Return copies of a torch module's buffers."""
    return [as_numpy(one, "a buffer").copy() for one in getattr(module, "buffers", tuple)()]


def second_is_a_bias(module: Any) -> bool:
    """Whether the module takes a bias beside the hidden states."""
    return any("bias" in parameter.name for parameter in parameters(module)[1:2])


def gates(module: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the matrices ``[E, H]`` that a module can make logits with, each with the module or layer that has it."""
    layers = [module, *(value for value in _parts(module) if value is not module)]
    for layer in layers:
        for name in ("weight", "gate_weight", "wg", "kernel"):
            weight = getattr(layer, name, None)
            if weight is not None and len(getattr(weight, "shape", ())) == 2 and weight.shape[0] <= weight.shape[1]:
                yield layer, weight


def _parts(module: Any) -> list[Any]:
    if callable(listed := getattr(module, "modules", None)):
        return list(listed())
    return [value for value in vars(module).values() if hasattr(value, "weight")] if hasattr(module, "__dict__") else []


def fill(array: Any, values: npt.NDArray[Any]) -> None:
    """Write values into an array of any library."""
    target = array.detach() if hasattr(array, "detach") else array
    made = values.astype(target.dtype) if isinstance(target, np.ndarray) else target.new_tensor(values.tolist())
    target[...] = made
