"""A balancer in an audit: asked until it breaks off, timed, and watched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.audits.measures import Row
from equipoise.balancers.balancer import Balancer
from equipoise.balancers.find import Target
from equipoise.balancers.isolated import Isolated
from equipoise.balancers.pool import POOL
from equipoise.balancers.refusing import answers_something, is_refusal
from equipoise.errors import TargetError, TargetNotFound

CALL_SECONDS = 10.0
"""Time limit of one call of a balancer that has a process of its own."""

REFUSES = "refuses"
"""Kind of what a balancer raises on purpose, until :meth:`Contender.blamed` says otherwise."""

FINAL = ("hangs", "crashes")
"""Kinds after which a balancer has lost what it knew: it is not asked again on the same data."""


class Contender:
    """A balancer that is tried on one unit of an audit's data.

    Attributes
    ----------
    name
        As it is reported.
    seconds
        Of all its calls so far, measured where they ran.
    warnings
        What it did beside its answers that a caller would not like.
    """

    def __init__(self, name: str, balancer: Balancer | None, broken: TargetError | None = None) -> None:
        self.name, self.seconds = name, 0.0
        self.warnings: tuple[str, ...] = () if balancer is None else balancer.misspelt
        self._balancer, self._broken = balancer, broken
        self._answered = False
        self._taken: dict[tuple[int, ...], bool] = {}
        self._raised: dict[str, TargetError] = {}

    @property
    def capabilities(self) -> frozenset[str]:
        """What the balancer can do; nothing, if it did not start."""
        return frozenset() if self._balancer is None else self._balancer.capabilities

    @property
    def stateful(self) -> bool:
        """Whether it remembers earlier calls."""
        return self._balancer is not None and self._balancer.stateful

    @property
    def trainable(self) -> bool:
        """Whether it learns from a run before it is asked."""
        return self._balancer is not None and self._balancer.trainable

    def ask(self, *arguments: Any) -> Any:
        """Return its answer, as its role reads it.

        Raises
        ------
        TargetError
            If it breaks, gives none, or has hung or crashed on this data before; of the kind "refuses" if it is not to
            be asked, or raises on purpose.
        """
        balancer = self._running()
        with self._noted():
            if not self._takes(balancer, arguments):
                raise TargetError(f"it does not accept {balancer.role.sizes(*arguments)}", REFUSES)
            reply = balancer.call(*arguments)
            self.seconds += reply.seconds
            for flag, words in (
                (reply.changed_input, "it writes into its input"),
                (reply.printed, "it prints to standard output"),
            ):
                if flag and words not in self.warnings:
                    self.warnings = (*self.warnings, words)
            self._answered = True
            return balancer.role.read(reply.value, *arguments)

    def train(self, series: Sequence[npt.NDArray[Any]]) -> None:
        """Let it learn from the series ``[S, E]`` of one run; raises as :meth:`ask` does."""
        balancer = self._running()
        with self._noted():
            balancer.fresh()
            balancer.train(list(series))

    def numbers(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64] | None:
        """Return an attribute that holds finite numbers of this shape; None for anything else."""
        if f"has {name}" not in self.capabilities or self._balancer is None:
            return None
        try:
            found = self._balancer.attribute(name)
        except TargetError:
            return None
        if not isinstance(found, np.ndarray | int | float):
            return None
        numbers = np.asarray(found)
        usable = numbers.dtype.kind in "fiu" and numbers.shape == shape and np.isfinite(numbers).all()
        return numbers.astype(np.float64) if usable else None

    def _takes(self, balancer: Balancer, arguments: tuple[Any, ...]) -> bool:
        """Whether it is to be asked this; it says so once for every shape."""
        shape = tuple(balancer.role.shape(*arguments))
        if shape not in self._taken:
            self._taken[shape] = balancer.takes(*arguments)
        return self._taken[shape]

    def _running(self) -> Balancer:
        if self._broken is not None:
            raise self._broken
        assert self._balancer is not None
        return self._balancer

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except TargetError as error:
            if error.kind in FINAL:
                self._broken = error
            if error.kind == "raises" and error.on_purpose:
                self._raised.setdefault(str(error), error)
                error.kind = REFUSES
            raise

    def blamed(self) -> set[str]:
        """Return what it raised on purpose that is no refusal of the sizes; it is made anew and asked for that."""
        if not self._raised or self._balancer is None:
            return set()
        for error in self._raised.values():
            error.kind = "raises"
        balancer = self._balancer
        if not self._answered and not answers_something(balancer):
            return set(self._raised)
        return {message for message, error in self._raised.items() if not is_refusal(balancer, error)}


def settled(tried: Sequence[Contender], rows: list[Row]) -> list[Row]:
    """Return the rows of one unit, with what is no refusal as what it is: something that the balancer raised."""
    blamed = {one.name: one.blamed() for one in tried}
    return [
        replace(row, kind="raises") if row.kind == REFUSES and row.error in blamed.get(row.balancer, ()) else row
        for row in rows
    ]


@contextlib.contextmanager
def contenders(
    targets: Sequence[Target], call_seconds: float, total_seconds: float | None = None
) -> Iterator[list[Contender]]:
    """Yield the targets, running and fresh; one that cannot start is there too, broken.

    What ships with Equipoise runs in this process, everything else in one of its own where that can find it. With
    ``total_seconds``, a limit of all calls of a target together, everything has a process of its own, and a target that
    cannot be made is one more that is broken.
    """
    with contextlib.ExitStack() as stack:
        yield [_start(target, call_seconds, total_seconds, stack) for target in targets]


def _start(target: Target, call_seconds: float, total_seconds: float | None, stack: contextlib.ExitStack) -> Contender:
    here = target.entry is not None and total_seconds is None
    try:
        balancer = stack.enter_context(POOL.borrow(target, in_process=here, call_seconds=call_seconds))
        balancer.fresh()
    except TargetError as error:
        return Contender(target.name, None, error)
    except TargetNotFound as error:
        if total_seconds is None:
            raise
        return Contender(target.name, None, TargetError(str(error), "cannot be made"))
    if total_seconds is not None and isinstance(balancer, Isolated):
        balancer.allow(total_seconds)
        stack.callback(balancer.allow, None)
    return Contender(target.name, balancer)
