"""Schedulers: the tokens of every expert, split over the devices that host it.

A *scheduler* is called as ``scheduler(load, hosts[E, G])`` and returns whole tokens: ``split[E, G]`` for ``load[E]``,
``split`` or ``flows[G, E, G]`` for ``load[G, E]``, where the first axis is the device on which tokens start. ``hosts``
says which device holds a replica of which expert. A scheduler that declares "counts replicas" gets how many instead, as
integers: two replicas on a device are two to share among, where every replica gets the same. One that takes
``live[G]``, booleans, is told which devices there are, and sends no token to others; one that takes ``rank`` is told on
which device it runs.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.errors import InvalidProblem, TargetError
from equipoise.reference.scheduling.catalogue import SCHEDULERS
from equipoise.roles.role import RANDOM, STATEFUL, Case, Role, shown

if TYPE_CHECKING:
    from equipoise.balancers.balancer import Balancer

NO_SCHEDULE = "gives no schedule"

_MOST = 1 << 53
"""No scheduler is given as many tokens."""

COUNTS = "counts replicas"
"""Capability of a scheduler that takes ``hosts`` as numbers of replicas."""


class Scheduler(Protocol):
    """Splits tokens over the replicas of their experts."""

    def __call__(self, load: npt.NDArray[Any], hosts: npt.NDArray[Any], /) -> Any:
        """Return ``split[E, G]`` for ``load[E]``, or ``flows[G, E, G]`` for ``load[G, E]``; ``hosts`` is ``[E, G]``."""


def hosts_for(capabilities: Collection[str], replicas: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the ``hosts`` that a scheduler with these capabilities is given: ``replicas[E, G]``, or where any are.

    >>> hosts_for({"exact"}, np.array([[2, 0, 1]])).tolist()
    [[True, False, True]]
    """
    return replicas.astype(np.int64) if COUNTS in capabilities else replicas > 0


@dataclass(frozen=True, eq=False)
class Schedule:
    """Who serves what: ``split[E, G]`` tokens, and ``flows[G, E, G]`` by source device if the scheduler says them."""

    split: npt.NDArray[np.int64]
    flows: npt.NDArray[np.int64] | None = None

    @property
    def peak(self) -> int:
        """Tokens on the fullest device."""
        return int(self.split.sum(axis=0).max())


def read_schedule(returned: Any, load: npt.NDArray[np.int64], hosts: npt.NDArray[Any]) -> Schedule:
    """Return what a scheduler returned for ``load[E]`` or ``load[G, E]``: a split, or flows for the latter.

    Raises
    ------
    TargetError
        If it does not serve exactly these tokens: wrong shape, fractional tokens, tokens lost, made up or not hosted.
    """
    served = served_tokens(returned, load, hosts)
    if (fault := schedule_fault(served, load, hosts)) is not None:
        raise TargetError(f"it {fault[1]}", NO_SCHEDULE)
    served = served.astype(np.int64)
    return Schedule(served, None) if served.ndim == 2 else Schedule(served.sum(axis=0), served)


