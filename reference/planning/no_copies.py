"""No copies: every token is served where its expert lives. What planners must beat."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


def no_copies(load: Integers, home: Integers, slots: Integers) -> Integers:
    """Return ``split[E, G]`` for ``load[E]`` (or ``[G, E]``, summed): all at home."""
    return at_home(load, home, len(slots))


no_copies.capabilities = frozenset({"ignores loads"})  # type: ignore[attr-defined]


def at_home(load: Integers, home: Integers, devices: int) -> Integers:
    """Return ``[E, G]``: the tokens of every expert, on its home."""
    tokens = np.asarray(load, np.int64)
    tokens = tokens if tokens.ndim == 1 else tokens.sum(axis=0)
    split = np.zeros((len(tokens), devices), np.int64)
    split[np.arange(len(tokens)), home] = tokens
    return split
