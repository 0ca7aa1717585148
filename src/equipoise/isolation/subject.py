"""Our side of a target: calls with a time limit, restarts after a crash, misbehaviour as a named failure."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

from equipoise.errors import TargetError, TargetNotFound
from equipoise.isolation.host import Host, Reply
from equipoise.isolation.misbehaviour import Misbehaviour
from equipoise.isolation.wire import receive, send
from equipoise.targets import describe, resolve

CALL_SECONDS = 5.0
START_SECONDS = 60.0
MEMORY = 8 << 30


class Subject(Protocol):
    """A target as the checks see it."""

    target: str
    role: str
    capabilities: frozenset[str]
    call_seconds: float

    def fresh(self) -> None:
        """Forget everything."""

    def reset(self) -> None:
        """Call its own ``reset()``."""

    def train(self, series: list[Any]) -> None:
        """Let it learn from the series of one run, just after :meth:`fresh`."""

    def call(self, *arguments: Any, **keywords: Any) -> Reply:
        """Call the target; raise :class:`Misbehaviour` if it does not answer."""

    def accepts(self, shape: list[int]) -> bool:
        """Ask whether it takes inputs of this shape."""

    def attribute(self, name: str) -> Any:
        """Return an attribute in plain form."""

    def save(self) -> None:
        """Keep its state."""

    def load(self) -> None:
        """Give the kept state back."""

    def close(self) -> None:
        """End it."""


class InProcess:
    """The target in this process, for debuggers; nothing protects us.

    ``make`` makes it; without one it is found by its name, and without a role its own is found out.
    """

    def __init__(self, target: str, role: str | None = None, make: Callable[[], Any] | None = None) -> None:
        found, maker = resolve(target, role) if make is None else (role or "router", make)
        self.target, self.role = target, found
        self.call_seconds = CALL_SECONDS
        self._host = Host(maker)
        self.capabilities = frozenset(self._host.capabilities())
        self.fresh, self.reset, self.attribute = self._host.fresh, self._host.reset, self._host.attribute
        self.save, self.load, self.accepts = self._host.save, self._host.load, self._host.accepts

    def train(self, series: list[Any]) -> None:
        """Let the target learn here."""
        try:
            self._host.train(series)
        except TargetError as error:
            raise Misbehaviour(error.kind, str(error)) from error
        except Exception as error:
            raise Misbehaviour("raises", f"it raised {describe(error)}") from error

    def call(self, *arguments: Any, **keywords: Any) -> Reply:
        """Call the target here."""
        return answered(self._host.call(list(arguments), keywords))

    def close(self) -> None:
        """End a command."""
        self._host.close()


class Isolated:
    """The target in a worker process; without a role, its own is found out there."""

    def __init__(
        self, target: str, role: str | None = None, *, call_seconds: float = CALL_SECONDS, memory: int = MEMORY
    ) -> None:
        self.target, self.role = target, role or ""
        self.call_seconds, self._memory = call_seconds, memory
        self._process: subprocess.Popen[bytes] | None = None
        self._know(self._start())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def take(self, target: str, role: str | None = None) -> None:
        """Host another target in the same process, which keeps the modules that it has imported.

        Raises
        ------
        TargetNotFound
            If it cannot be found or made; the process has ended then.
        """
        self.target, self.role = target, role or ""
        if self._process is None:
            self._know(self._start())
        else:
            self._send({"do": "take", "target": self.target, "role": self.role})
            self._know(self._told())

    def fresh(self) -> None:
        """Make the target anew."""
        self._ask({"do": "fresh"})

    def reset(self) -> None:
        """Call the target's own ``reset()``."""
        self._ask({"do": "reset"})

    def train(self, series: list[Any]) -> None:
        """Let the target learn from the series ``[S, E]`` of one run; that may take as long as its start."""
        self._ask({"do": "train", "series": series}, max(START_SECONDS, self.call_seconds))

    def accepts(self, shape: list[int]) -> bool:
        """Ask the target whether it takes inputs of this shape."""
        return bool(self._ask({"do": "accepts", "shape": shape}))

    def attribute(self, name: str) -> Any:
        """Return an attribute in plain form."""
        return self._ask({"do": "attribute", "name": name})

    def save(self) -> None:
        """Keep the target's state in its process."""
        self._ask({"do": "save"})

    def load(self) -> None:
        """Give the kept state back."""
        self._ask({"do": "load"})

    def call(self, *arguments: Any, **keywords: Any) -> Reply:
        """Call the target in its process."""
        return answered(Reply(**self._ask({"do": "call", "arguments": list(arguments), "keywords": keywords})))

    def close(self) -> None:
        """End the worker and whatever it started."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            process.kill() if sys.platform == "win32" else os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _start(self) -> dict[str, Any]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
        command = [sys.executable, "-m", "equipoise.isolation.worker", self.target, self.role, str(self._memory)]
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._replies: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=_listen, args=(self._process, self._replies), daemon=True).start()
        return self._told()

    def _told(self) -> dict[str, Any]:
        """Return what the worker says of the target that it has just made."""
        reply = self._wait(START_SECONDS, "starting")
        if "refused" in reply:
            self.close()
            raise TargetNotFound(reply["refused"])
        return dict(reply["ok"])

    def _know(self, about: dict[str, Any]) -> None:
        self.role, self.capabilities = about["role"], frozenset(about["capabilities"])

    def _ask(self, request: dict[str, Any], seconds: float | None = None) -> Any:
        if self._process is None:
            self._start()
        self._send(request)
        reply = self._wait(self.call_seconds if seconds is None else seconds, "a call")
        if "error" in reply:
            raise Misbehaviour(reply["kind"], reply["error"])
        return reply["ok"]

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # a dead worker is reported when its answer is missing
            send(self._process.stdin, request)  # type: ignore[arg-type]

    def _wait(self, seconds: float, what: str) -> Any:
        process = self._process
        assert process is not None
        try:
            reply = self._replies.get(timeout=seconds)
        except queue.Empty:
            self.close()
            raise Misbehaviour("hangs", f"it did not answer within {seconds:g} s") from None
        if isinstance(reply, Exception):
            code = process.wait()
            self.close()
            ended = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
            raise Misbehaviour("crashes", f"its process {ended} during {what}")
        return reply


def answered(reply: Reply) -> Reply:
    """Pass on what the target returned; raise :class:`Misbehaviour` if it raised or returned nothing readable."""
    if reply.error is not None:
        raise Misbehaviour(reply.kind, reply.error)
    if reply.unreadable is not None:
        raise Misbehaviour("returns nothing readable", f"it returned {reply.unreadable}")
    return reply


def _listen(process: subprocess.Popen[bytes], replies: queue.SimpleQueue[Any]) -> None:
    assert process.stdout is not None
    try:
        while True:
            replies.put(receive(process.stdout))  # type: ignore[arg-type]
    except Exception as error:
        replies.put(error)
