"""What a check is tried on: one frozen value per role, which goes through JSON unchanged."""

from __future__ import annotations

import base64
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidFile

_LARGEST = 1 << 26


@dataclass(frozen=True, eq=False)
class Case:
    """Base of all cases: JSON both ways, a size to compare by, a few lines to look at."""

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {}
    """The letters of the last axes of the arrays in a field; what has the same letter has the same length."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; floats travel as the bytes they are, beside numbers one can read."""
        return {field.name: _to_json(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        InvalidFile
            If the document is no such case.
        """
        names = {field.name for field in fields(cls)}
        if set(document) != names:
            raise InvalidFile(f"a {cls.__name__} has the fields {sorted(names)}, not {sorted(document)}")
        return cls(**{name: _from_json(name, value) for name, value in document.items()})

    @property
    def shape(self) -> list[int]:
        """What a target's ``accepts`` is asked about."""
        return []

    @property
    def valid(self) -> bool:
        """Whether its parts fit each other: what can be asked of a balancer at all."""
        return True

    @property
    def steps(self) -> int:
        """Length of the longest sequence in it."""
        return max(
            [1, *(len(value) for field in fields(self) if isinstance(value := getattr(self, field.name), tuple))]
        )

    @property
    def size(self) -> int:
        """Number of array entries: what "smallest" means."""
        return sum(value.size for value in _arrays(self))


@dataclass(frozen=True, eq=False)
class RouterCase(Case):
    """Batches of one layer, in order of time, and K."""

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {"batches": ("T", "E")}

    batches: tuple[npt.NDArray[Any], ...]
    top_k: int

    @property
    def valid(self) -> bool:
        """Whether 1 <= K <= E."""
        return 1 <= self.top_k <= int(self.scores.shape[1])

    @property
    def scores(self) -> npt.NDArray[Any]:
        """The first batch."""
        return self.batches[0]

    @property
    def shape(self) -> list[int]:
        """T, E, K."""
        return [*self.scores.shape, self.top_k]

    def __repr__(self) -> str:
        return "\n".join([f"top_k = {self.top_k}", *(_shown("scores", batch) for batch in self.batches)])


@dataclass(frozen=True, eq=False)
class SchedulerCase(Case):
    """Loads on one placement, in order of time: each ``[E]``, or ``[G, E]`` by source device; ``hosts`` is [E, G]."""

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {"loads": ("G", "E"), "hosts": ("E", "G")}

    loads: tuple[npt.NDArray[Any], ...]
    hosts: npt.NDArray[np.bool_]

    @property
    def valid(self) -> bool:
        """Whether every expert has a host."""
        return bool(self.hosts.any(axis=1).all())

    @property
    def load(self) -> npt.NDArray[Any]:
        """The first load."""
        return self.loads[0]

    @property
    def shape(self) -> list[int]:
        """E, G."""
        return list(self.hosts.shape)

    def __repr__(self) -> str:
        return "\n".join([*(_shown("load", load) for load in self.loads), _shown("hosts", self.hosts)])


@dataclass(frozen=True, eq=False)
class PlacerCase(Case):
    """Loads ``[L, E]`` in order of time, and the machine: slots, groups of experts, nodes, devices."""

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {"loads": ("L", "E")}

    loads: tuple[npt.NDArray[Any], ...]
    num_slots: int
    num_groups: int
    num_nodes: int
    num_devices: int

    @property
    def valid(self) -> bool:
        """Whether every expert finds a slot, and slots, devices, nodes and groups divide each other."""
        slots, groups, nodes, devices = self.num_slots, self.num_groups, self.num_nodes, self.num_devices
        experts = self.load.shape[1]
        if min(slots, groups, nodes, devices) < 1 or slots < experts:
            return False
        return not (slots % devices or devices % nodes or experts % groups or groups % nodes)

    @property
    def load(self) -> npt.NDArray[Any]:
        """The first load."""
        return self.loads[0]

    @property
    def shape(self) -> list[int]:
        """L, E, P, groups, nodes, G."""
        return [*self.load.shape, self.num_slots, self.num_groups, self.num_nodes, self.num_devices]

    def __repr__(self) -> str:
        machine = ("num_slots", "num_groups", "num_nodes", "num_devices")
        sizes = ", ".join(f"{name} = {getattr(self, name)}" for name in machine)
        return "\n".join([sizes, *(_shown("load", load) for load in self.loads)])


@dataclass(frozen=True, eq=False)
class PredictorCase(Case):
    """Loads ``[S, E]`` of the steps so far, and how many steps to forecast."""

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {"history": ("S", "E")}

    history: npt.NDArray[Any]
    horizon: int

    @property
    def valid(self) -> bool:
        """Whether there is something to forecast."""
        return self.horizon >= 1

    @property
    def shape(self) -> list[int]:
        """S, E, horizon."""
        return [*self.history.shape, self.horizon]

    def __repr__(self) -> str:
        return f"horizon = {self.horizon}\n" + _shown("history", self.history)


CASES: dict[str, type[Case]] = {
    "router": RouterCase,
    "scheduler": SchedulerCase,
    "placer": PlacerCase,
    "predictor": PredictorCase,
}
"""The case of every role."""


def _shown(name: str, array: npt.NDArray[Any]) -> str:
    start = f"{name} = np.array("
    return f"{start}{np.array2string(array, separator=', ', threshold=64, prefix=start)}, dtype=np.{array.dtype})"


def _arrays(case: Case) -> list[npt.NDArray[Any]]:
    found = []
    for field in fields(case):
        value = getattr(case, field.name)
        found += [item for item in (value if isinstance(value, tuple) else (value,)) if isinstance(item, np.ndarray)]
    return found


def _to_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, np.ndarray):
        exact = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"dtype": value.dtype.str, "shape": list(value.shape), "bytes": exact, "values": value.tolist()}
    return value


def _from_json(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_from_json(name, item) for item in value)
    if not isinstance(value, dict):
        return value
    try:
        dtype, shape = np.dtype(value["dtype"]), tuple(int(length) for length in value["shape"])
        content = base64.b64decode(value["bytes"], validate=True)
        if dtype.kind not in "biuf" or len(content) > _LARGEST:
            raise ValueError(f"{dtype} of {len(content)} bytes")
        return np.frombuffer(content, dtype).reshape(shape)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidFile(f"{name} is no array: {error}") from error
