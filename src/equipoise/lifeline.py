"""A process that ends with the one that started it, also where that one was killed and could say nothing."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections.abc import Callable


def end_with(pipe: int, last_wish: Callable[[], None] | None = None) -> None:
    """Kill this process and its group as soon as nobody is at the other end of a pipe; ``last_wish`` comes before.

    Only a stopped process, or one in code that keeps Python's lock, stays until it goes on.
    """
    if hasattr(select, "poll"):
        own = os.dup(pipe)  # the caller may close its own before the thread runs
        threading.Thread(target=_wait, args=(own, last_wish), daemon=True).start()


def _wait(pipe: int, last_wish: Callable[[], None] | None) -> None:
    hung_up = select.poll()
    hung_up.register(pipe, 0)
    hung_up.poll()
    if last_wish is not None:
        with contextlib.suppress(Exception):
            last_wish()
    os.killpg(0, signal.SIGKILL)
