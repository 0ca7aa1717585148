"""Both ends of a talk with a process that may do anything: two threads own its pipes, and nobody waits for them."""

from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

UNASKED = 4
"""What a process may say that nobody has asked for; beyond that it is not listened to."""


class Pipes:
    """Standard input and output of a process, which may read nothing, say too much, or leave its ends to others.

    Parameters
    ----------
    process
        With both as pipes; from now on nobody else touches them.
    read
        Reads one message; what it raises counts as the end of what the process says.
    """

    def __init__(self, process: subprocess.Popen[bytes], read: Callable[[BinaryIO], Any]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._to_say: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._said: queue.Queue[Any] = queue.Queue(UNASKED)
        threading.Thread(target=_write, args=(process.stdin, self._to_say), daemon=True).start()
        threading.Thread(target=_listen, args=(process.stdout, self._said, read), daemon=True).start()

    @property
    def unasked(self) -> bool:
        """Whether there is something that it has said and nobody has heard."""
        return not self._said.empty()

    def say(self, content: bytes) -> None:
        """Write to it, without waiting for it to read."""
        self._to_say.put(content)

    def hear(self, seconds: float) -> Any:
        """Return its next message, or what was raised instead of one; raise ``queue.Empty`` if none comes in time."""
        return self._said.get(timeout=seconds)

    def close(self) -> None:
        """Close both, each as soon as no one holds it up: the process, or who inherited its ends, may never let go."""
        self._to_say.put(None)


def _write(stream: BinaryIO, to_say: queue.SimpleQueue[bytes | None]) -> None:
    with contextlib.suppress(OSError, ValueError):  # a dead process is reported when its answer is missing
        while (content := to_say.get()) is not None:
            stream.write(content)
            stream.flush()
    with contextlib.suppress(OSError, ValueError):
        stream.close()


def _listen(stream: BinaryIO, said: queue.Queue[Any], read: Callable[[BinaryIO], Any]) -> None:
    try:
        while True:
            said.put_nowait(read(stream))
    except queue.Full:
        pass
    except Exception as error:
        with contextlib.suppress(queue.Full):
            said.put_nowait(error)
    with contextlib.suppress(OSError, ValueError):
        stream.close()


def ending(process: subprocess.Popen[bytes]) -> str:
    """Say how a process that says nothing more has ended."""
    try:
        code = process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        return "closed its output"
    if code >= 0:
        return f"exited with code {code}"
    known = {one.value: one.name for one in signal.Signals}  # which has no real-time signals
    return f"was killed by {known.get(-code, f'signal {-code}')}"
