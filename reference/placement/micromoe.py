r"""MicroMoE's placements (arXiv 2511.16947): symmetric on Cayley graphs, asymmetric by sampling, and when to move.

Symmetric (every expert on two devices): devices are vertices, experts edges. The paper's graphs: 8 devices and 8
experts a cycle, 16 and 32 the 4x4 torus, 8 and 16 the complete bipartite K4,4, 8 and 32 the complete graph K8 and four
edges more. Both replicas of an expert must have the same slot number on their devices (one local index), or the
collectives that keep them equal deadlock: slots are a proper edge colouring.

Asymmetric: replica counts greedily by load per replica, then the best of many random placements by density,

    max over device sets S of (load of experts hosted inside S) / |S|,

which is the peak of the best schedule (its reading as a density is the paper's; sampling details are not given there:
here replicas are dealt in random order to the devices with most room, never twice to one).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

COLOURINGS: dict[tuple[int, int], list[list[tuple[int, int]]]] = {
    (8, 8): [[(i, i + 1) for i in range(0, 8, 2)], [(i, (i + 1) % 8) for i in range(1, 8, 2)]],
    (16, 32): [[(4 * r + c, 4 * r + (c + 1) % 4) for r in range(4) for c in (first, first + 2)] for first in (0, 1)]
    + [[(4 * r + c, 4 * ((r + 1) % 4) + c) for r in (first, first + 2) for c in range(4)] for first in (0, 1)],
    (8, 16): [[(i, 4 + (i + turn) % 4) for i in range(4)] for turn in range(4)],
    (8, 32): [[(7, turn), *(((turn + k) % 7, (turn - k) % 7) for k in range(1, 4))] for turn in range(7)]
    + [[(0, 1), (2, 3), (4, 5), (6, 7)]],
}
"""Perfect matchings by (devices, experts): matching k fills slot k of every device."""


def symmetric(num_devices: int, num_experts: int) -> Integers:
    """Return ``physical_to_logical[P]`` with P = 2 * experts; the replicas of an expert share one slot number.

    Raises
    ------
    ValueError
        For sizes that the paper gives no graph for.
    """
    matchings = COLOURINGS.get((num_devices, num_experts))
    if matchings is None:
        allowed = ", ".join(f"{g} devices with {e} experts" for g, e in COLOURINGS)
        raise ValueError(f"no graph for {num_devices} devices with {num_experts} experts; allowed: {allowed}")
    slots = np.zeros((num_devices, len(matchings)), np.int64)
    expert = 0
    for slot, edges in enumerate(matchings):
        for one, other in edges:
            slots[one, slot] = slots[other, slot] = expert
            expert += 1
    return slots.ravel()


def asymmetric(load: npt.NDArray[Any], num_slots: int, num_devices: int, samples: int = 100, seed: int = 0) -> Integers:
    """Return ``physical_to_logical[P]`` for ``load[E]``: greedy counts, then the sample of the least density."""
    load = np.asarray(load, np.int64)
    counts = np.ones(len(load), np.int64)
    for _ in range(num_slots - len(load)):
        counts[np.argmax(np.where(counts < num_devices, load / counts, -1))] += 1
    counts = np.minimum(counts, num_devices)
    random = np.random.default_rng(seed)
    best, least, seen = np.empty(0, np.int64), float("inf"), set()
    for _ in range(samples):
        slots = _sample(counts, num_slots // num_devices, num_devices, random)
        devices = tuple(sorted(map(tuple, np.sort(slots.reshape(num_devices, -1), axis=1).tolist())))
        if devices not in seen:  # the names of devices and slots do not change the density
            seen.add(devices)
            if (found := density(load, slots, num_devices)) < least:
                best, least = slots, found
    return best


def density(load: Integers, physical_to_logical: Integers, num_devices: int) -> float:
    """Peak of the best schedule, by the paper's linear program."""
    from equipoise.reference.scheduling.micromoe import linear_program

    hosts = np.zeros((len(load), num_devices), bool)
    device = np.arange(len(physical_to_logical)) // (len(physical_to_logical) // num_devices)
    used = physical_to_logical >= 0
    hosts[physical_to_logical[used], device[used]] = True
    return linear_program(load, hosts)[1]


def should_replace(step: int, density_of_forecast: float, mean_load: float, threshold: float = 1.1) -> bool:
    """Re-placement rule: every 50 steps, if the density of the predicted loads exceeds ``threshold`` times the mean.

    The paper gives the interval; its threshold is not given, 1.1 is ours.
    """
    return step > 0 and step % 50 == 0 and density_of_forecast > threshold * mean_load


def _sample(counts: Integers, width: int, devices: int, random: np.random.Generator) -> Integers:
    """Deal replicas at random, experts with most replicas first; each to the emptiest devices, ties at random."""
    slots = np.full((devices, width), -1, np.int64)
    used = np.zeros(devices, np.int64)
    for expert in np.lexsort((random.random(len(counts)), -counts)):
        chosen = np.lexsort((random.random(devices), used))[: counts[expert]]
        slots[chosen, used[chosen]] = expert
        used[chosen] += 1
    return slots.ravel()
