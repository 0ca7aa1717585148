"""Floors: placements that look at no load."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


def round_robin(num_experts: int, num_slots: int) -> Integers:
    """Return ``[P]``: slot p holds expert ``p mod E``; what serving starts with before any load is known."""
    return np.arange(num_slots) % num_experts


def random_placement(num_experts: int, num_slots: int, num_devices: int, seed: int = 0) -> Integers:
    """Return ``[P]``: experts in a random order, the spare slots to the first of them, dealt to the devices in turn.

    Replicas stand side by side in that order, so none meets another of its expert unless it has more than G.
    """
    order = np.random.default_rng(seed).permutation(num_experts)
    experts = np.sort(np.arange(num_slots) % num_experts)
    return order[experts].reshape(num_slots // num_devices, num_devices).T.ravel()
