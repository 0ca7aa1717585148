"""Refusals: what a balancer refuses over all its checks, and what those inputs have in common.

:mod:`equipoise.balancers.refusing` says what a refusal is. Only one of what its role must take is a defect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import combinations, permutations

from equipoise.balancers.balancer import Balancer
from equipoise.balancers.refusing import answers_something, is_refusal
from equipoise.conditions import Condition
from equipoise.errors import TargetError
from equipoise.roles.role import Role

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Refusal:
    """Inputs that a balancer refuses.

    Attributes
    ----------
    when
        What their sizes have in common, in the letters of the role, for instance "K > groups" or "E = 1".
    cases
        How many were met.
    message
        What it said about the first.
    """

    when: str
    cases: int
    message: str


@dataclass
class Refusals:
    """What a balancer took and what it refused, over all its checks."""

    balancer: Balancer
    refused: dict[Shape, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with nothing taken."""
        self.balancer.answered = frozenset()

    @property
    def taken(self) -> frozenset[Shape]:
        """Sizes that were answered: not all that were tried, as a check need not ask for every case."""
        return self.balancer.answered

    def refuses(self, error: TargetError) -> bool:
        """Whether this error refuses the sizes of its input; it is noted then."""
        if error.arguments is None or not is_refusal(self.balancer, error) or self.forbidden(error) is not None:
            return False
        shape = tuple(self.balancer.role.shape(*error.arguments))
        self.refused.setdefault(shape, []).append(str(error))
        return True

    def forbidden(self, error: TargetError) -> str | None:
        """Return the condition under which its role must take the input that this error is about; None if none."""
        role = self.balancer.role
        if error.arguments is None or not error.on_purpose:
            return None
        shape = role.shape(*error.arguments)
        return next((text for text in role.must_take if Condition(text, role.letters).holds(shape)), None)

    @property
    def answers_something(self) -> bool:
        """Whether the balancer answers anything: what was tried so far, or else a known case of its role."""
        return bool(self.taken) or answers_something(self.balancer)

    def found(self) -> list[Refusal]:
        """Return what was refused, in words, what is met most often first; nothing of a target that takes nothing."""
        if not self.taken:
            return []
        counted = []
        if self.balancer.sizes is not None and self.balancer.elsewhere is not None:
            own = zip(self.balancer.role.letters[-len(self.balancer.sizes) :], self.balancer.sizes, strict=True)
            only = ", ".join(f"{letter} = {size}" for letter, size in own)
            counted.append(Refusal(f"all but {only}", *self.balancer.elsewhere))
        groups = explain(self.balancer.role, set(self.refused), self.taken)
        for when, shapes in groups:
            messages = [message for shape in shapes for message in self.refused[shape]]
            counted.append(Refusal(when, len(messages), messages[0]))
        return sorted(counted, key=lambda refusal: -refusal.cases)


def explain(role: Role, refused: Set[Shape], taken: Set[Shape]) -> list[tuple[str, list[Shape]]]:
    """Return statements about sizes that hold of refused shapes and of no taken one, and the shapes of each.

    Of the simple statements the one that explains most is taken again and again, the first of equals. What none
    explains is listed by its sizes.
    """
    left, found = sorted(refused), []
    known = {words: Condition(text, role.letters) for words, text in _statements(role.letters, refused, taken)}
    known = {words: one for words, one in known.items() if not any(map(one.holds, taken))}
    while left and known:
        words, best = max(known.items(), key=lambda item: sum(map(item[1].holds, left)))
        if not (covered := [shape for shape in left if best.holds(shape)]):
            break
        found.append((words, covered))
        left = [shape for shape in left if not best.holds(shape)]
    sizes = (", ".join(f"{a} = {n}" for a, n in zip(role.letters, shape, strict=True)) for shape in left)
    return found + [(words, [shape]) for words, shape in zip(sizes, left, strict=True)]


def _statements(letters: Sequence[str], refused: Set[Shape], taken: Set[Shape]) -> Iterator[tuple[str, str]]:
    """Yield simple statements about sizes in words and as conditions, the simplest first."""
    for a in letters:
        yield f"{a} = 1", f"{a} == 1"
        yield f"{a} = 0", f"{a} == 0"
    for a, b in permutations(letters, 2):
        yield f"{a} = {b}", f"{a} == {b}"
        yield f"{a} > {b}", f"{a} > {b}"
        yield f"{a} not divisible by {b}", f"{a} % {b} != 0"
    for a, b in combinations(letters, 2):
        for c in (c for c in letters if c not in (a, b)):
            yield f"{a}*{b} not divisible by {c}", f"{a} * {b} % {c} != 0"
            yield f"{a}*{b} < {c}", f"{a} * {b} < {c}"
    for a in letters:
        for b, c in combinations((letter for letter in letters if letter != a), 2):
            yield f"{a} > {b} + {c}", f"{a} > {b} + {c}"
    for place, a in enumerate(letters):
        for divisor in (2, 4, 8):
            yield f"{a} not divisible by {divisor}", f"{a} % {divisor} != 0"
        values = [shape[place] for shape in taken]
        if values and any(shape[place] < min(values) for shape in refused):
            yield f"{a} < {min(values)}", f"{a} < {min(values)}"
        if values and any(shape[place] > max(values) for shape in refused):
            yield f"{a} > {max(values)}", f"{a} > {max(values)}"
