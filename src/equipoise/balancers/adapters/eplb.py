"""DeepSeek EPLB's function, also vLLM's up to 0.12."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, required_parameters, to_tensor_of
from equipoise.roles.placer import Integers, read_placement


class EplbFunction:
    """A placer from ``rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus)``.

    Where it must be told ``enable_hierarchical``, as SGLang's, that is so where the groups divide over the nodes; where
    ``active_ranks``, all devices are.
    """

    def __init__(self, function: Callable[..., Any], to_tensor: ToTensor = as_given) -> None:
        self.function = function
        self.to_tensor = to_tensor
        self._asked = {parameter.name for parameter in required_parameters(function)}

    def __call__(
        self, load: npt.NDArray[Any], num_slots: int, num_groups: int, num_nodes: int, num_devices: int
    ) -> Integers:
        """Return ``physical_to_logical[L, P]`` for ``load[L, E]``."""
        load = np.asarray(load)
        known = {
            "enable_hierarchical": bool(num_groups) and num_groups % num_nodes == 0,
            "active_ranks": self.to_tensor(np.ones(num_devices, np.int32)),
        }
        more = {name: value for name, value in known.items() if name in self._asked}
        returned = self.function(self.to_tensor(load.copy()), num_slots, num_groups, num_nodes, num_devices, **more)
        return read_placement(returned, load, num_slots)


FORM = Form(
    name="eplb",
    role="placer",
    example="rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus)",
    recognises=lambda found, names: "num_replicas" in names and not isinstance(found, type),
    adapt=lambda found: EplbFunction(found, to_tensor_of(found)),
)
