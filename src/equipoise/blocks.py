"""Work on blocks of rows, in threads where there is enough of it: temporaries stay in the cache, results in order."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

_BLOCK = 1 << 18
_THREADED = 1 << 21


def by_blocks(function: Callable[[slice], Result], rows: int, width: int) -> list[Result]:
    """Return ``function(slice)`` of consecutive blocks of ``rows`` rows of ``width`` numbers, in order.

    NumPy lets other threads work while it computes, so large inputs take all processors; ``function`` must not depend
    on the order of its calls.
    """
    step = max(1, _BLOCK // max(1, width))
    blocks = [slice(start, min(rows, start + step)) for start in range(0, rows, step)]
    if rows * width < _THREADED:
        return [function(block) for block in blocks]
    with ThreadPoolExecutor(_processors()) as pool:
        return list(pool.map(function, blocks))


def _processors() -> int:
    """Those that this process may use, where the system says."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
