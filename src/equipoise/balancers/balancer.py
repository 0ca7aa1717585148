"""A balancer that somebody holds: what can be asked of it, whatever process it lives in."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from equipoise.balancers.fixed_sizes import fixed_sizes
from equipoise.conditions import Condition
from equipoise.errors import TargetError
from equipoise.roles.role import Case, Role, with_any_number
from equipoise.tables import printable

CALL_SECONDS = 5.0
"""Time limit of one call, unless somebody sets another."""


@dataclass
class Reply:
    """What one call did.

    Attributes
    ----------
    value
        What was returned, as NumPy arrays, plain Python values, lists and dictionaries of them.
    changed_input, aliased_input, printed
        Whether the balancer wrote into its input, returned memory of it, or printed to standard output.
    seconds
        Of the call alone, measured where it ran.
    """

    value: Any = None
    changed_input: bool = False
    aliased_input: bool = False
    printed: bool = False
    seconds: float = 0.0


class Balancer(ABC):
    """A balancer under test. Whatever goes wrong inside it is a :class:`~equipoise.errors.TargetError`.

    Attributes
    ----------
    name
        As it is reported.
    role
        What it is.
    capabilities
        What it shows that it can do ("has reset", "takes mask") and what it declares ("drops").
    call_seconds
        Time limit of a call, where it has a process of its own.
    sizes
        The only sizes that it is asked for, the last of its role's, of a router E and K; None: all.
    elsewhere
        Where its sizes were told by asking: how many others it refused, and with what words; else None.
    form
        Name of its call form, where somebody has said it.
    condition
        What is said of the inputs that it takes, from outside; None: nothing.
    declared
        What is declared for it from outside; part of its capabilities.
    answered
        Sizes of the inputs that it has returned something for.
    """

    name: str
    role: Role
    capabilities: frozenset[str]
    call_seconds: float = CALL_SECONDS
    sizes: tuple[int, ...] | None = None
    elsewhere: tuple[int, str] | None = None
    form: str | None = None
    condition: Condition | None = None
    declared: frozenset[str] = frozenset()
    answered: frozenset[tuple[int, ...]] = frozenset()

    def call(self, *arguments: Any, **keywords: Any) -> Reply:
        """Call it; it works on copies of its arguments. An error knows of which call it is."""
        try:
            reply = self.reply(*arguments, **keywords)
        except TargetError as error:
            error.arguments, error.keywords = arguments, keywords
            raise
        self.answered |= {tuple(self.role.shape(*arguments))}
        return reply

    @abstractmethod
    def reply(self, *arguments: Any, **keywords: Any) -> Reply:
        """Call it, wherever it lives."""

    @abstractmethod
    def fresh(self) -> None:
        """Make it anew."""

    @abstractmethod
    def reset(self) -> None:
        """Call its own ``reset()``."""

    @abstractmethod
    def train(self, series: list[Any]) -> None:
        """Let it learn from the series ``[S, E]`` of one run; that may take as long as its start."""

    @abstractmethod
    def accepts(self, shape: list[int]) -> bool:
        """Ask whether it takes inputs of this shape."""

    @abstractmethod
    def attribute(self, name: str) -> Any:
        """Return an attribute in plain form; None if there is none or it cannot be read."""

    @abstractmethod
    def save_state(self) -> None:
        """Keep its ``state_dict()`` where it lives."""

    @abstractmethod
    def restore_state(self) -> None:
        """Give the kept state to its ``load_state_dict``."""

    def twin(self) -> Balancer | None:
        """Return the same balancer in another process, as another rank has it; None where there is no other process."""
        return None

    @abstractmethod
    def close(self) -> None:
        """End it, and whatever it started."""

    @property
    def stateful(self) -> bool:
        """Whether it remembers earlier calls: it then has ``reset()``."""
        return "has reset" in self.capabilities

    @property
    def trainable(self) -> bool:
        """Whether it learns from a run before it is asked: it then has ``train``."""
        return "has train" in self.capabilities

    @property
    def misspelt(self) -> tuple[str, ...]:
        """What it declares itself that its role does not know but nearly, each in a sentence that starts with "it"."""
        own = {name for name in self.capabilities if not name.startswith(("has ", "takes "))}
        strange = {name for name in own if with_any_number(name) not in self.role.declarations}
        unknown = {name: get_close_matches(name, self.role.declarations, 1) for name in strange}
        return tuple(
            f"it declares {name!r}, which means nothing of a {self.role.name}; did you mean {near[0]!r}?"
            for name, near in sorted(unknown.items())
            if near
        )

    def declare(self, names: Iterable[str]) -> None:
        """Add what somebody declares for it; raise :class:`InvalidProblem` if its role knows no such declaration."""
        self.declared |= self.role.declared(names)
        self.capabilities |= self.declared

    def settle(self) -> None:
        """Declare its kind, which others need to know; raise :class:`InvalidProblem` if it has none or several."""
        self.declare(self.role.kind_of(self.capabilities))

    def calls(self, case: Case) -> list[tuple[Any, ...]]:
        """Return the calls of a case as it takes them; none where the case is not for it."""
        return self.role.calls(self.capabilities, case)

    def takes(self, *arguments: Any) -> bool:
        """Whether it is to be asked this at all: it accepts inputs of this shape, and is said to do so."""
        shape = self.role.shape(*arguments)
        if self.sizes is not None and tuple(shape[-len(self.sizes) :]) != self.sizes:
            return False
        if self.condition is not None and not self.condition.holds(shape):
            return False
        return "has accepts" not in self.capabilities or self.accepts(shape)

    def ask(self, *arguments: Any, **keywords: Any) -> Any:
        """Call it and return its answer, as its role reads it."""
        return self.role.read(self.call(*arguments, **keywords).value, *arguments)

    def limit(self, sizes: tuple[int, ...]) -> None:
        """Ask for these sizes only from now on."""
        self.sizes = sizes

    def probe(self) -> frozenset[str]:
        """Return its capabilities with those that only a harmless call can tell; a router's only sizes are kept too."""
        try:
            if self.role.name == "router" and self.sizes is None and (told := fixed_sizes(self)) is not None:
                sizes, count, first = told
                self.limit(sizes)
                self.elsewhere = count, first
            return self.capabilities | self.role.probe(self)
        except TargetError:
            return self.capabilities

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def describe(error: BaseException) -> str:
    """Return type, first line and place of an exception: its innermost frame that is not a library's."""
    try:
        first = printable((str(error).strip().splitlines() or [""])[0][:200])
    except BaseException:  # its text is the target's code too
        first = ""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}{': ' * bool(first)}{first}{place}"
