"""SGLang's function, which takes a window of steps."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, to_tensor_of
from equipoise.roles.placer import Integers, read_placement


class SglangFunction:
    """A placer from SGLang's ``rebalance_experts(tokens_per_expert[S, L, E], ...)``; ``algorithm`` is passed on."""

    def __init__(self, function: Callable[..., Any], algorithm: Any = None, to_tensor: ToTensor = as_given) -> None:
        self.function = function
        self.algorithm = algorithm
        self.to_tensor = to_tensor

    def __call__(
        self, load: npt.NDArray[Any], num_slots: int, num_groups: int, num_nodes: int, num_devices: int
    ) -> Integers:
        """Return ``physical_to_logical[L, P]`` for ``load[L, E]``, given as a window of one step."""
        load = np.asarray(load)
        returned = self.function(
            tokens_per_expert=self.to_tensor(load[None].copy()),
            num_physical_experts=num_slots,
            num_local_physical_experts=num_slots // num_devices,
            num_groups=num_groups,
            num_nodes=num_nodes,
            algorithm=self.algorithm,
        )
        return read_placement(returned, load, num_slots)


def _first_algorithm(function: Any) -> Any:
    """Return the first member of the enumeration that ``algorithm`` is annotated with, or None."""
    algorithm = inspect.signature(function).parameters.get("algorithm")
    kind = None if algorithm is None else algorithm.annotation
    if isinstance(kind, str):
        kind = getattr(function, "__globals__", {}).get(kind)
    return next(iter(kind)) if isinstance(kind, type) and issubclass(kind, Enum) else None


FORM = Form(
    name="sglang",
    role="placer",
    example="rebalance_experts(tokens_per_expert, num_physical_experts, num_local_physical_experts, ...)",
    recognises=lambda found, names: {"tokens_per_expert", "num_physical_experts"} <= set(names),
    adapt=lambda found: SglangFunction(found, _first_algorithm(found), to_tensor_of(found)),
)
