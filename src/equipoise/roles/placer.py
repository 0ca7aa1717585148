"""Placers: experts, some of them several times, in the slots of devices.

A *placer* is called as ``placer(load[L, E], num_slots, num_groups, num_nodes, num_devices)`` and returns
``physical_to_logical[L, P]``: the expert in every slot, -1 for an empty one; slot p lies on device ``p // (P / G)``.
The three tables that EPLB returns are read too, and must agree. One that takes ``live[G]``, booleans, is told which
devices there are, and leaves the slots of all others empty; one that takes ``rank`` is told on which device it runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.errors import InvalidProblem, TargetError
from equipoise.reference.placement.catalogue import PLACERS
from equipoise.roles.role import BY_NAME, RANDOM, STATEFUL, Case, Role, shown

Integers = npt.NDArray[np.int64]

NO_PLACEMENT = "gives no placement"


class Placer(Protocol):
    """Puts experts into the slots of devices."""

    def __call__(
        self, load: npt.NDArray[Any], num_slots: int, num_groups: int, num_nodes: int, num_devices: int, /
    ) -> Any:
        """Return ``physical_to_logical[L, P]`` for ``load[L, E]``; slot p lies on device ``p // (P / G)``."""


def read_placement(returned: Any, load: npt.NDArray[Any], num_slots: int, *machine: int) -> Integers:
    """Return ``physical_to_logical[L, P]`` from phy2log alone or from ``(phy2log, log2phy, logcnt)``.

    ``machine`` (groups, nodes, devices) makes no difference to what a placement is.

    Raises
    ------
    TargetError
        If experts do not exist or are placed nowhere, or the three tables do not say the same.
    """
    layers, experts = load.shape
    if returned is None:
        raise TargetError("it returned None; allowed: phy2log, or phy2log, log2phy and logcnt", NO_PLACEMENT)
    tables = returned if isinstance(returned, tuple | list) else (returned,)
    if len(tables) not in (1, 3):
        allowed = "phy2log, or phy2log, log2phy and logcnt"
        raise TargetError(f"it returned {len(tables)} tables; allowed: {allowed}", NO_PLACEMENT)
    placed = read_integers(tables[0], "phy2log", (layers, num_slots))
    if placed.min() < -1 or placed.max() >= experts:
        given, allowed = f"experts {placed.min()} to {placed.max()}", f"0 to {experts - 1}, or -1"
        raise TargetError(f"its phy2log names {given}; allowed: {allowed}", NO_PLACEMENT)
    counts = np.stack([np.bincount(layer[layer >= 0], minlength=experts) for layer in placed])
    if (counts == 0).any():
        layer, expert = np.argwhere(counts == 0)[0].tolist()
        raise TargetError(f"its phy2log places expert {expert} of layer {layer} nowhere", NO_PLACEMENT)
    if len(tables) == 3:
        _agree(placed, counts, tables[1], tables[2])
    return placed


def read_integers(returned: Any, name: str, shape: tuple[int | None, ...]) -> Integers:
    """Return an array of whole numbers of ``shape`` (None: any length).

    Raises
    ------
    TargetError
        If it is anything else; float indices are a defect seen in the wild (vllm PR 18343).
    """
    try:
        array = as_numpy(returned, name)
    except InvalidProblem as error:
        raise TargetError(f"it returned {name} that is {error.given}", NO_PLACEMENT) from error
    fits = array.ndim == len(shape) and all(w in (None, h) for w, h in zip(shape, array.shape, strict=True))
    if array.dtype.kind not in "iu" or not fits:
        wanted = "[" + ", ".join("any" if length is None else str(length) for length in shape) + "]"
        given = f"{name} {array.dtype} of shape {array.shape}"
        raise TargetError(f"it returned {given}; allowed: integers {wanted}", NO_PLACEMENT)
    return array.astype(np.int64)


def _agree(placed: Integers, counts: Integers, log2phy: Any, logcnt: Any) -> None:
    layers, experts = counts.shape
    if (read_integers(logcnt, "logcnt", (layers, experts)) != counts).any():
        raise TargetError("its logcnt is not how often phy2log names each expert", NO_PLACEMENT)
    replicas = read_integers(log2phy, "log2phy", (layers, experts, None))
    for layer, expert in np.ndindex(layers, experts):
        slots = replicas[layer, expert]
        if sorted(slots[slots >= 0].tolist()) != np.flatnonzero(placed[layer] == expert).tolist():
            raise TargetError(f"its log2phy and phy2log differ on expert {expert} of layer {layer}", NO_PLACEMENT)