def served_tokens(returned: Any, load: npt.NDArray[Any], hosts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return what a scheduler returned as numbers ``[E, G]``, or ``[G, E, G]`` if the load is by source.

    Raises
    ------
    TargetError
        If it is anything else.
    """
    try:
        served = as_numpy(returned, "the schedule")
    except InvalidProblem as error:
        raise TargetError(f"it returned {error.given}; allowed: whole numbers of tokens", NO_SCHEDULE) from error
    shapes = [hosts.shape] if load.ndim == 1 else [hosts.shape, (len(load), *hosts.shape)]
    if served.dtype.kind not in "iuf" or served.shape not in shapes:
        allowed = " or ".join(map(str, shapes))
        raise TargetError(
            f"it returned {served.dtype} of shape {served.shape}; allowed: tokens of {allowed}", NO_SCHEDULE
        )
    return served


Fault = Literal["fractional tokens", "negative", "not hosted", "lost or made up"]


def schedule_fault(
    served: npt.NDArray[Any], load: npt.NDArray[Any], hosts: npt.NDArray[Any]
) -> tuple[Fault, str] | None:
    """Return the first thing that keeps ``served`` from being a schedule of these tokens, and what to say of it."""
    if (parts := ~np.isfinite(served) | (served != np.floor(served))).any():
        *_, expert, device = where = tuple(np.argwhere(parts)[0].tolist())
        return "fractional tokens", f"serves {served[where]:g} tokens of expert {expert} on device {device}"
    whole = (served.clip(-_MOST, _MOST) if served.dtype.kind == "f" else served).astype(np.int64)
    if (whole < 0).any():
        *_, expert, device = where = tuple(np.argwhere(whole < 0)[0].tolist())
        return "negative", f"serves {whole[where]} tokens of expert {expert} on device {device}"
    split = whole if whole.ndim == 2 else whole.sum(axis=0)
    if (stray := (split > 0) & (hosts == 0)).any():
        expert, device = np.argwhere(stray)[0].tolist()
        return "not hosted", f"serves expert {expert} on device {device}, which does not host it"
    total = load if whole.ndim == 3 or load.ndim == 1 else load.sum(axis=0)
    if (wrong := whole.sum(axis=-1) != total).any():
        *source, expert = where = tuple(np.argwhere(wrong)[0].tolist())
        start = f" that start on device {source[0]}" if source else ""
        return (
            "lost or made up",
            f"serves {whole.sum(axis=-1)[where]} of the {total[where]} tokens of expert {expert}{start}",
        )
    return None


@dataclass(frozen=True, eq=False)
class SchedulerCase(Case):
    """Loads on one placement, in order of time: each ``[E]``, or ``[G, E]`` by source device.

    ``hosts`` is ``[E, G]``: booleans, or numbers of replicas, which only a scheduler that counts them is given. Where
    the machine changes, ``live`` says which of the devices ``[G]`` there are in each call, again and again the same.
    """

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {"loads": ("G", "E"), "hosts": ("E", "G"), "live": ("G",)}

    loads: tuple[npt.NDArray[Any], ...]
    hosts: npt.NDArray[Any]
    live: tuple[npt.NDArray[Any], ...] = ()

    def calls(self) -> list[tuple[Any, ...]]:
        """Return a call a load, on the devices that there are."""
        machines = [np.ascontiguousarray(self.hosts[:, live]) for live in self.live] or [self.hosts]
        return [(load, machines[call % len(machines)]) for call, load in enumerate(self.loads)]

    @property
    def valid(self) -> bool:
        """Whether every expert has a host, in every call."""
        return all(bool(hosts.any(axis=1).all()) for _, hosts in self.calls())

    @property
    def load(self) -> npt.NDArray[Any]:
        """The first load."""
        return self.loads[0]

    def __repr__(self) -> str:
        masks = [shown("live", live) for live in self.live]
        return "\n".join([*(shown("load", load) for load in self.loads), shown("hosts", self.hosts), *masks])


def _calls(capabilities: frozenset[str], case: SchedulerCase) -> list[tuple[Any, ...]]:
    """Return the calls of a case.

    A scheduler that takes loads only by source is told that the tokens of every expert start evenly on all devices.
    """
    found = []
    for load, hosts in case.calls():
        if "only by source" in capabilities and load.ndim == 1:
            devices = hosts.shape[1]
            load = (load + np.arange(devices)[:, None]) // devices
        found.append((load, hosts_for(capabilities, hosts)))
    return found


def _case(load: list[int], hosts: npt.NDArray[np.bool_]) -> SchedulerCase:
    return SchedulerCase((np.array(load),), hosts)


def _probe(balancer: Balancer) -> frozenset[str]:
    """Find out whether it takes loads by source device."""
    load, hosts = np.array([[4, 1, 2], [2, 3, 0]]), np.array([[True, True], [True, False], [False, True]])
    balancer.ask(load, hosts_for(balancer.capabilities, hosts))
    return frozenset({"by source"})


_RING = np.eye(4, dtype=bool) | np.roll(np.eye(4, dtype=bool), 1, axis=1)

ROLE = Role(
    name="scheduler",
    home=__name__,
    arguments=("load", "hosts"),
    answer="split",
    noun="schedule",
    read=read_schedule,
    case=SchedulerCase,
    letters=("E", "G"),
    shape=lambda load, hosts: list(hosts.shape),
    boundaries={
        "one expert, one device": _case([3], np.ones((1, 1), bool)),
        "one expert everywhere": _case([7], np.ones((1, 4), bool)),
        "one device": _case([3, 0, 5], np.ones((3, 1), bool)),
        "no load": _case([0, 0, 0, 0], _RING),
        "one token": _case([0, 1, 0, 0], _RING),
        "all equal": _case([8, 8, 8, 8], _RING),
        "nothing divides": _case([7, 5, 3, 2], _RING),
        "all load on one expert": _case([0, 0, 9, 0], _RING),
        "no choice": _case([4, 3, 2, 1], np.eye(4, dtype=bool)),
        "a device without experts": _case([4, 3], np.array([[True, False, False], [True, True, False]])),
        "more devices than tokens": _case([2], np.ones((1, 5), bool)),
    },
    telltales=frozenset({"hosts", "log2phy"}),
    catalogue=SCHEDULERS,
    attributes=("shares",),
    declarations={
        "exact": "the peak is always the optimum",
        "approximate": "the peak may exceed the even split's, but not also that of the first host of every expert "
        "alone",
        COUNTS: "`hosts[E, G]` holds numbers of replicas, integers, and not booleans",
        "only by source": "takes `load[G, E]` alone; the tokens of the cases then start evenly on all devices",
        "ignores loads": "does not balance: the peak is not judged",
        "hashes": "sends each token to a replica by a hash, by its row or by a draw: replicas share evenly on "
        "thousands of tokens, and the peak of fewer is judged as that of draws",
        "decides by rank": "with `rank`, it dispatches the tokens of that rank alone: ranks may differ",
        **STATEFUL,
        **RANDOM,
    },
    calls=_calls,
    probe=_probe,
)
