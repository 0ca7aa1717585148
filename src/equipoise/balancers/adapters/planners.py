"""What the adapters of planners share: blocks of equal homes, and loads by source device."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from equipoise.errors import TargetError
from equipoise.roles.planner import Integers

EQUAL_HOMES = "equal homes"


def each_home(home: npt.NDArray[np.integer], devices: int) -> int:
    """Return how many experts each device is home to.

    Raises
    ------
    TargetError
        Unless these are equal, contiguous blocks in the order of the devices: the form says no other homes.
    """
    each, odd = divmod(len(home), devices)
    if odd or (home != np.arange(len(home)) // max(1, each)).any():
        raise TargetError(f"its form has E / G experts a device, in order; {home.tolist()} are other homes")
    return each


def by_source(load: npt.NDArray[np.integer], devices: int) -> Integers:
    """Return ``[G, E]`` tokens by the device on which they start; those of ``load[E]`` are dealt out evenly."""
    tokens = np.asarray(load, np.int64)
    if tokens.ndim == 2:
        return tokens
    ends, room = np.cumsum(tokens), -(-int(tokens.sum()) // devices)
    starts = np.arange(devices)[:, None] * room
    dealt: Integers = np.clip(ends - starts, 0, room) - np.clip(ends - tokens - starts, 0, room)
    return dealt
