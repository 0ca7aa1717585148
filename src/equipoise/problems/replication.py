"""Replication at run time: which experts get a copy on which device, and who serves how many tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy, frozen, whole_numbers
from equipoise.errors import InvalidProblem
from equipoise.problems.scheduling import SchedulingProblem

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

LARGEST = 2**44
"""Of a load."""


@dataclass(frozen=True, eq=False, init=False)
class ReplicationProblem:
    r"""Copy experts to other devices for one batch so that the fullest of G devices has as few tokens as possible.

    Expert e lives on device ``home[e]`` and can be served there always. A copy ``y[e, g]`` lets device g serve it too:

    .. math:: \min m \quad \text{s.t.} \quad \sum_g x_{eg} = \text{load}_e, \quad \sum_e x_{eg} \le m, \quad
              f y_{eg} \le x_{eg} \le \text{load}_e y_{eg} \;(g \ne h_e), \quad \sum_e y_{eg} \le B_g

    with x in whole tokens and y binary, at most ``copies_per_expert`` copies of an expert and ``most_copies`` in all.

    Source: what MoonEP (vLLM PR 52101) and UltraEP (arXiv 2606.04101) approximate; the statement is our definition.

    Parameters
    ----------
    load
        Array-like, shape (E,): tokens per expert.
    home
        Array-like, shape (E,): device of each expert.
    num_devices
        G.
    slots
        Copies that a device can hold: a number, or array-like, shape (G,).
    floor
        Fewest tokens that a copy must serve.
    domain
        Array-like, shape (E, G): where a copy may be; None: anywhere. The home is never a place for a copy.
    copies_per_expert, most_copies
        Limits on the copies of one expert, and on all copies; None: no limit of its own.

    Raises
    ------
    InvalidProblem
        Naming the argument, what was given and what is allowed.
    """

    load: Integers
    home: Integers
    slots: Integers
    domain: Booleans
    floor: int
    copies_per_expert: int
    most_copies: int

    def __init__(
        self,
        load: npt.ArrayLike,
        home: npt.ArrayLike,
        num_devices: int,
        slots: npt.ArrayLike,
        *,
        floor: int = 0,
        domain: npt.ArrayLike | None = None,
        copies_per_expert: int | None = None,
        most_copies: int | None = None,
    ) -> None:
        tokens = whole_numbers(load, "load", (None,), 0, LARGEST)
        if not len(tokens):
            raise InvalidProblem("load", "empty", "at least one expert")
        devices = _whole("num_devices", num_devices, 1, 2**20)
        where = whole_numbers(home, "home", (len(tokens),), 0, devices - 1)
        room = np.broadcast_to(slots, (devices,)) if np.ndim(slots) == 0 else slots
        room = whole_numbers(room, "slots", (devices,), 0, 2**31)
        allowed = np.ones((len(tokens), devices), bool) if domain is None else _domain(domain, (len(tokens), devices))
        allowed[np.arange(len(tokens)), where] = False
        total = int(room.sum())
        each = devices - 1 if copies_per_expert is None else _whole("copies_per_expert", copies_per_expert, 0, 2**31)
        most = total if most_copies is None else _whole("most_copies", most_copies, 0, 2**62)
        fewest = _whole("floor", floor, 0, LARGEST)
        fields = (tokens, where, room, frozen(allowed), fewest, min(each, devices - 1), min(most, total))
        for name, value in zip(type(self).__dataclass_fields__, fields, strict=True):
            object.__setattr__(self, name, value)

    def with_copies(self, most_copies: int) -> Self:
        """Return the problem with at most so many copies in all."""
        limit = {"copies_per_expert": self.copies_per_expert, "most_copies": most_copies}
        limits = {"floor": self.floor, "domain": self.domain, **limit}
        return type(self)(self.load, self.home, self.num_devices, self.slots, **limits)  # type: ignore[arg-type]

    @property
    def num_experts(self) -> int:
        """E."""
        return len(self.load)

    @property
    def num_devices(self) -> int:
        """G."""
        return len(self.slots)

    @property
    def size(self) -> int:
        """Number of unknowns of the integer program."""
        return 2 * self.num_experts * self.num_devices

    @property
    def home_load(self) -> Integers:
        """``[G]``: tokens of the experts that live on each device; what it serves without any copy."""
        held = np.zeros(self.num_devices, np.int64)
        np.add.at(held, self.home, self.load)
        return held

    @property
    def mean(self) -> int:
        """``ceil(total / G)``: no peak is lower."""
        return -(-int(self.load.sum()) // self.num_devices)

    def schedule(self, copies: Booleans) -> SchedulingProblem:
        """Return the scheduling problem that copies ``[E, G]`` leave; the tokens of the floor are base load."""
        hosts = np.asarray(copies, bool).copy()
        fixed = self.floor * hosts
        hosts[np.arange(self.num_experts), self.home] = True
        return SchedulingProblem(self.load - fixed.sum(axis=1), hosts, base_load=fixed.sum(axis=0))

    def violation(self, copies: npt.ArrayLike, split: npt.ArrayLike) -> str | None:
        """Say which constraint copies ``[E, G]`` and a split ``[E, G]`` break first; None if they are feasible."""
        shape = (self.num_experts, self.num_devices)
        held, tokens = np.asarray(copies), np.asarray(split)
        if held.dtype != np.bool_ or held.shape != shape or tokens.dtype.kind not in "iu" or tokens.shape != shape:
            return f"copies are not booleans, or the split is not integers, of shape {shape}"
        if (held & ~self.domain).any():
            expert, device = np.argwhere(held & ~self.domain)[0].tolist()
            reason = "its home" if device == self.home[expert] else "outside its domain"
            return f"expert {expert} has a copy on device {device}, {reason}"
        for what, count, most in (
            ("device", held.sum(axis=0), self.slots),
            ("expert", held.sum(axis=1), np.full(self.num_experts, self.copies_per_expert)),
        ):
            if (count > most).any():
                index = int(np.argmax(count > most))
                return f"{what} {index} has {int(count[index])} copies, more than {int(most[index])}"
        if int(held.sum()) > self.most_copies:
            return f"there are {int(held.sum())} copies, more than {self.most_copies}"
        return self._split_violation(held, tokens)

    def _split_violation(self, held: Booleans, tokens: npt.NDArray[Any]) -> str | None:
        served = held.copy()
        served[np.arange(self.num_experts), self.home] = True
        if (tokens < 0).any() or (tokens[~served] > 0).any():
            expert, device = np.argwhere((tokens < 0) | (~served & (tokens > 0)))[0].tolist()
            return f"device {device} serves {tokens[expert, device]} tokens of expert {expert}, which it may not"
        if (tokens.sum(axis=1) != self.load).any():
            expert = int(np.argmax(tokens.sum(axis=1) != self.load))
            return f"{int(tokens[expert].sum())} of the {int(self.load[expert])} tokens of expert {expert} are served"
        if (short := held & (tokens < self.floor)).any():
            expert, device = np.argwhere(short)[0].tolist()
            return (
                f"the copy of expert {expert} on device {device} serves {tokens[expert, device]} < {self.floor} tokens"
            )
        return None

    def __repr__(self) -> str:
        limits = f", floor={self.floor}" if self.floor else ""
        sizes = f"E={self.num_experts}, G={self.num_devices}, slots={int(self.slots.sum())}"
        return f"ReplicationProblem({sizes}, most_copies={self.most_copies}{limits})"


def _whole(field: str, given: Any, low: int, high: int) -> int:
    if isinstance(given, bool):
        raise InvalidProblem(field, repr(given), f"a whole number, {low} to {high}")
    return int(whole_numbers(given, field, (), low, high))


def _domain(given: npt.ArrayLike, shape: tuple[int, int]) -> Booleans:
    array = as_numpy(given, "domain")
    if array.shape != shape or not (
        array.dtype == np.bool_ or (array.dtype.kind in "iu" and np.isin(array, (0, 1)).all())
    ):
        raise InvalidProblem("domain", f"{array.dtype} of shape {array.shape}", f"booleans of shape {shape}")
    return array.astype(bool)
