"""MoonEP's allocation (moonep/planning.py, read 2026-11): every device ends with exactly the mean.

    repeat:  the most overloaded home h hands the roomiest device u what fills u up; u takes nothing more
    then, for each home:  the largest quota takes from its expert with the most tokens left, until quotas are served

A home may fall below the mean by what it hands over and become a receiver itself. Ties fall to the lower index. Every
device takes from at most one home, so that it needs a copy of at most E / G experts. MoonEP has equally many tokens on
every device, ``S K``; its mean is a whole number. Here the room is ``ceil(total / G)``, and what remains stays at home.

It knows no limit of copies: it declares "ignores slots". MoonEP prefetches the ``B`` largest foreign experts of a
device and reads the others remotely. Copies are where tokens are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from equipoise.reference.planning.no_copies import at_home

Integers = npt.NDArray[np.int64]


def moonep(load: Integers, home: Integers, slots: Integers) -> Integers:
    """Return ``split[E, G]`` for ``load[E]`` (or ``[G, E]``, summed); O(G^2 + G E)."""
    split = at_home(load, home, len(slots))
    for source, quota in enumerate(quotas(split.sum(axis=0))):
        own = np.flatnonzero(np.asarray(home) == source)
        while quota.any():
            device = int(quota.argmax())
            expert = own[int(split[own, source].argmax())]
            tokens = min(int(quota[device]), int(split[expert, source]))
            split[expert, source] -= tokens
            split[expert, device] += tokens
            quota[device] -= tokens
    return split


moonep.capabilities = frozenset({"ignores slots"})  # type: ignore[attr-defined]


def quotas(held: Integers) -> Integers:
    """Return ``[G, G]``: how many tokens each home hands to each device, given what the homes hold."""
    surplus = held - -(-int(held.sum()) // len(held))
    moved = np.zeros((len(held), len(held)), np.int64)
    while surplus.max(initial=0) > 0:
        source, device = int(surplus.argmax()), int(surplus.argmin())
        moved[source, device] = -surplus[device]
        surplus[source] += surplus[device]
        surplus[device] = 0
    return moved
