"""vLLM-Ascend's policy objects: a table of experts per rank and slot in, a changed table out."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, required_parameters, to_tensor_of, uses
from equipoise.errors import TargetError
from equipoise.roles.placer import Integers, read_integers, read_placement


class AscendPolicy:
    """A placer from an object with ``rebalance_experts(current_expert_table, expert_workload)``.

    Both are ``[L, ranks, slots]``: the expert in each slot, and the load that slot had, here an equal share of the
    expert's. It returns ``(changed, ..., table)``. The table is what is judged, whatever ``changed`` says: the worker
    does not ask. None leaves the current one. The next call is told what the worker would have deployed: layers that
    lose an expert, have one twice on a rank, or move one within a rank stay as they were. The first table is
    round-robin.
    """

    capabilities = frozenset({"flat"})

    def __init__(self, policy: Any, to_tensor: ToTensor = as_given) -> None:
        self.policy = policy
        self.to_tensor = to_tensor
        self.table: Integers | None = None

    def reset(self) -> None:
        """Go back to the round-robin table."""
        self.table = None

    def __call__(
        self, load: npt.NDArray[Any], num_slots: int, num_groups: int, num_nodes: int, num_devices: int
    ) -> Integers:
        """Return ``physical_to_logical[L, P]`` for ``load[L, E]``; the policy knows no groups or nodes."""
        del num_groups, num_nodes
        load = np.asarray(load)
        layers, experts = load.shape
        shape = (layers, num_devices, num_slots // num_devices)
        if self.table is None or self.table.shape != shape or int(self.table.max()) >= experts:
            self.table = np.broadcast_to(np.arange(num_slots) % experts, (layers, num_slots)).reshape(shape).copy()
        placed = self.table.reshape(layers, num_slots)
        counts = np.stack([np.bincount(row[row >= 0], minlength=experts) for row in placed])
        share = np.take_along_axis(load / np.maximum(1, counts), np.maximum(0, placed), axis=1)
        workload = np.where(placed >= 0, share, 0).reshape(shape)
        returned = self.policy.rebalance_experts(self.to_tensor(self.table.copy()), self.to_tensor(workload))
        if not isinstance(returned, tuple | list) or len(returned) < 2:
            raise TargetError("it returned no (changed, table)")
        if returned[-1] is None and not returned[0]:
            return read_placement(placed, load, num_slots)
        table = read_integers(returned[-1], "the table", shape)
        kept = [_deployed(new, old) for new, old in zip(table, self.table, strict=True)]
        self.table = np.where(np.array(kept)[:, None, None], table, self.table)
        return read_placement(table.reshape(layers, num_slots), load, num_slots)


def _deployed(new: Integers, old: Integers) -> bool:
    """Whether the worker takes a layer's new table ``[ranks, slots]``, by its ``check_expert_placement``."""
    if len(np.unique(new)) < len(np.unique(old)):
        return False
    for given, before in zip(new, old, strict=True):
        stays = np.isin(given, before)
        if len(np.unique(given)) < len(given) or not np.array_equal(given[stays], before[stays]):
            return False
    return True


def _is_policy(found: Any, names: list[str]) -> bool:
    method = getattr(found, "rebalance_experts", None)
    return method is not None and "current_expert_table" in inspect.signature(method).parameters


def _adapt(found: Any) -> AscendPolicy:
    """Make the object of a class, with None for every configuration that it wants."""
    policy = found(*[None for _ in required_parameters(found)]) if isinstance(found, type) else found
    to_tensor = to_tensor_of(found.rebalance_experts)
    if to_tensor is as_given and not uses(found.rebalance_experts, "numpy"):
        to_tensor = getattr(sys.modules.get("torch"), "from_numpy", as_given)  # what the worker hands over
    return AscendPolicy(policy, to_tensor)


FORM = Form(
    name="vllm-ascend",
    role="placer",
    example="Policy(config).rebalance_experts(current_expert_table, expert_workload)",
    recognises=_is_policy,
    adapt=_adapt,
)
