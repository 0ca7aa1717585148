"""Patterns of experts: how many replicas, where, and what they use of loads, slots and moves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from equipoise.problems import MigrationProblem

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

MORE = 4
"""Replicas beyond those there are, or must be, up to which the cheapest number is looked for."""


class Patterns:
    """The patterns of one problem; loads are in ``unit``. A pattern is ``[2 G + 1]``: loads, slots, moves."""

    def __init__(self, problem: MigrationProblem, unit: float) -> None:
        self._problem, self._placement = problem, problem.placement
        self._load, self._new = problem.placement.load / unit, ~problem.held

    def staying(self, top: float) -> Reals:
        """``[E, 2 G + 1]``: no move; NaN where the replicas there are do not stay below ``top``."""
        counts = self._problem.counts.astype(float)
        share = self._load / counts.sum(axis=1)
        tokens = counts * share[:, None]
        found = np.concatenate([tokens, counts, np.zeros((len(counts), 1))], axis=1)
        found[tokens.max(axis=1) >= top] = np.nan
        return found

    def cheapest(self, values: Reals, top: float) -> tuple[float, Reals]:
        """Return what all experts pay at least, and the cheapest pattern of each, for peaks below ``top``."""
        devices = self._placement.num_devices
        price, slot, move = values[:devices], values[devices:-1], float(values[-1])
        if self._problem.split == "free":
            tokens, copies, moved = self._free(price, slot + move * self._new, top)
        else:
            tokens, copies, moved = self._even(price, slot, move, top)
        found = np.concatenate([tokens, copies, moved.sum(axis=1, keepdims=True)], axis=1)
        return float((found @ values).sum()), found

    def _free(self, price: Reals, fixed: Reals, top: float) -> tuple[Reals, Reals, Reals]:
        experts, most = np.arange(len(self._load)), self._placement.num_devices - 1
        full_ones = np.minimum((self._load / top + 1e-12).astype(np.int64), most)
        rest = np.maximum(0, self._load - full_ones * top)
        full, partial = top * price + fixed, rest[:, None] * price + fixed
        rank = full.argsort(axis=1, kind="stable").argsort(axis=1)
        order = np.sort(full, axis=1)
        sums = np.concatenate([np.zeros((len(order), 1)), np.cumsum(order, axis=1)], axis=1)
        inside = rank < full_ones[:, None]
        others = np.where(inside, sums[experts, full_ones + 1][:, None] - full, sums[experts, full_ones][:, None])
        last = (partial + others).argmin(axis=1)
        chosen = rank < (full_ones + inside[experts, last])[:, None]
        chosen[experts, last] = False
        tokens = chosen * top
        tokens[experts, last] = rest
        copies = chosen.astype(float)
        copies[experts, last] = 1
        return tokens, copies, copies * self._new

    def _even(self, price: Reals, slot: Reals, move: float, top: float) -> tuple[Reals, Reals, Reals]:
        placement, load = self._placement, self._load
        devices, most = placement.num_devices, placement.num_slots - placement.num_experts + 1
        most = min(most, devices) if placement.distinct else most
        least = np.minimum((load / top + 1e-12).astype(np.int64) + 1, most)
        largest = np.maximum(least, self._problem.counts.sum(axis=1)) + MORE
        best = np.full(len(load), np.inf)
        tokens, copies, moved = (np.zeros(self._new.shape) for _ in range(3))
        for replicas in range(int(least.min()), min(most, int(largest.max())) + 1):
            who = np.flatnonzero((least <= replicas) & (replicas <= largest))
            each = np.ones(len(who), np.int64)
            if not placement.distinct:
                room = np.ceil(top * replicas / np.maximum(1e-9, load[who]) - 1e-9) - 1
                each = np.clip(room, 1, placement.slots_per_device).astype(np.int64)
            who, each = who[fits := replicas <= each * devices], each[fits]
            unit = load[who, None] * price / replicas + slot + move * self._new[who] / each[:, None]
            rank = unit.argsort(axis=1, kind="stable").argsort(axis=1)
            number = np.clip(replicas - rank * each[:, None], 0, each[:, None])
            cost = (unit * number).sum(axis=1)
            better = cost < best[who] - 1e-15
            kept = who[better]
            best[kept] = cost[better]
            tokens[kept] = number[better] * (load[kept] / replicas)[:, None]
            copies[kept] = number[better]
            moved[kept] = self._new[kept] * number[better] / each[better][:, None]
        return tokens, copies, moved
