"""Expert assignment with limits on totals: devices, expert-parallel groups, sequences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy, frozen
from equipoise.errors import InvalidProblem
from equipoise.problems.assignment import AssignmentProblem
from equipoise.problems.laminar import Crossing, Tree, laminar_tree
from equipoise.problems.over_assignment import OverAssignment


@dataclass(frozen=True, eq=False, init=False)
class Limit:
    """At most ``capacity`` assignments, in all, of some tokens to some experts.

    Parameters
    ----------
    capacity
        A whole number, not negative.
    experts, tokens
        Array-like, one dimension: indices; None for all.
    """

    capacity: int
    experts: npt.NDArray[np.int64] | None
    tokens: npt.NDArray[np.int64] | None

    def __init__(
        self, capacity: int, experts: npt.ArrayLike | None = None, tokens: npt.ArrayLike | None = None
    ) -> None:
        if isinstance(capacity, bool) or not isinstance(capacity, int | np.integer) or capacity < 0:
            raise InvalidProblem("capacity", repr(capacity)[:80], "a whole number, 0 or more")
        object.__setattr__(self, "capacity", int(capacity))
        object.__setattr__(self, "experts", _indices("experts", experts))
        object.__setattr__(self, "tokens", _indices("tokens", tokens))


@dataclass(frozen=True, eq=False, init=False)
class LimitedProblem(OverAssignment):
    r"""An assignment problem with limits on the totals of laminar sets; still a network flow, hence exact.

    .. math:: \sum_{t \in A_l} \sum_{e \in G_l} x_{te} \le C_l \quad \text{for every limit } l

    Two sets (limits, and the capacities of the experts, which are sets too) must be nested or disjoint. A set whose
    capacity can never be exceeded, at least ``|A| * min(K, |G|)``, does not count: to limit sequences on devices,
    give the experts capacities of at least T. Whether the limits can be kept has no closed form; solving decides it.

    Parameters
    ----------
    assignment
        Tokens, experts and capacities.
    limits
        What is to hold beyond the capacities.

    Attributes
    ----------
    limit_capacity, limit_tokens, limit_experts
        The limits as arrays: ``[L]`` integers, ``[L, T]`` and ``[L, E]`` booleans.
    tree
        The sets that can bind, over the real tokens; set ``i < E`` is the capacity of expert i, set ``E + l`` limit l.

    Raises
    ------
    InvalidProblem
        Naming an index that does not exist, or two sets that cross.
    """

    assignment: AssignmentProblem
    limits: tuple[Limit, ...]
    limit_capacity: npt.NDArray[np.int64]
    limit_tokens: npt.NDArray[np.bool_]
    limit_experts: npt.NDArray[np.bool_]
    tree: Tree

    def __init__(self, assignment: AssignmentProblem, limits: Iterable[Limit]) -> None:
        limits = tuple(limits)
        largest = assignment.num_tokens * assignment.num_experts
        tokens = _members("tokens", [limit.tokens for limit in limits], assignment.num_tokens)
        experts = _members("experts", [limit.experts for limit in limits], assignment.num_experts)
        capacity = frozen(np.array([min(limit.capacity, largest) for limit in limits], np.int64))
        arrays = {"limit_capacity": capacity, "limit_tokens": tokens, "limit_experts": experts}
        for name, value in {"assignment": assignment, "limits": limits, **arrays}.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "tree", self._tree())

    @cached_property
    def capacities(self) -> npt.NDArray[np.int64]:
        """``[E + L]``: the capacity of every set."""
        return np.concatenate([self.assignment.capacity, self.limit_capacity])

    def __repr__(self) -> str:
        return f"LimitedProblem({self.assignment!r}, {len(self.limits)} limits)"

    def _tree(self) -> Tree:
        real, experts = len(self.assignment.tokens), self.assignment.num_experts
        of_tokens = np.vstack([np.ones((experts, real), bool), self.limit_tokens[:, self.assignment.tokens]])
        of_experts = np.vstack([np.eye(experts, dtype=bool), self.limit_experts])
        most = of_tokens.sum(axis=1) * np.minimum(of_experts.sum(axis=1), self.assignment.top_k)
        try:
            return laminar_tree(of_tokens, of_experts, self.capacities < most)
        except Crossing as error:
            first, second = (self._name(number) for number in error.pair)
            raise InvalidProblem(
                "limits",
                f"crossing: {first} and {second} overlap, and neither contains the other",
                "sets of which any two that can bind are nested or disjoint",
            ) from error

    def _name(self, number: int) -> str:
        experts = self.assignment.num_experts
        return f"the capacity of expert {number}" if number < experts else f"limits[{number - experts}]"


def device_limits(assignment: AssignmentProblem, num_devices: int, capacity: int | None = None) -> tuple[Limit, ...]:
    """Limit the total of every device (or expert-parallel group): E/G consecutive experts each.

    ``capacity`` defaults to perfect balance, ``ceil(T * K / G)``.
    """
    experts = assignment.num_experts
    if num_devices < 1 or experts % num_devices:
        raise InvalidProblem("num_devices", str(num_devices), f"a divisor of E={experts}")
    room = -(-assignment.demand // num_devices) if capacity is None else capacity
    return tuple(Limit(room, experts=block) for block in np.arange(experts).reshape(num_devices, -1))


def null_limit(assignment: AssignmentProblem, budget: int) -> tuple[Limit, ...]:
    """Limit the assignments of all tokens to real experts together; what is left goes to null experts.

    With ``drop`` a token takes 0 to K real experts, and null experts, which cost nothing, take its other places
    (arXiv 2601.15370). Scores are over that of a null expert: below 0, the null expert is better.
    """
    if isinstance(budget, bool) or not isinstance(budget, int | np.integer) or budget < 0:
        raise InvalidProblem("budget", repr(budget)[:80], "a whole number, 0 or more")
    if not assignment.drop:
        raise InvalidProblem("assignment", "without drop", "drop=True: a token may take fewer than K real experts")
    return (Limit(int(budget)),)


def sequence_limits(
    assignment: AssignmentProblem, sequence: npt.ArrayLike, capacity: int | None = None
) -> tuple[Limit, ...]:
    """Limit what one sequence sends to one expert, for all sequences and experts; ``sequence[T]`` names each token's.

    ``capacity`` defaults to balance within each sequence, ``ceil(length * K / E)``; padding does not count.
    """
    names = as_numpy(sequence, "sequence")
    if names.shape != (assignment.num_tokens,):
        raise InvalidProblem("sequence", f"of shape {names.shape}", f"shape ({assignment.num_tokens},)")
    limits = []
    for name in np.unique(names[assignment.tokens]):
        tokens = assignment.tokens[names[assignment.tokens] == name]
        room = -(-len(tokens) * assignment.top_k // assignment.num_experts) if capacity is None else capacity
        limits += [Limit(room, [expert], tokens) for expert in range(assignment.num_experts)]
    return tuple(limits)


def _indices(field: str, given: Any) -> npt.NDArray[np.int64] | None:
    if given is None:
        return None
    array = as_numpy(given, field)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise InvalidProblem(field, f"{array.dtype} of shape {array.shape}", "a list of indices, or None for all")
    return frozen(np.unique(array).astype(np.int64))


def _members(field: str, sets: list[npt.NDArray[np.int64] | None], size: int) -> npt.NDArray[np.bool_]:
    """``[L, size]`` booleans from indices."""
    members = np.zeros((len(sets), size), bool)
    for number, indices in enumerate(sets):
        if indices is not None and indices.size and (int(indices[0]) < 0 or int(indices[-1]) >= size):
            worst = int(indices[0]) if int(indices[0]) < 0 else int(indices[-1])
            raise InvalidProblem(f"limits[{number}].{field}", f"naming index {worst}", f"0 to {size - 1}")
        members[number, slice(None) if indices is None else indices] = True
    return frozen(members)
