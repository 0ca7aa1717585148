"""Token scheduling: the load of every expert, split over the devices that host it."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy, frozen, whole_numbers
from equipoise.errors import InvalidProblem

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

LARGEST_TOTAL = 2**62
"""Total load times total speed stays below this, so that every exact comparison fits 64 bits."""

MOST_REPLICAS = 2**31
"""Of an expert on a device."""


@dataclass(frozen=True, eq=False, init=False)
class SchedulingProblem:
    r"""Split the load of E experts over G devices so that the fullest device has as little as possible.

    .. math:: \min m \quad \text{s.t.} \quad \sum_{g \in H(e)} x_{eg} = \text{load}_e, \quad
              b_g + \sum_e x_{eg} \le m v_g, \quad x \ge 0

    Source: MicroMoE, arXiv 2511.16947, its linear program; base loads b, speeds v and integrality are our additions.

    Parameters
    ----------
    load
        Array-like, shape (E,): tokens per expert; leave out if ``source_load`` is given.
    hosts
        Array-like, shape (E, G): true where a device holds a replica of the expert, or how many replicas it holds; or
        leave out and give ``physical_to_logical`` and ``num_devices``. How many makes no difference to the optimum: the
        tokens of an expert may go, in any number, to any device that holds it. ``problem.hosts`` has booleans.
    source_load
        Array-like, shape (G, E): tokens per expert that start on each device; ``load`` is their sum over devices.
    physical_to_logical
        Array-like, shape (P,): expert in each slot, -1 for an unused slot; slot p lies on device ``p // (P / G)``.
    num_devices
        G, with ``physical_to_logical``.
    base_load
        Array-like, shape (G,): tokens a device has anyway; default 0.
    speed
        Array-like, shape (G,): relative speeds, positive whole numbers; default 1.
    fractional
        If true, tokens may be divided: the optimum is the rational ``m*`` of the linear program. If false, x is
        integral; for unit speeds the optimum is then ``ceil(m*)``.

    Raises
    ------
    InvalidProblem
        Naming the argument; also if an expert with load has no host, naming the expert.
    """

    load: Integers
    hosts: Booleans
    source_load: Integers | None
    base_load: Integers
    speed: Integers
    fractional: bool

    def __init__(
        self,
        load: npt.ArrayLike | None = None,
        hosts: npt.ArrayLike | None = None,
        *,
        source_load: npt.ArrayLike | None = None,
        physical_to_logical: npt.ArrayLike | None = None,
        num_devices: int | None = None,
        base_load: npt.ArrayLike | None = None,
        speed: npt.ArrayLike | None = None,
        fractional: bool = False,
    ) -> None:
        if (load is None) == (source_load is None):
            raise InvalidProblem("load", "missing" if load is None else "given twice", "load or source_load")
        if (hosts is None) == (physical_to_logical is None):
            raise InvalidProblem("hosts", "missing" if hosts is None else "given twice", "hosts or physical_to_logical")
        source = None if source_load is None else whole_numbers(source_load, "source_load", (None, None), 0, 2**44)
        total = whole_numbers(load, "load", (None,), 0, 2**53) if source is None else frozen(source.sum(axis=0))
        if not total.size:
            raise InvalidProblem("load", "empty", "at least one expert")
        if physical_to_logical is not None:
            hosts = hosts_of(physical_to_logical, len(total), num_devices)
        _set(self, "load", total)
        _set(self, "hosts", _hosts(hosts, len(total)))
        devices = self.num_devices
        if source is not None and len(source) != devices:
            raise InvalidProblem("source_load", f"of {len(source)} devices", f"{devices}, as many as host experts")
        _set(self, "source_load", source)
        _set(self, "base_load", _or_default(base_load, "base_load", devices, 0, 0, 2**53))
        _set(self, "speed", _or_default(speed, "speed", devices, 1, 1, 2**31))
        _set(self, "fractional", bool(fractional))
        orphans = np.flatnonzero((self.load > 0) & ~self.hosts.any(axis=1))
        if orphans.size:
            names = ", ".join(map(str, orphans[:5].tolist())) + (", ..." if len(orphans) > 5 else "")
            raise InvalidProblem("hosts", f"without a device for expert {names}", "a host for every expert with load")
        if self.total * sum(self.speed.tolist()) >= LARGEST_TOTAL:
            raise InvalidProblem("load", f"{self.total} in total", f"load times speed, in all, below {LARGEST_TOTAL}")

    @classmethod
    def activated(cls, load: npt.ArrayLike, hosts: npt.ArrayLike) -> Self:
        """Return the problem of decoding: which replica serves each expert that has a token, at whatever load.

        Reading an expert's weights takes the time then, not its tokens. One replica of each activated expert is read,
        and the device that reads most is to read few: every load above 0 counts as 1. Source: METRO, arXiv 2512.09277;
        the optimum is our definition. ``load[E]`` and ``hosts[E, G]`` are as for the class.
        """
        tokens = whole_numbers(load, "load", (None,), 0, 2**53)
        return cls((tokens > 0).astype(np.int64), hosts)

    def with_shared(self, tokens: int) -> Self:
        """Return the problem with one more expert, the last one, that every device can serve.

        A shared expert takes all tokens, and its copies stand everywhere: its load fills up what routed experts leave
        (SGLang PR 19290 fills the emptiest devices first; this is the optimum together with the routed experts).

        Raises
        ------
        InvalidProblem
            If the problem says where its tokens start, which is not known of the shared ones.
        """
        if self.source_load is not None:
            raise InvalidProblem("source_load", "given", "a problem with load[E] alone")
        hosts = np.concatenate([self.hosts, np.ones((1, self.num_devices), bool)])
        load = [*self.load.tolist(), tokens]
        form = {"base_load": self.base_load, "speed": self.speed}
        return type(self)(load, hosts, **form, fractional=self.fractional)  # type: ignore[arg-type]

    @property
    def num_experts(self) -> int:
        """E."""
        return len(self.load)

    @property
    def num_devices(self) -> int:
        """G."""
        return int(self.hosts.shape[1])

    @property
    def total(self) -> int:
        """All tokens, base loads included."""
        return int(sum(self.load.tolist()) + sum(self.base_load.tolist()))

    @property
    def size(self) -> int:
        """Number of unknowns x[e, g]."""
        return int(self.hosts.sum())

    def with_form(self, *, fractional: bool) -> Self:
        """Return the same tokens and devices in the rational or the integral form."""
        other = copy(self)
        _set(other, "fractional", fractional)
        return other

    def __repr__(self) -> str:
        form = ", fractional=True" * self.fractional
        return f"SchedulingProblem(E={self.num_experts}, G={self.num_devices}, total={self.total}{form})"


def replicas_of(physical_to_logical: npt.ArrayLike, num_experts: int, num_devices: int | None) -> Integers:
    """Return ``[E, G]``: how many replicas of an expert a device holds, for ``[P]`` slots; -1 is an unused slot."""
    slots = whole_numbers(physical_to_logical, "physical_to_logical", (None,), -1, num_experts - 1)
    if num_devices is None or num_devices < 1 or len(slots) % num_devices:
        raise InvalidProblem("num_devices", repr(num_devices), f"a divisor of the {len(slots)} slots")
    device = np.arange(len(slots)) // (len(slots) // num_devices)
    replicas = np.zeros((num_experts, num_devices), np.int64)
    np.add.at(replicas, (slots[slots >= 0], device[slots >= 0]), 1)
    return replicas


def hosts_of(physical_to_logical: npt.ArrayLike, num_experts: int, num_devices: int | None) -> Booleans:
    """Return ``[E, G]``: which device holds a replica of which expert, for ``[P]`` slots; -1 is an unused slot."""
    return replicas_of(physical_to_logical, num_experts, num_devices) > 0


def _hosts(given: Any, experts: int) -> Booleans:
    array = as_numpy(given, "hosts")
    if array.ndim != 2 or len(array) != experts or not array.shape[1]:
        raise InvalidProblem("hosts", f"of shape {array.shape}", f"({experts}, number of devices)")
    if array.dtype != np.bool_:
        array = whole_numbers(array, "hosts", array.shape, 0, MOST_REPLICAS) > 0
    return frozen(array)


def _or_default(given: Any, field: str, length: int, default: int, low: int, high: int) -> Integers:
    if given is None:
        return frozen(np.full(length, default, np.int64))
    return whole_numbers(given, field, (length,), low, high)


def _set(problem: Any, name: str, value: Any) -> None:
    object.__setattr__(problem, name, value)