@dataclass(frozen=True, eq=False)
class PlacerCase(Case):
    """Loads ``[L, E]`` in order of time, and the machine: slots, groups of experts, nodes, devices.

    Attributes
    ----------
    machines
        Where the machine changes: slots, groups, nodes, devices of the later calls, again and again the same.
    live
        Where a placer is told which devices there are: ``[G]`` booleans of each call, again and again the same.
    """

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {"loads": ("L", "E")}

    loads: tuple[npt.NDArray[Any], ...]
    num_slots: int
    num_groups: int
    num_nodes: int
    num_devices: int
    machines: tuple[npt.NDArray[Any], ...] = ()
    live: tuple[npt.NDArray[Any], ...] = ()

    def calls(self) -> list[tuple[Any, ...]]:
        """Return a call a load."""
        first = (self.num_slots, self.num_groups, self.num_nodes, self.num_devices)
        later = [tuple(machine.tolist()) for machine in self.machines] or [first]
        return [(load, *(later[(call - 1) % len(later)] if call else first)) for call, load in enumerate(self.loads)]

    @property
    def valid(self) -> bool:
        """Whether every expert finds a slot, and slots, devices, nodes and groups divide each other, in every call."""
        experts = self.load.shape[1]
        for _, slots, groups, nodes, devices in self.calls():
            if min(slots, groups, nodes, devices) < 1 or slots < experts:
                return False
            if slots % devices or devices % nodes or experts % groups or groups % nodes:
                return False
            if any(len(live) != devices or live.sum() * (slots // devices) < experts for live in self.live):
                return False
        return True

    @property
    def load(self) -> npt.NDArray[Any]:
        """The first load."""
        return self.loads[0]

    def __repr__(self) -> str:
        machine = ("num_slots", "num_groups", "num_nodes", "num_devices")
        sizes = ", ".join(f"{name} = {getattr(self, name)}" for name in machine)
        later = [f"later: {', '.join(machine)} = {', '.join(map(str, one.tolist()))}" for one in self.machines]
        masks = [shown("live", live) for live in self.live]
        return "\n".join([sizes, *later, *masks, *(shown("load", load) for load in self.loads)])


def _case(load: list[int], slots: int, devices: int, groups: int = 1, nodes: int = 1) -> PlacerCase:
    return PlacerCase((np.array([load]),), slots, groups, nodes, devices)


ROLE = Role(
    name="placer",
    home=__name__,
    arguments=("load", "num_slots", "num_groups", "num_nodes", "num_devices"),
    answer="physical_to_logical",
    noun="placement",
    read=read_placement,
    case=PlacerCase,
    letters=("L", "E", "P", "groups", "nodes", "G"),
    shape=lambda load, *machine: [*load.shape, *machine],
    boundaries={
        "one expert, one slot": _case([5], 1, 1),
        "one expert in all slots": _case([5], 4, 4),
        "one device": _case([5, 3, 2], 4, 1),
        "no spare slot": _case([9, 4, 3, 1], 4, 2),
        "one spare device": _case([9, 4, 3, 1], 6, 2),
        "all zero": _case([0, 0, 0, 0], 8, 4),
        "all equal": _case([6, 6, 6, 6], 8, 4),
        "all load on one expert": _case([0, 0, 8, 0], 8, 4),
        "one slot a device": _case([5, 4, 3], 5, 5),
        "nothing divides": _case([7, 5, 3, 2, 2], 9, 3),
        "groups on nodes": _case([9, 1, 4, 4, 2, 8, 3, 5], 12, 4, groups=4, nodes=2),
        "two layers": PlacerCase((np.array([[4, 3, 2, 1], [0, 0, 0, 9]]),), 6, 1, 1, 3),
    },
    must_take=(
        "groups == 1 and nodes == 1 and P % G == 0 and E % G == 0",
        "groups > 0 and groups % nodes != 0 and P % G == 0 and E % G == 0 and G % nodes == 0",
    ),
    declarations={
        "flat": "it knows no groups and no nodes",
        "free split": "its replicas share as a scheduler decides: peaks are those of the best split",
        "ignores the load": "as round-robin does; its peak is not judged",
        "limits replicas": "no expert gets more than a few replicas, however hot; other slots may go to idle ones",
        "exact": "its peak is the lowest there is",
        "shares devices": "replicas of an expert may meet on a device, though there are others (EPLB)",
        "uneven at zero load": "at zero load one expert may get every spare slot (EPLB)",
        "needs groups": "`num_groups = 0` is not taken (EPLB)",
        "couples layers": "a layer's placement depends on the others' loads",
        **BY_NAME,
        **STATEFUL,
        **RANDOM,
    },
    telltales=frozenset({"num_slots", "num_replicas", "num_nodes", "num_devices", "num_gpus", "num_ranks"}),
    catalogue=PLACERS,
)
