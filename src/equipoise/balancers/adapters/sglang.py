"""SGLang's function, which takes a window of steps."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, defaults_of, to_tensor_of
from equipoise.roles.placer import Integers, read_placement


class SglangFunction:
    """A placer from SGLang's ``rebalance_experts(tokens_per_expert[S, L, E], ...)``.

    ``algorithm`` is a member of SGLang's enumeration, or its name; None: the one that SGLang chooses itself for these
    groups and nodes (``compute_algorithm("auto", ...)`` beside the function), or else the first. A function without
    one, as ``deepseek_vec``'s, is told ``enable_hierarchical`` where the groups divide over the nodes.
    """

    def __init__(self, function: Callable[..., Any], algorithm: Any = None, to_tensor: ToTensor = as_given) -> None:
        self.function = function
        self.algorithm = algorithm
        self.to_tensor = to_tensor
        self._known = defaults_of(function)

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
            **self._more(num_groups, num_nodes),
        )
        return read_placement(returned, load, num_slots)

    def _more(self, num_groups: int, num_nodes: int) -> dict[str, Any]:
        if "algorithm" not in self._known:
            asked = "enable_hierarchical" in self._known
            return {"enable_hierarchical": bool(num_groups) and num_groups % num_nodes == 0} if asked else {}
        chosen = self._known["algorithm"] if self.algorithm is None else self.algorithm
        plain = self.function.func if isinstance(self.function, partial) else self.function
        beside = getattr(plain, "__globals__", {})
        members = _members(self.function, beside)
        if chosen is None and callable(choose := beside.get("compute_algorithm")):
            chosen = choose("auto", num_groups or None, num_nodes)
        elif chosen is None:
            chosen = next(iter(members.values()), None)
        return {"algorithm": members.get(chosen, chosen) if isinstance(chosen, str) else chosen}


def _members(function: Any, beside: dict[str, Any]) -> dict[str, Any]:
    """Return the members of the enumeration that ``algorithm`` is annotated with, by name."""
    kind = inspect.signature(function).parameters["algorithm"].annotation
    if isinstance(kind, str):
        kind = beside.get(kind)
    return dict(kind.__members__) if isinstance(kind, type) and issubclass(kind, Enum) else {}


FORM = Form(
    name="sglang",
    role="placer",
    example="rebalance_experts(tokens_per_expert, num_physical_experts, num_local_physical_experts, ...)",
    recognises=lambda found, names: {"tokens_per_expert", "num_physical_experts"} <= set(names),
    adapt=lambda found: SglangFunction(found, to_tensor=to_tensor_of(found)),
)
