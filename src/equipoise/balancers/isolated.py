"""A balancer in a process of its own: time limits, restarts after a crash, whatever goes wrong as a named failure."""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from equipoise.balancers.balancer import CALL_SECONDS, Balancer, Reply
from equipoise.balancers.marked import MARK, end_marked
from equipoise.balancers.pipes import Pipes, ending
from equipoise.balancers.wire import encoded, receive
from equipoise.errors import EquipoiseError, TargetError, TargetNotFound, TargetNotMade
from equipoise.roles import homes, role_named
from equipoise.tables import printable

IMPORT_SECONDS = 300.0
"""Time limit of finding a target: what it imports may be a whole framework."""

START_SECONDS = 60.0
MEMORY = 8 << 30

FIRST = 12
"""How many times the limit of a call its first one may take, up to ``START_SECONDS``: it compiles what it needs."""

KINDS = ("raises", "hangs", "crashes", "unable", "returns nothing readable")
"""What a process may say of the target that it holds, see :class:`~equipoise.errors.TargetError`."""

LONGEST = 2000
"""Characters of such words that are kept."""


class Introduction(msgspec.Struct):
    """What a process says of the target that it has taken."""

    role: str
    capabilities: frozenset[str]
    sizes: tuple[int, ...] | None


class Isolated(Balancer):
    """The balancer that ``target`` names, in a worker process; without a role, its own is found out there.

    Parameters
    ----------
    form, sizes
        As :class:`~equipoise.balancers.find.Target` has them.
    call_seconds
        Time limit of one call; the first of a process may take :data:`FIRST` times as long, for what is compiled then.
    memory
        Bytes of address space that the process may have.
    hash_seed
        Of Python's hashes in the process: the same on every run, whatever the environment sets.

    Raises
    ------
    TargetNotFound
        If the target cannot be found or made.
    TargetError
        If its process hangs or dies meanwhile.
    """

    def __init__(
        self,
        target: str,
        role: str | None = None,
        form: str | None = None,
        sizes: tuple[int, ...] | None = None,
        *,
        call_seconds: float = CALL_SECONDS,
        memory: int = MEMORY,
        hash_seed: int = 0,
    ) -> None:
        self.name, self.call_seconds, self._memory = target, call_seconds, memory
        self._hash_seed = hash_seed
        self._twin: Isolated | None = None
        self._said: dict[str, Any] = {"role": role, "form": form, "sizes": sizes}
        self._allowed: float | None = None
        self._left: float | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._compiles = self._first = True
        self._number = 0
        self._start()

    def take(self, target: str, role: str | None = None) -> None:
        """Host another target in the same process, which keeps the modules that it has imported.

        Raises
        ------
        TargetNotFound
            If it cannot be found or made; the process has ended then.
        """
        self.name, self._said = target, {"role": role, "form": None, "sizes": None}
        self.elsewhere = None
        self._compiles = True
        if self._process is None:
            self._start()
        else:
            self._introduce()

    def limit(self, sizes: tuple[int, ...]) -> None:
        """Ask for these sizes only from now on, also of a process that is started again and of the twin."""
        self._said["sizes"] = self.sizes = sizes

    def allow(self, seconds: float | None) -> None:
        """Limit the time of all calls from now on together; None lifts the limit."""
        self._allowed = self._left = seconds

    def reply(self, *arguments: Any, **keywords: Any) -> Reply:
        """Call it in its process.

        The first call of a process has more time. Where it did not need that, or hung all the same, a process that is
        started again does not get it.
        """
        seconds, first = self.call_seconds, self._first or self._process is None
        if first and self._compiles:
            seconds, self._compiles = max(seconds, min(START_SECONDS, FIRST * seconds)), False
        started = time.monotonic()
        try:
            said = self._ask("reply", arguments, keywords, seconds)
            with self._understood("a call"):
                reply = _reply(said)
        finally:
            self._first = False
        self._compiles |= first and time.monotonic() - started > self.call_seconds
        return reply

    def fresh(self) -> None:
        """Make it anew."""
        self._ask("fresh")

    def reset(self) -> None:
        """Call its own ``reset()``."""
        self._ask("reset")

    def train(self, series: list[Any]) -> None:
        """Let it learn from the series ``[S, E]`` of one run; that may take as long as its start."""
        self._ask("train", (series,), seconds=max(START_SECONDS, self.call_seconds))

    def accepts(self, shape: list[int]) -> bool:
        """Ask whether it takes inputs of this shape."""
        return bool(self._ask("accepts", (shape,)))

    def attribute(self, name: str) -> Any:
        """Return an attribute in plain form."""
        return self._ask("attribute", (name,))

    def save_state(self) -> None:
        """Keep its state in its process."""
        self._ask("save_state")

    def restore_state(self) -> None:
        """Give the kept state back."""
        self._ask("restore_state")

    def twin(self) -> Balancer | None:
        """Return the same target in another process, which is kept and where Python's hashes have another seed.

        None where no second one can be started.
        """
        try:
            if self._twin is None:
                other = self._hash_seed + 1
                self._twin = Isolated(self.name, **self._said, memory=self._memory, hash_seed=other)
            elif self._twin.name != self.name:
                self._twin.take(self.name, self.role.name)
        except TargetNotFound:
            return None
        self._twin.call_seconds = self.call_seconds
        return self._twin

    def close(self) -> None:
        """End the worker and whatever it started, and that of its twin."""
        if self._twin is not None:
            self._twin.close()
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            process.kill() if sys.platform == "win32" else os.killpg(process.pid, signal.SIGKILL)
        end_marked(self._mark)
        process.wait()
        self._pipes.close()

    def _start(self) -> None:
        # Small calls of torch cost ten times as much where its threads wait for each other on a busy machine.
        environment = {
            "OMP_NUM_THREADS": "1",
            **os.environ,
            "PYTHONHASHSEED": str(self._hash_seed),
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        }
        self._mark = secrets.token_hex(16)
        environment[MARK] = self._mark
        self._process = subprocess.Popen(
            [sys.executable, "-m", "equipoise.balancers.worker", str(self._memory)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._pipes = Pipes(self._process, receive)
        self._introduce()

    def _introduce(self) -> None:
        """Tell the worker which target it holds, and learn what that is."""
        self._first = True
        self._send({"do": "take", "target": self.name, "homes": homes(), **self._said})
        reply = self._wait(IMPORT_SECONDS, "starting")
        if "refused" in reply:
            self.close()
            raise (TargetNotMade if reply.get("found") else TargetNotFound)(_words(reply["refused"]))
        with self._understood("starting"):
            told = msgspec.convert(reply.get("ok"), Introduction)
            self.role = role_named(told.role)
        self.capabilities, self.sizes = self.declared | told.capabilities, told.sizes

    def _ask(
        self, method: str, arguments: tuple[Any, ...] = (), keywords: dict[str, Any] | None = None, seconds: float = 0
    ) -> Any:
        if self._process is None:
            self._start()
        limit, words = seconds or self.call_seconds, ""
        if self._left is not None and self._left <= limit:
            limit, words = max(0.0, self._left), f"it did not finish within {self._allowed:g} s"
        started = time.monotonic()
        try:
            self._send({"do": method, "arguments": list(arguments), "keywords": keywords or {}})
            reply = self._wait(limit, "a call", words)
        finally:
            if self._left is not None:
                self._left -= time.monotonic() - started
        if "error" in reply:
            kind = reply.get("kind") if reply.get("kind") in KINDS else "raises"
            raise TargetError(_words(reply["error"]), kind, on_purpose=bool(reply.get("on purpose")))
        return reply.get("ok")

    def _send(self, request: dict[str, Any]) -> None:
        self._number += 1
        self._pipes.say(encoded({"number": self._number, **request}))

    def _wait(self, seconds: float, what: str, too_late: str = "") -> Any:
        process = self._process
        assert process is not None
        try:
            reply = self._pipes.hear(seconds)
        except queue.Empty:
            self.close()
            raise TargetError(too_late or f"it did not answer within {seconds:g} s", "hangs") from None
        if isinstance(reply, EOFError | OSError):
            ended = ending(process)
            self.close()
            raise TargetError(f"its process {ended} during {what}", "crashes")
        with self._understood(what):
            if reply["number"] != self._number or not reply.keys() & {"ok", "error", "refused"}:
                raise ValueError
        return reply

    @contextlib.contextmanager
    def _understood(self, what: str) -> Iterator[None]:
        """End a process that says what no worker says: the target has got hold of its pipe."""
        try:
            yield
        except (ValueError, TypeError, KeyError, EquipoiseError) as error:
            self.close()
            raise TargetError(f"its process sent something that is no answer during {what}", "crashes") from error


def _reply(said: Any) -> Reply:
    reply = msgspec.convert(said, Reply)
    if not 0 <= reply.seconds < float("inf"):
        raise ValueError("no time that a call takes")
    return reply


def _words(said: Any) -> str:
    return printable((str(said).splitlines() or [""])[0][:LONGEST])
