r"""SwiftBalancer, the placer of vLLM-Ascend for slow links: few changes to the table that is deployed; from its code.

For every layer whose peak over mean is 1.01 or more, with replicas that share evenly:

1. In the order of slots, and of devices within a slot number, the first replica of an expert is its original and stays;
   the other slots are free.
2. As many copies as free slots are counted out one by one to the heaviest load per replica, at most one a device; its
   k-th copy, as in the code, takes off a share of 1 / (k + 2), not 1 / (k + 1). They are dealt heaviest first: to the
   device with least load that has a free slot, does not hold the expert, and gets nothing else from the device of its
   original. Free slots that are left get the heaviest expert that is not on the device; where there is none, ours
   stay as they are, and the original breaks.
3. Up to 99 times the fullest device exchanges an expert with another, the emptiest first, that has neither sent it
   anything nor got anything from it: the pair that lowers the higher of both loads most, if by a hundredth of the mean;
   what has just arrived stays.
4. The layer changes if its ratio of peak to mean falls.

Open in the original, which iterates over sets: the order of equal pairs; here the lower index first. The mean is that
of the first layer, as there. Its first table is given; here slot p holds expert p mod E. Weights are float32 after
step 1. Source: vllm-project/vllm-ascend, policy_swift_balancer.py at 182b75e,
which ``benchmarks/faithful/swift_balancer.py`` runs beside ours: pairs that are equally good are where they differ.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.placement.floors import round_robin

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[Any]
Table = list[list[int]]
"""The experts of each device, by slot."""

BALANCED, STEP, EXCHANGES = 1.01, 0.01, 100


class SwiftBalancer:
    """Keeps the tables ``[L, P]`` of the call before; another shape starts afresh."""

    tables: Integers | None = None
    _machine = (0, 0)

    def reset(self) -> None:
        """Forget the tables."""
        self.tables = None

    def __call__(
        self, load: npt.NDArray[Any], num_slots: int, num_groups: int, num_nodes: int, num_devices: int
    ) -> Integers:
        """Return ``physical_to_logical[L, P]``; it knows no groups and no nodes."""
        load = np.asarray(load, np.float64)
        layers, experts = load.shape
        start = np.tile(round_robin(experts, num_slots), (layers, 1))
        tables = self.tables
        if tables is None or tables.shape != start.shape or self._machine != (num_devices, experts):
            tables = start
        self._machine = (num_devices, experts)
        self.tables = rebalanced(load, tables, num_devices)
        return self.tables


SwiftBalancer.capabilities = frozenset(  # type: ignore[attr-defined]
    {"flat", "depends on expert order", "couples layers", "limits replicas", "shares devices", "uneven at zero load"}
)


def rebalanced(load: Floats, tables: Integers, num_devices: int) -> Integers:
    """Return the next tables ``[L, P]`` from those that are deployed."""
    mean, result = load[0].sum() / num_devices, tables.copy()
    for layer, (weights, slots) in enumerate(zip(load, tables, strict=True)):
        own = weights.sum() / num_devices
        share = weights / np.maximum(1, np.bincount(slots, minlength=len(weights)))
        ratio = float(share[slots].reshape(num_devices, -1).sum(axis=1).max()) / own if own > 1e-9 else 1.0
        if ratio < BALANCED or not mean:
            continue
        table = slots.reshape(num_devices, -1).tolist()
        changed, peak = _layer(weights, table, mean)
        if peak / mean < ratio:
            result[layer] = np.array([_kept(new, old) for new, old in zip(changed, table, strict=True)]).ravel()
    return result


def _layer(load: Floats, table: Table, mean: float) -> tuple[Table, float]:
    """Return the table after copies and exchanges, and its peak as the rule counts it."""
    devices, width = len(table), len(table[0])
    original = np.zeros(len(load), np.int64)
    free: list[list[int]] = [[] for _ in table]
    seen: set[int] = set()
    for slot in range(width):
        for device in range(devices):
            expert = table[device][slot]
            if expert in seen:
                free[device].append(slot)
            else:
                seen.add(expert)
                original[expert] = device
    share, copies = _copies(load, sum(map(len, free)), devices)
    new = [[-1 if slot in free[g] else expert for slot, expert in enumerate(row)] for g, row in enumerate(table)]
    held = np.array([sum((share[e] for e in row if e >= 0), np.float32(0)) for row in new], np.float32)
    sent = np.zeros((devices, devices), np.int64)
    arrived: list[set[int]] = [set() for _ in table]
    for expert in copies:
        source = original[expert]
        places = [g for g in range(devices) if free[g] and expert not in new[g] and not sent[source, g]]
        if places:
            device = min(places, key=lambda g: held[g])
            new[device][free[device].pop()] = expert
            held[device] += share[expert]
            sent[source, device] += 1
            arrived[device].add(expert)
    if any(free):
        share, held = _fill(load, new, table, free, original, sent, arrived)
    return new, _exchange(new, share, held, sent, arrived, STEP * mean)


def _copies(load: Floats, number: int, devices: int) -> tuple[Floats, list[int]]:
    """Return the load per replica, and the copies, heaviest replica first."""
    share, extra = load.astype(np.float64), np.zeros(len(load), np.int64)
    for _ in range(number):
        for expert in np.argsort(share, kind="stable")[::-1]:
            if extra[expert] + 1 < devices:
                share[expert] *= (extra[expert] + 2) / (extra[expert] + 3)
                extra[expert] += 1
                break
    single = share.astype(np.float32)
    copies = np.repeat(np.arange(len(load)), extra).tolist()
    return single, sorted(copies, key=lambda expert: -float(single[expert]))


def _fill(
    load: Floats,
    new: Table,
    old: Table,
    free: list[list[int]],
    original: Integers,
    sent: Integers,
    arrived: list[set[int]],
) -> tuple[Floats, Floats]:
    """Give the slots that are left the heaviest expert that their device does not hold; else they stay as they are."""
    count = np.bincount([expert for row in new for expert in row if expert >= 0], minlength=len(load))
    share = (load / count).astype(np.float32)
    for device, slots in enumerate(free):
        for slot in slots:
            heaviest = np.argsort(share, kind="stable")[::-1].tolist()
            expert = next((one for one in heaviest if one not in new[device]), -1)
            if expert < 0:
                expert = old[device][slot]
            else:
                sent[original[expert], device] += 1
                arrived[device].add(expert)
            new[device][slot] = expert
            share[expert] *= count[expert] / (count[expert] + 1)
            count[expert] += 1
    return share, np.array([sum((share[e] for e in row), np.float32(0)) for row in new], np.float32)


def _exchange(new: Table, share: Floats, held: Floats, sent: Integers, arrived: list[set[int]], step: float) -> float:
    """Exchange experts of the fullest device, in place; return its load."""
    peak, going = 0.0, True
    for _ in range(EXCHANGES):
        *others, full = np.argsort(held, kind="stable").tolist()
        peak = float(held[full])
        if not going:
            break
        going = False
        for other in others:
            if sent[other, full] or sent[full, other]:
                continue
            mine = [e for e in sorted(new[full]) if e not in new[other] and e not in arrived[full]]
            theirs = [e for e in sorted(new[other]) if e not in new[full] and e not in arrived[other]]
            best, pair = peak, (-1, -1)
            for one in mine:
                for two in theirs:
                    a, b = float(share[one]), float(share[two])
                    highest = max(peak - a + b, held[other] - b + a)
                    if highest < best:
                        best, pair = highest, (one, two)
            if pair[0] < 0 or peak - best < step:
                continue
            one, two = pair
            new[full][new[full].index(one)], new[other][new[other].index(two)] = two, one
            held[full] += share[two] - share[one]
            held[other] += share[one] - share[two]
            arrived[full].add(two)
            arrived[other].add(one)
            sent[other, full] += 1
            sent[full, other] += 1
            going = True
            break
    return peak


def _kept(new: list[int], old: list[int]) -> list[int]:
    """Order the experts of a device so that those it held stay in their slots."""
    rest = list(new)
    slots = []
    for expert in old:
        slots.append(expert if expert in rest else -1)
        if expert in rest:
            rest.remove(expert)
    return [rest.pop(0) if expert < 0 else expert for expert in slots]
