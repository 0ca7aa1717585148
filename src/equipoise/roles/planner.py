"""Planners: which experts get a copy on which device for one batch, and who serves how many tokens.

A *planner* is called as ``planner(load, home[E], slots[G])`` and returns whole tokens, ``split[E, G]``, or ``(copies,
split)`` with booleans ``copies[E, G]``; without them, a device other than the home holds a copy where it serves tokens.
``load`` is ``[E]``, or ``[G, E]`` by the device on which tokens start; ``home`` is the device on which each expert
lives, and ``slots`` how many copies each device can hold. A planner with a keyword ``floor`` is told the fewest tokens
that a copy must serve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.errors import InvalidProblem, TargetError
from equipoise.reference.planning.catalogue import PLANNERS
from equipoise.roles.role import BY_NAME, RANDOM, STATEFUL, Case, Role, shown

if TYPE_CHECKING:
    from equipoise.balancers.balancer import Balancer

Integers = npt.NDArray[np.int64]
NO_PLAN = "gives no plan"


class Planner(Protocol):
    """Copies experts to other devices for one batch, and splits the tokens."""

    def __call__(self, load: Integers, home: Integers, slots: Integers, /) -> Any:
        """Return ``split[E, G]``, or ``(copies[E, G], split[E, G])``."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A plan that was read: ``copies[E, G]``, homes not counted, and ``split[E, G]`` tokens."""

    copies: npt.NDArray[np.bool_]
    split: Integers

    @property
    def peak(self) -> int:
        """Tokens on the fullest device."""
        return int(self.split.sum(axis=0).max(initial=0))


def read_plan(returned: Any, load: Integers, home: Integers, slots: Integers) -> Plan:
    """Return what a planner returned.

    Raises
    ------
    TargetError
        If it is not tokens ``[E, G]``, with or without copies: wrong shape or type, or fractional tokens.
    """
    shape = len(home), len(slots)
    both = isinstance(returned, tuple | list) and len(returned) == 2 and hasattr(returned[0], "shape")
    parts = list(returned) if both else [None, returned]
    try:
        tokens = as_numpy(parts[1], "the split")
        copies = None if parts[0] is None else as_numpy(parts[0], "the copies")
    except InvalidProblem as error:
        raise TargetError(f"it returned {error.given}; allowed: tokens of shape {shape}", NO_PLAN) from error
    if tokens.dtype.kind not in "iu" and not (tokens.dtype.kind == "f" and (tokens == np.floor(tokens)).all()):
        raise TargetError(f"it returned a split of {tokens.dtype}; allowed: whole numbers of tokens", NO_PLAN)
    if tokens.shape != shape:
        raise TargetError(f"it returned a split of shape {tokens.shape}; allowed: {shape}", NO_PLAN)
    if copies is not None and (copies.shape != shape or not np.isin(copies, (0, 1)).all()):
        raise TargetError(f"it returned copies of {copies.dtype}, {copies.shape}; allowed: booleans {shape}", NO_PLAN)
    split = tokens.astype(np.int64)
    away = np.ones(shape, bool)
    away[np.arange(len(home)), home] = False
    return Plan(away & (split != 0 if copies is None else copies.astype(bool)), split)


@dataclass(frozen=True, eq=False)
class PlannerCase(Case):
    """Loads of one layer, batch by batch: each ``[E]``, or ``[G, E]`` by source; homes, and slots for copies."""

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {"loads": ("G", "E"), "home": ("E",), "slots": ("G",)}

    loads: tuple[Integers, ...]
    home: Integers
    slots: Integers

    def calls(self) -> list[tuple[Any, ...]]:
        """Return a call a load."""
        return [(load, self.home, self.slots) for load in self.loads]

    @property
    def valid(self) -> bool:
        """Whether every home is a device."""
        return bool(len(self.home) and len(self.slots) and np.isin(self.home, np.arange(len(self.slots))).all())

    @property
    def load(self) -> Integers:
        """``[E]``: the first load, in all."""
        first = self.loads[0]
        return first if first.ndim == 1 else first.sum(axis=0)

    def __repr__(self) -> str:
        return "\n".join(
            [*(shown("load", load) for load in self.loads), shown("home", self.home), shown("slots", self.slots)]
        )


def _case(load: list[int], home: list[int], slots: list[int]) -> PlannerCase:
    return PlannerCase((np.array(load),), np.array(home), np.array(slots))


def _probe(balancer: Balancer) -> frozenset[str]:
    """Find out whether it takes loads by source device."""
    balancer.ask(np.array([[4, 1, 2, 0], [2, 3, 0, 0]]), np.array([0, 0, 1, 1]), np.array([1, 1]))
    return frozenset({"by source"})


ROLE = Role(
    name="planner",
    home=__name__,
    arguments=("load", "home", "slots"),
    answer="split",
    noun="plan",
    read=read_plan,
    case=PlannerCase,
    letters=("E", "G", "B"),
    shape=lambda load, home, slots: [len(home), len(slots), int(max(slots, default=0))],
    boundaries={
        "one expert, one device": _case([5], [0], [1]),
        "one device": _case([5, 3], [0, 0], [2]),
        "no slots": _case([8, 1, 1, 0], [0, 0, 1, 1], [0, 0]),
        "no load": _case([0, 0, 0, 0], [0, 0, 1, 1], [1, 1]),
        "one token": _case([0, 1, 0, 0], [0, 0, 1, 1], [1, 1]),
        "all on one expert": _case([9, 0, 0, 0], [0, 1, 2, 3], [1, 1, 1, 1]),
        "all on one home": _case([4, 4, 0, 0], [0, 0, 1, 1], [2, 2]),
        "balanced already": _case([2, 2, 3, 1], [0, 0, 1, 1], [1, 1]),
        "nothing divides": _case([7, 5, 3], [0, 1, 2], [1, 1, 1]),
        "slots on one device only": _case([9, 1, 1, 1], [0, 1, 2, 3], [0, 2, 0, 0]),
    },
    declarations={
        "ignores slots": "it knows no limit of copies: a device may need more copies than it has slots",
        "ignores loads": "does not balance: the peak is not judged",
        "approximate": "the peak may exceed that of no copies at all",
        "exact": "the peak is always the optimum",
        "equal homes": "every device is home to equally many experts, in contiguous blocks",
        **BY_NAME,
        **STATEFUL,
        **RANDOM,
    },
    telltales=frozenset({"home", "homes", "home_device"}),
    catalogue=PLANNERS,
    probe=_probe,
)
