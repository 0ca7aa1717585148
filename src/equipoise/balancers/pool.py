"""Balancers that are running: lent to one user at a time, ended after a while without any, or when we end."""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from equipoise.balancers.balancer import Balancer
from equipoise.balancers.find import Target
from equipoise.executors import when_terminated

IDLE = 30.0
"""Seconds that a balancer waits for its next user: starting its process takes longer than most uses."""

Key = tuple[Any, ...]


class Pool:
    """Running balancers by target and settings."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._all: set[Balancer] = set()
        self._idle: dict[Key, list[tuple[Balancer, threading.Timer]]] = {}

    @contextlib.contextmanager
    def borrow(self, target: Target, **settings: Any) -> Iterator[Balancer]:
        """Lend the balancer, made anew; ``settings`` are those of :meth:`~equipoise.balancers.find.Target.hold`.

        Raises
        ------
        TargetNotFound
            If it cannot be found or made.
        """
        said = target.role, target.form, target.sizes, target.accepts, target.declares
        key = (target.path or id(target.given), *said, *sorted(settings.items()))
        balancer = self._take(key) or self._start(target, settings)
        try:
            yield balancer
        finally:
            self._give_back(key, balancer)

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            for _, timer in (one for waiting in self._idle.values() for one in waiting):
                timer.cancel()
            self._idle.clear()
            for balancer in self._all:
                balancer.close()
            self._all.clear()

    def _take(self, key: Key) -> Balancer | None:
        with self._lock:
            if not (waiting := self._idle.get(key)):
                return None
            balancer, timer = waiting.pop()
            timer.cancel()
            return balancer

    def _start(self, target: Target, settings: dict[str, Any]) -> Balancer:
        balancer = target.hold(**settings)
        with self._lock:
            self._all.add(balancer)
        return balancer

    def _give_back(self, key: Key, balancer: Balancer) -> None:
        timer = threading.Timer(IDLE, self._expire, (key, balancer))
        timer.daemon = True
        with self._lock:
            self._idle.setdefault(key, []).append((balancer, timer))
        timer.start()

    def _expire(self, key: Key, balancer: Balancer) -> None:
        with self._lock:
            waiting = self._idle.get(key, [])
            if not any(one is balancer for one, _ in waiting):
                return
            self._idle[key] = [(one, timer) for one, timer in waiting if one is not balancer]
            self._all.discard(balancer)
        balancer.close()


POOL = Pool()
atexit.register(POOL.close)
when_terminated(POOL.close)
