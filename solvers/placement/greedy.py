"""A feasible placement to start from: replica counts by Adams' apportionment, then heaviest replica first.

Every replica goes to the device with the least load that may take it. Where a heaviest-first packing would leave an
expert no device of its own (distinct replicas), experts with many replicas are dealt before the light ones.
"""

from __future__ import annotations

import heapq
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.problems import PlacementProblem

Integers = npt.NDArray[np.int64]


def greedy_counts(problem: PlacementProblem) -> Integers:
    """Return ``[E, G]`` slots per expert and device of a feasible placement."""
    counts = np.zeros((problem.num_experts, problem.num_devices), np.int64)
    group_size, node_size = (
        problem.num_experts // problem.num_groups,
        problem.num_devices // problem.num_nodes,
    )
    for node, groups in enumerate(groups_by_node(problem)):
        experts = np.concatenate([np.arange(group * group_size, (group + 1) * group_size) for group in groups])
        devices = np.arange(node * node_size, (node + 1) * node_size)
        counts[np.ix_(experts, devices)] = _pack(problem, problem.load[experts].tolist(), node_size)
    return counts


def groups_by_node(problem: PlacementProblem) -> list[list[int]]:
    """Equally many groups on every node, heaviest first to the lightest node that has room."""
    if problem.num_nodes == 1:
        return [list(range(problem.num_groups))]
    weight = problem.load.reshape(problem.num_groups, -1).sum(axis=1)
    nodes: list[list[int]] = [[] for _ in range(problem.num_nodes)]
    room = problem.num_groups // problem.num_nodes
    for group in np.argsort(-weight, kind="stable").tolist():
        free = [node for node in nodes if len(node) < room]
        min(free, key=lambda node: int(weight[node].sum())).append(group)
    return nodes


def adams(loads: list[int], slots: int, most: int) -> list[int]:
    """Replica counts that minimise the heaviest replica ``w / r``: one slot at a time to the largest."""
    heap = [(-Fraction(load), expert) for expert, load in enumerate(loads)]
    heapq.heapify(heap)
    counts = [1] * len(loads)
    for _ in range(slots - len(loads)):
        while heap and counts[heap[0][1]] >= most:
            heapq.heappop(heap)
        if not heap or heap[0][0] == 0:
            break
        expert = heap[0][1]
        counts[expert] += 1
        heapq.heapreplace(heap, (-Fraction(loads[expert], counts[expert]), expert))
    return counts


def _pack(problem: PlacementProblem, loads: list[int], devices: int) -> Integers:
    width = problem.slots_per_device
    replicas = adams(loads, devices * width, devices if problem.distinct else devices * width)
    placed = np.zeros((len(loads), devices), np.int64)
    held, room = [Fraction(0)] * devices, [width] * devices
    for expert in sorted(range(len(loads)), key=lambda e: (-Fraction(loads[e], replicas[e]), e)):
        for _ in range(replicas[expert]):
            free = [g for g in range(devices) if room[g] and not (problem.distinct and placed[expert, g])]
            if not free:  # all its devices are full: this replica is given up, the expert has others
                break
            device = min(free, key=lambda g: (held[g], -room[g], g))
            placed[expert, device] += 1
            held[device] += Fraction(loads[expert], replicas[expert])
            room[device] -= 1
    return placed
