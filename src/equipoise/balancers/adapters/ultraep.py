"""UltraEP's placement solver (Dots-Infra/UltraEP, ``solve_placement_for_test`` of its extension)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, to_tensor_of
from equipoise.balancers.adapters.planners import EQUAL_HOMES, by_source, each_home
from equipoise.errors import TargetError
from equipoise.roles.planner import Integers

ARGUMENTS = ["expert_loads", "expert_loads_per_rank", "num_ranks", "num_local_master_experts"]


class UltraepSolver:
    """A planner from UltraEP's solver, told one domain of all devices; more arguments keep their defaults.

    It returns physical_to_logical, logical_to_physical ``[E, G]`` (-1 padded), replica counts and the quota ``[E, G]``
    of each replica; more is not read. It knows one number of slots for all devices, the least is what it is told.
    """

    capabilities = frozenset({EQUAL_HOMES})

    def __init__(self, solve: Callable[..., Any], to_tensor: ToTensor = as_given) -> None:
        self.solve = solve
        self.to_tensor = to_tensor

    def __call__(
        self, load: npt.NDArray[np.integer], home: npt.NDArray[np.integer], slots: npt.NDArray[np.integer]
    ) -> tuple[npt.NDArray[np.bool_], Integers]:
        """Return copies and ``split[E, G]`` for ``load[E]``, or ``[G, E]`` by source."""
        devices, spare = len(slots), int(slots.min())
        tokens, each = by_source(load, devices).astype(np.int32), each_home(home, devices)
        total = tokens.sum(axis=0, dtype=np.int32)
        returned = self.solve(self.to_tensor(total), self.to_tensor(tokens), devices, each, spare, devices)
        if not isinstance(returned, tuple | list) or len(returned) < 4:
            raise TargetError("it returned no maps, counts and quotas")
        places, quota = (as_numpy(returned[index], name) for index, name in ((1, "the map"), (3, "the quota")))
        if places.shape != quota.shape or places.ndim != 2 or len(places) != len(home):
            raise TargetError(f"it returned a map {places.shape} and quotas {quota.shape}; allowed: [E, G] each")
        device = np.where(places >= 0, places // (each + spare), -1)
        if device.max(initial=-1) >= devices:
            raise TargetError(f"it returned slot {int(places.max())} of {devices * (each + spare)}")
        split, hosts = np.zeros((len(home), devices), np.int64), np.zeros((len(home), devices), bool)
        expert, replica = np.nonzero(device >= 0)
        np.add.at(split, (expert, device[expert, replica]), quota[expert, replica])
        hosts[expert, device[expert, replica]] = True
        hosts[np.arange(len(home)), home] = False
        return hosts, split


FORM = Form(
    name="ultraep",
    role="planner",
    example="solve_placement(expert_loads, expert_loads_per_rank, num_ranks, num_local_master_experts, ...)",
    recognises=lambda found, names: names[: len(ARGUMENTS)] == ARGUMENTS and not isinstance(found, type),
    adapt=lambda found: UltraepSolver(found, to_tensor_of(found)),
)
