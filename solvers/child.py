"""A call in a child process: it can be stopped at a deadline and by Ctrl-C, whatever the callee is doing.

The child is a fresh interpreter (``python -m equipoise.solvers.child``), so nothing of the caller's main module runs
again. Both ends are this program; what passes between them is pickled, and never leaves the two pipes.
"""

from __future__ import annotations

import importlib
import os
import pickle
import signal
import subprocess
import sys
from typing import Any

from equipoise.lifeline import end_with

GRACE = 2.0
"""Seconds beyond the limit for an engine that stops by itself at the limit to hand over what it has."""


class ChildFailed(Exception):
    """The child died without an answer."""


def call(module: str, function: str, *arguments: Any, time_limit: float | None = None) -> Any:
    """Return ``module.function(*arguments)`` computed by a child process, which alone imports the module.

    Raises
    ------
    TimeoutError
        If it took longer than ``time_limit`` plus a short grace; the child is gone then.
    ChildFailed
        If the child crashed.
    Exception
        Whatever ``function`` raised.
    """
    request = pickle.dumps((module, function, arguments), pickle.HIGHEST_PROTOCOL)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-m", "equipoise.solvers.child"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, start_new_session=True, **pipes) as child:  # type: ignore[call-overload]
        try:
            answer, words = child.communicate(request, None if time_limit is None else time_limit + GRACE)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"no answer within {time_limit} seconds") from error
        finally:
            if child.poll() is None:
                _end(child)
    if child.returncode != 0:
        last = (words.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise ChildFailed(f"the solver's process ended with code {child.returncode}: {last}")
    failed, value = pickle.loads(answer)
    if failed:
        raise value
    return value


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the child and whatever it started (CBC is a program of its own)."""
    if sys.platform == "win32":
        child.kill()
    else:
        os.killpg(child.pid, signal.SIGKILL)


def _serve() -> None:
    # Solvers print; the answer alone may reach the pipe that was standard output.
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    end_with(answer.fileno())
    module, function, arguments = pickle.load(sys.stdin.buffer)
    try:
        outcome = (False, getattr(importlib.import_module(module), function)(*arguments))
    except Exception as error:
        outcome = (True, error)
    with answer:
        pickle.dump(outcome, answer, pickle.HIGHEST_PROTOCOL)


if __name__ == "__main__":
    _serve()
