"""Two placements of the same slots: what they have in common, what moves, and which slots can stay as they are."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


def in_common(new: Integers, old: Integers, num_devices: int) -> Integers:
    """``[G, G]``: how many experts device i of ``new`` has in common with device j of ``old``."""
    common: Integers = _held(new, old, num_devices).astype(np.int64) @ _held(old, new, num_devices).T
    return common


def _held(slots: Integers, other: Integers, num_devices: int) -> npt.NDArray[np.bool_]:
    """``[G, E]``: which device holds which of the experts of both placements."""
    on = np.zeros((num_devices, max(0, int(slots.max()), int(other.max())) + 1), bool)
    used = slots >= 0
    on[(np.arange(len(slots)) // (len(slots) // num_devices))[used], slots[used]] = True
    return on


def in_place(new: Integers, old: Integers, num_devices: int) -> Integers:
    """Order the slots of every device of ``new`` so that as many as can be hold what they hold in ``old``."""
    parts = zip(new.reshape(num_devices, -1).tolist(), old.reshape(num_devices, -1).tolist(), strict=True)
    return np.array([_ordered(wanted, before) for wanted, before in parts], np.int64).ravel()


def _ordered(wanted: list[int], old: list[int]) -> list[int]:
    rest = Counter(wanted) - Counter(old)
    kept, arrivals, slots = Counter(wanted) - rest, rest.elements(), []
    for expert in old:
        stays = kept[expert] > 0
        kept[expert] -= stays
        slots.append(expert if stays else next(arrivals))
    return slots


def experts_moved(old: Integers, new: Integers, num_devices: int) -> int:
    """Return how many slots of ``new[P]`` hold an expert that their device did not hold in ``old[P]``.

    Replicas of one expert on one device share its weights; slots of -1 hold nothing.
    """
    return int((_held(new, old, num_devices) & ~_held(old, new, num_devices)).sum())
