"""SGLang's function, which takes a window of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.adapters.placements import Integers, ToTensor, as_given, read_placement


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
        return read_placement(returned, load.shape[0], load.shape[1], num_slots)
