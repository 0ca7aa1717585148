"""vLLM's policy classes: 0.13 and 0.14 (three tables), and since PR 36267 (phy2log alone, -1 for an unused slot)."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, to_tensor_of
from equipoise.roles.placer import Integers, read_placement


class VllmPolicy:
    """A placer from a class with the classmethod ``rebalance_experts``.

    It is called with ``(weight, num_replicas, num_groups, num_nodes, num_ranks)`` and, if it takes a sixth argument
    (``old_global_expert_indices``), with the placement it gave last on a machine of the same sizes, or None at first.
    """

    def __init__(self, policy: Any, to_tensor: ToTensor = as_given) -> None:
        self.policy = policy
        self.to_tensor = to_tensor
        self.last: Any = None
        self._sizes: tuple[Any, ...] = ()

    def reset(self) -> None:
        """Forget the last placement."""
        self.last = None

    def __call__(
        self, load: npt.NDArray[Any], num_slots: int, num_groups: int, num_nodes: int, num_devices: int
    ) -> Integers:
        """Return ``physical_to_logical[L, P]`` for ``load[L, E]``."""
        load = np.asarray(load)
        sizes = (*load.shape, num_slots, num_groups, num_nodes, num_devices)
        if sizes != self._sizes:
            self._sizes, self.last = sizes, None
        arguments = [self.to_tensor(load.copy()), num_slots, num_groups, num_nodes, num_devices]
        if len(inspect.signature(self.policy.rebalance_experts).parameters) > len(arguments):
            arguments.append(self.last)
        returned = self.policy.rebalance_experts(*arguments)
        placed = read_placement(returned, load, num_slots)
        self.last = self.to_tensor(placed.copy())
        return placed


def _is_policy(found: Any, names: list[str]) -> bool:
    method = getattr(found, "rebalance_experts", None)
    return method is not None and "current_expert_table" not in inspect.signature(method).parameters


FORM = Form(
    name="vllm",
    role="placer",
    example="Policy.rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_ranks, old_indices=None)",
    recognises=_is_policy,
    adapt=lambda found: VllmPolicy(found, to_tensor_of(found.rebalance_experts)),
)
