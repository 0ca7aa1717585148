"""Balancers that are commands, in any language: JSON lines over pipes, as docs/reference/protocol.md states."""

from __future__ import annotations

import json
import queue
import shlex
import subprocess
import weakref
from typing import Any, BinaryIO

import numpy as np

from equipoise.arrays import as_numpy
from equipoise.balancers.pipes import Pipes, ending
from equipoise.errors import InvalidProblem, TargetError, TargetNotFound
from equipoise.files import strict_json
from equipoise.roles import all_roles, role_named

PREFIX = "cmd:"
"""What a target that is a command starts with."""

PROTOCOL = "equipoise-balancer/1"

START_SECONDS = 30.0
CALL_SECONDS = 60.0
LONGEST_LINE = 64 << 20


class Command:
    """A balancer behind a running program, which is started again after it ended.

    Parameters
    ----------
    target
        ``cmd:`` and the command line; it is split into words as a shell does, but no shell runs it.
    role
        Where the program does not say its role itself; None: it must.

    Raises
    ------
    TargetNotFound
        If it cannot be started, does not introduce itself, or has another role.
    """

    def __init__(self, target: str, role: str | None = None) -> None:
        self.target = target
        try:
            self._words = shlex.split(target.removeprefix(PREFIX))
        except ValueError as error:
            raise TargetNotFound(f"target {target!r} is not a command: {error}") from error
        if not self._words:
            raise TargetNotFound(f"target {target!r} names no program")
        self._process: subprocess.Popen[bytes] | None = None
        self._pipes: Pipes
        try:
            hello = self._start()
        except TargetError as error:
            raise TargetNotFound(f"command {target!r} does not introduce itself: {error}") from error
        self.role = _role(target, hello.get("role"), role)
        self._role = role_named(self.role)
        declared = hello.get("capabilities", [])
        self.capabilities = tuple(map(str, declared)) if isinstance(declared, list) else ()
        if "has reset" in self.capabilities:
            self.reset = lambda: self._ask({"do": "reset"})
        if "has accepts" in self.capabilities:
            self.accepts = lambda *shape: bool(self._ask({"do": "accepts", "shape": shape}).get("accepts", True))

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Return the answer as an array; of a router with weights, both."""
        named = {name: _sent(value) for name, value in zip(self._role.arguments, arguments, strict=False)}
        reply = self._ask({"do": "call", **named, "options": {name: _sent(value) for name, value in options.items()}})
        answer = _received(reply, self._role.answer)
        return (answer, _received(reply, "weights")) if "weights" in reply else answer

    def __getattr__(self, name: str) -> Any:
        known = self.__dict__.get("_role")
        if known is not None and name in known.attributes and f"has {name}" in self.__dict__.get("capabilities", ()):
            value = self._ask({"do": "attribute", "name": name}).get("value")
            return None if value is None else _received({name: value}, name)
        raise AttributeError(name)

    def close(self) -> None:
        """End the program."""
        self._process = None
        self._end()

    def _start(self) -> dict[str, Any]:
        try:
            self._process = subprocess.Popen(self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as error:
            raise TargetNotFound(f"command {self._words[0]!r} cannot be started: {error.strerror}") from error
        self._pipes = Pipes(self._process, _line)
        self._end = weakref.finalize(self, _end, self._process, self._pipes)
        hello = self._hear(self._process, START_SECONDS)
        if hello.get("protocol") != PROTOCOL:
            self.close()
            given = repr(hello.get("protocol"))[:80]
            raise TargetError(f"its first line has the protocol {given}, not {PROTOCOL!r}", kind="crashes")
        return hello

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        line = json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        if self._process is None:
            self._start()
        assert self._process is not None
        if self._pipes.unasked:
            self.close()
            raise TargetError("it wrote a line that nobody had asked for")
        self._pipes.say(line)
        reply = self._hear(self._process, CALL_SECONDS)
        if "refuses" in reply:
            raise TargetError(f"it refuses: {str(reply['refuses'])[:200]!r}", kind="raises", on_purpose=True)
        if "error" in reply:
            raise TargetError(f"it reports the error {str(reply['error'])[:200]!r}", kind="raises")
        return reply

    def _hear(self, process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
        """Read a line; a program that breaks the protocol is ended."""
        try:
            content = self._pipes.hear(seconds)
        except queue.Empty:
            self.close()
            raise TargetError(f"it did not answer within {seconds:g} s", kind="hangs") from None
        if isinstance(content, Exception):
            ended = ending(process)
            self.close()
            raise TargetError(f"its process {ended}", kind="crashes")
        try:
            if len(content) > LONGEST_LINE:
                raise ValueError
            reply = strict_json(content)
            if not isinstance(reply, dict):
                raise ValueError
        except (ValueError, RecursionError) as error:
            self.close()
            shown = content[:60].decode(errors="replace").strip()
            what = f"a line of more than {LONGEST_LINE >> 20} MiB" if len(content) > LONGEST_LINE else repr(shown)
            raise TargetError(f"it wrote {what}, not one JSON object in a line") from error
        return reply


def _role(target: str, said: Any, asked: str | None) -> str:
    if said is not None and said not in all_roles():
        raise TargetNotFound(f"command {target!r} says its role is {said!r}; allowed: {', '.join(all_roles())}")
    if said is None and asked is None:
        raise TargetNotFound(f"command {target!r} does not say its role; say it with --role")
    if said is not None and asked is not None and said != asked:
        raise TargetNotFound(f"command {target!r} is a {said}, not a {asked}")
    return str(said or asked)


def _sent(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype), "shape": list(value.shape), "values": value.tolist()}
    return value.item() if isinstance(value, np.generic) else value


def _received(reply: dict[str, Any], name: str) -> Any:
    """Return nested lists as an array; whoever asked judges its type and shape."""
    if name not in reply:
        raise TargetError(f"its answer has no {name!r}, but {sorted(reply)[:5]}")
    try:
        return as_numpy(reply[name], name)
    except InvalidProblem as error:
        raise TargetError(f"it returned {name} that is {error.given}") from error


def _line(stream: BinaryIO) -> bytes:
    line = stream.readline(LONGEST_LINE + 1)
    if not line:
        raise EOFError
    return line


def _end(process: subprocess.Popen[bytes], pipes: Pipes) -> None:
    process.kill()
    process.wait()
    pipes.close()
