"""Exact audits of single batches, in a process beside the loop that is never waited for.

That process is a Python of its own, which runs :func:`serve` and gets arrays over a pipe, so that neither the caller's
main module nor torch is loaded again.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from typing import Any

import numpy as np

from equipoise.balancers.wire import receive, send

NICE = 10
"""How much the process gives way to others."""


class Background:
    """Takes one batch at a time; while it has one in hand, others are refused."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._busy = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    def offer(self, about: dict[str, Any], batch: dict[str, Any]) -> bool:
        """Take a batch to audit, and return whether it was taken; ``about`` comes back beside the outcome."""
        if self._busy.is_set():
            return False
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        self._busy.set()
        copies = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in batch.items()}
        self._tasks.put((about, copies))
        return True

    def finished(self) -> list[dict[str, Any]]:
        """Return the outcomes that have arrived since the last call."""
        found = []
        while not self._done.empty():
            found.append(self._done.get())
        return found

    def close(self, seconds: float) -> None:
        """Wait so long for what is in hand, then end the process."""
        if self._thread is None:
            return
        self._tasks.put(None)
        self._thread.join(seconds)
        if (process := self._process) is not None:
            process.kill()  # what it had in hand comes back as an error
        self._thread.join()
        self._thread = None

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            about, batch = task
            self._done.put({**about, **self._asked(batch)})
            self._busy.clear()
        self._end()

    def _asked(self, batch: dict[str, Any]) -> dict[str, Any]:
        try:
            if self._process is None:
                self._process = _start()
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            send(self._process.stdin, batch)  # type: ignore[arg-type]
            found: dict[str, Any] = receive(self._process.stdout)  # type: ignore[arg-type]
        except (OSError, EOFError, ValueError) as error:
            self._end()
            found = {"error": f"the process of exact audits ended ({type(error).__name__})"}
        return found

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()


def _start() -> subprocess.Popen[bytes]:
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    return subprocess.Popen(
        [sys.executable, "-c", "from equipoise.monitor.exact import serve; serve()"],
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


class Given:
    """A routing that has been made already, as a router."""

    def __init__(self, chosen: Any, bias: Any) -> None:
        self.chosen = chosen
        if bias is not None:
            self.bias = bias

    def __call__(self, scores: Any, top_k: int) -> Any:
        """Return it."""
        return self.chosen


def audit_batch(scores: Any, chosen: Any, top_k: int, bias: Any = None) -> dict[str, Any]:
    """Audit one routing, as :func:`equipoise.audit` would, and return what a monitor's record says about it."""
    from equipoise.audits.contender import Contender
    from equipoise.audits.router import judge
    from equipoise.audits.run import choose
    from equipoise.balancers.in_process import InProcess
    from equipoise.roles.router import ROLE
    from equipoise.traces import Instance

    router = Contender("routing", InProcess("routing", ROLE, lambda: Given(chosen, bias)))
    row = judge([router], [Instance("batch", scores, top_k, "batch")], choose("router", {"passes": 1})[1], None)[0]
    if row.error:
        return {"error": row.error}
    regret: Any = row.values["regret"]
    return {
        "compared_with": row.compared_with,
        "evidence": row.evidence["optimum"],
        "regret": float(regret),
        "exact_regret": str(regret),
        **{name: _plain(row.values[name]) for name in ("relative_regret", "excess_peak", "relative_dual_gap")},
        "error": None,
    }


def _plain(value: Any) -> int | float | None:
    return value if value is None or isinstance(value, int) else float(value)


def serve() -> None:
    """Audit batches until the other side closes the pipe."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if hasattr(os, "nice"):
        os.nice(NICE)
    while True:
        try:
            batch = receive(requests)
        except EOFError:
            return
        try:
            found = audit_batch(**batch)
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {error}"}
        send(replies, found)
