"""Methods under study in processes of their own: they may raise, hang or crash, and the study goes on and counts it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from equipoise.executors import when_terminated
from equipoise.isolation.misbehaviour import Misbehaviour
from equipoise.isolation.subject import Isolated

IDLE = 30.0
"""Seconds that a method's process waits for its next case: starting one takes longer than most cases."""

About = tuple[str, str, float]


class Outside:
    """Calls a balancer in its process, with one time limit for all calls together; remembers how it failed."""

    def __init__(self, method: str, role: str, seconds: float) -> None:
        self.seconds = 0.0
        self.failure: Misbehaviour | None = None
        self._about = (method, role, seconds)
        self._subject: Isolated | None = None
        try:
            self._subject = _PROCESSES.take(self._about)
            self._subject.fresh()
            if "has train" in self._subject.capabilities:
                self.train = self._train
        except Misbehaviour as misbehaviour:
            self.failure = misbehaviour

    @property
    def stateful(self) -> bool:
        """Whether it has ``reset()``."""
        return self._subject is not None and "has reset" in self._subject.capabilities

    @property
    def bias(self) -> Any:
        """What a router adds to the scores, if it says so."""
        return None if self._subject is None else self._subject.attribute("bias")

    def __call__(self, *arguments: Any) -> Any:
        """Return what the balancer returns; a tuple arrives as one."""
        value = self._timed(lambda subject: subject.call(*arguments).value)
        return tuple(value) if isinstance(value, list) else value

    def _train(self, series: list[Any]) -> None:
        self._timed(lambda subject: subject.train(series))

    def _timed(self, ask: Callable[[Isolated], Any]) -> Any:
        if self._subject is None or self.failure is not None:
            raise self.failure or RuntimeError("called after it was given back")
        limit, started = self._about[2], time.perf_counter()
        try:
            value = ask(self._subject)
        except Misbehaviour as misbehaviour:
            self.failure = misbehaviour
            raise
        finally:
            self.seconds += time.perf_counter() - started
        if self.seconds > limit:
            self.failure = Misbehaviour("hangs", f"it did not finish within {limit:g} s")
            raise self.failure
        return value

    def give_back(self) -> None:
        """Leave the process to the next case."""
        if self._subject is not None:
            _PROCESSES.give(self._about, self._subject)
            self._subject = None


class _Processes:
    """The processes of methods: taken for one case at a time, ended after a while without any."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._all: set[Isolated] = set()
        self._idle: dict[About, list[tuple[Isolated, threading.Timer]]] = {}

    def take(self, about: About) -> Isolated:
        with self._lock:
            if waiting := self._idle.get(about):
                subject, timer = waiting.pop()
                timer.cancel()
                return subject
        method, role, seconds = about
        subject = Isolated(method, role, call_seconds=seconds)
        with self._lock:
            self._all.add(subject)
        return subject

    def give(self, about: About, subject: Isolated) -> None:
        timer = threading.Timer(IDLE, self._expire, (about, subject))
        timer.daemon = True
        with self._lock:
            self._idle.setdefault(about, []).append((subject, timer))
        timer.start()

    def end(self) -> None:
        with self._lock:
            for _, timer in (one for waiting in self._idle.values() for one in waiting):
                timer.cancel()
            self._idle.clear()
            for subject in self._all:
                subject.close()
            self._all.clear()

    def _expire(self, about: About, subject: Isolated) -> None:
        with self._lock:
            waiting = self._idle.get(about, [])
            if not any(one is subject for one, _ in waiting):
                return
            self._idle[about] = [(one, timer) for one, timer in waiting if one is not subject]
            self._all.discard(subject)
        subject.close()


_PROCESSES = _Processes()
close_all = when_terminated(_PROCESSES.end)
"""End all processes of methods that this process has started."""
