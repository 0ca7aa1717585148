"""A role that only the tests know: a *toy* is called as ``toy(load[E], count)`` and picks ``count`` experts."""

from dataclasses import dataclass
from importlib import import_module

import numpy as np

from equipoise.errors import TargetError
from equipoise.reference.catalogue import Entry
from equipoise.roles.role import Case, Role, shown


def read_pick(returned, load, count):
    """Return the picked experts as an array of ``count`` distinct numbers."""
    picked = np.asarray(returned)
    wanted = picked.dtype.kind in "iu" and picked.shape == (count,) and len(set(picked.tolist())) == count
    if not wanted or picked.min() < 0 or picked.max() >= len(load):
        raise TargetError(f"it returned {returned!r}; allowed: {count} distinct experts", "gives no pick")
    return picked


@dataclass(frozen=True, eq=False)
class ToyCase(Case):
    """Loads ``[E]`` in order of time, and how many experts to pick."""

    AXES = {"loads": ("E",)}  # noqa: RUF012

    loads: tuple
    count: int

    def calls(self):
        """Return a call a load."""
        return [(load, self.count) for load in self.loads]

    @property
    def valid(self):
        """Whether there are so many experts."""
        return 1 <= self.count <= len(self.loads[0])

    def __repr__(self):
        return "\n".join([f"count = {self.count}", *(shown("load", load) for load in self.loads)])


class BuiltIn(Entry):
    """An entry whose module is found as it is called."""

    def create(self):
        """Return the balancer."""
        return getattr(import_module(self.module), self.attribute)


ROLE = Role(
    name="toy",
    home="toy_role",
    arguments=("load", "count"),
    answer="picked",
    noun="pick",
    read=read_pick,
    case=ToyCase,
    letters=("E", "count"),
    shape=lambda load, count: [len(load), count],
    boundaries={
        "one expert": ToyCase((np.array([3]),), 1),
        "all of them": ToyCase((np.array([2, 5, 1]),), 3),
        "no load": ToyCase((np.zeros(4, np.int64),), 2),
        "two steps": ToyCase((np.array([4, 1, 2]), np.array([1, 4, 2])), 1),
    },
    telltales=frozenset({"count"}),
    catalogue={"largest": BuiltIn("largest", "toy_balancers", "largest", "the experts with the largest loads")},
    audit="toy_audit",
    checks="toy_checks",
)
