"""The allowed pairs (expert, device) of a placement, as the kernels want them."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.uint32]


class Network(NamedTuple):
    """The arcs of a placement, by expert and by device.

    Attributes
    ----------
    first
        ``[E + 1]``: expert e has the arcs ``first[e]`` to ``first[e + 1]``.
    device, expert
        ``[A]``: arc a is the replica of ``expert[a]`` on ``device[a]``.
    start, on_device
        ``[G + 1]``, ``[A]``: device g has the arcs ``on_device[start[g]]`` to ``on_device[start[g + 1]]``.
    reach
        ``[A]``, in the order of ``on_device``: the devices of the arc's expert, a bit each, device g at ``g % 64``.
    """

    first: Integers
    device: Indices
    expert: Indices
    start: Integers
    on_device: Indices
    reach: Integers

    @classmethod
    def of(cls, hosts: Booleans) -> Self:
        """Number the pairs of ``hosts[E, G]``."""
        experts, devices = hosts.shape
        expert, device = (index.astype(np.uint32) for index in np.nonzero(hosts))
        on_device = np.argsort(device, kind="stable").astype(np.uint32)
        first = np.searchsorted(expert, np.arange(experts + 1))
        start = np.searchsorted(device[on_device], np.arange(devices + 1))
        bits = np.zeros(experts, np.int64)
        np.bitwise_or.at(bits, expert, np.int64(1) << (device % 64).astype(np.int64))
        return cls(first, device, expert, start, on_device, bits[expert[on_device]])
