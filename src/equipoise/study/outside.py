"""A method under study, in a process of its own: it may raise, hang or crash, and the study goes on and counts it."""

from __future__ import annotations

import threading
import time
from typing import Any

from equipoise.isolation.misbehaviour import Misbehaviour
from equipoise.isolation.subject import Isolated

_KEPT = threading.local()


class Outside:
    """Calls a balancer in its process, with one time limit for all calls together; remembers how it failed.

    Processes are kept for the next case, one per thread and method.
    """

    def __init__(self, method: str, role: str, seconds: float) -> None:
        self.seconds = 0.0
        self.failure: Misbehaviour | None = None
        self._limit = seconds
        try:
            self._subject = _subject(method, role, seconds)
            self._subject.fresh()
        except Misbehaviour as misbehaviour:
            self.failure = misbehaviour

    @property
    def stateful(self) -> bool:
        """Whether it has ``reset()``."""
        return self.failure is None and "has reset" in self._subject.capabilities

    @property
    def bias(self) -> Any:
        """What a router adds to the scores, if it says so."""
        return self._subject.attribute("bias")

    def __call__(self, *arguments: Any) -> Any:
        """Return what the balancer returns; a tuple arrives as one."""
        if self.failure is not None:
            raise self.failure
        started = time.perf_counter()
        try:
            value = self._subject.call(*arguments).value
        except Misbehaviour as misbehaviour:
            self.failure = misbehaviour
            raise
        finally:
            self.seconds += time.perf_counter() - started
        if self.seconds > self._limit:
            self.failure = Misbehaviour("hangs", f"it did not finish within {self._limit:g} s")
            raise self.failure
        return tuple(value) if isinstance(value, list) else value


def close_all() -> None:
    """End the processes that this thread has kept."""
    for subject in vars(_KEPT).pop("subjects", {}).values():
        subject.close()


def _subject(method: str, role: str, seconds: float) -> Isolated:
    kept: dict[tuple[str, str, float], Isolated] = vars(_KEPT).setdefault("subjects", {})
    about = (method, role, seconds)
    if about not in kept:
        kept[about] = Isolated(method, role, call_seconds=seconds)
    return kept[about]
