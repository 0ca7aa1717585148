r"""The check of a placement certificate: standard library and NumPy, integers and Fractions only, no solver.

A certificate is a placement (with a split of the load, where tokens are scheduled freely) and a lower bound B on the
peak of every placement, by one of five arguments:

* **mean**: ``B = sum(load) / G``.
* **replica**: below B, expert e needs ``floor(w_e / B) + 1`` replicas, each a device of its own or a slot; together
  they need more than P slots, or one expert needs more than G devices (least counts: Adams' apportionment).
* **component**: with free split, see :mod:`equipoise.certificates.check.components`.
* **deal**: with even split, see :mod:`equipoise.certificates.check.deals`.
* **groups**: where groups of experts stay on a node, see :mod:`equipoise.certificates.check.groups`.

The first two ignore groups and nodes, so they bound the hierarchical form too. A placement whose peak is B is
optimal; otherwise the verdict still carries both bounds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

from equipoise.certificates.check.components import no_partition_below
from equipoise.certificates.check.deals import GivenUp, deal_below
from equipoise.certificates.check.groups import no_grouping_below
from equipoise.certificates.check.verdict import Verdict

ARGUMENTS = ("mean", "replica", "component", "deal", "groups")


@dataclass(frozen=True)
class Sizes:
    """The numbers of a placement problem; names as in :class:`equipoise.PlacementProblem`."""

    num_slots: int
    num_devices: int
    split: str
    num_groups: int
    num_nodes: int
    distinct: bool


def check_placement(
    loads: list[int],
    sizes: Sizes,
    slots: list[int],
    split: list[list[int]] | None,
    denominator: int,
    bound: Fraction,
    argument: str,
) -> Verdict:
    """Decide whether a placement is proved optimal by ``bound``.

    Parameters
    ----------
    loads, sizes
        The problem: tokens of each of E experts, and the numbers.
    slots
        P experts, -1 for an empty slot; slot p lies on device ``p // (P / G)``.
    split, denominator
        ``[E][G]`` integers over a positive denominator, where ``sizes.split`` is "free"; else None and 1.
    bound, argument
        The lower bound, and which of the arguments proves it.
    """
    proved = is_lower_bound(loads, sizes, bound, argument)
    lower = bound if proved else None
    if (reason := _violation(loads, sizes, slots)) is not None:
        return Verdict(False, reason, lower)
    held = _devices(sizes, slots)
    if sizes.split == "even":
        replicas = Counter(slots)
        share = [Fraction(load, replicas[expert]) for expert, load in enumerate(loads)]
        upper = max(sum((share[e] for e in device), Fraction(0)) for device in held)
    else:
        if split is None or (reason := _split_violation(loads, held, split, denominator)) is not None:
            return Verdict(False, reason or "the split is missing", lower)
        upper = Fraction(max(sum(row[g] for row in split) for g in range(sizes.num_devices)), denominator)
    if not proved:
        return Verdict(False, f"no {argument} argument proves {bound}", None, upper)
    if lower != upper:
        reason = f"the {argument} argument proves {bound}, the placement has a peak of {upper}"
        return Verdict(False, reason, lower, upper)
    return Verdict(True, f"the placement is feasible and its peak is the {argument} bound", lower, upper)


def is_lower_bound(loads: list[int], sizes: Sizes, bound: Fraction, argument: str) -> bool:
    """Whether ``argument`` proves that no placement has a peak below ``bound``."""
    slots, devices = sizes.num_slots, sizes.num_devices
    if argument not in ARGUMENTS or bound < 0:
        return False
    if bound == 0 or bound * devices <= sum(loads):
        return True
    apart = sizes.distinct or sizes.split == "free"
    if argument == "groups":
        return no_grouping_below(loads, slots, devices, apart, bound, sizes.num_groups, sizes.num_nodes)
    if argument == "replica":
        needed = [w * bound.denominator // bound.numerator + 1 for w in loads]
        return sum(needed) > slots or (apart and max(needed) > devices)
    if argument == "component" and sizes.split == "free":
        return no_partition_below(loads, slots, devices, bound, sizes.num_groups, sizes.num_nodes)
    if argument == "deal" and sizes.split == "even":
        try:
            return deal_below(loads, slots, devices, sizes.distinct, bound, sizes.num_groups, sizes.num_nodes) is None
        except GivenUp:
            return False
    return False


def _devices(sizes: Sizes, slots: list[int]) -> list[list[int]]:
    width = sizes.num_slots // sizes.num_devices
    return [[e for e in slots[g * width : (g + 1) * width] if e >= 0] for g in range(sizes.num_devices)]


def _violation(loads: list[int], sizes: Sizes, slots: list[int]) -> str | None:
    if len(slots) != sizes.num_slots or any(not -1 <= expert < len(loads) for expert in slots):
        return f"the placement is not {sizes.num_slots} slots with experts 0 to {len(loads) - 1}, or -1"
    held = _devices(sizes, slots)
    if absent := set(range(len(loads))).difference(slots):
        return f"expert {min(absent)} is placed nowhere"
    for device, experts in enumerate(held):
        if sizes.distinct and len(set(experts)) < len(experts):
            return f"an expert is more than once on device {device}"
    if sizes.num_nodes == 1:
        return None
    node_of, group_of = sizes.num_devices // sizes.num_nodes, len(loads) // sizes.num_groups
    pairs = {(e // group_of, g // node_of) for g, experts in enumerate(held) for e in experts}
    nodes, groups = Counter(group for group, _ in pairs), Counter(node for _, node in pairs)
    for group in range(sizes.num_groups):
        if nodes[group] != 1:
            return f"group {group} is on more than one node"
    for node in range(sizes.num_nodes):
        if groups[node] != sizes.num_groups // sizes.num_nodes:
            return f"node {node} does not have {sizes.num_groups // sizes.num_nodes} groups"
    return None


def _split_violation(loads: list[int], held: list[list[int]], split: list[list[int]], denominator: int) -> str | None:
    if denominator < 1 or len(split) != len(loads) or any(len(row) != len(held) for row in split):
        return "the split does not have the problem's shape, or no positive denominator"
    hosted = [set(experts) for experts in held]
    for expert, (row, load) in enumerate(zip(split, loads, strict=True)):
        if any(x < 0 or (x > 0 and expert not in hosted[g]) for g, x in enumerate(row)):
            return f"expert {expert} has a negative share, or one on a device that does not host it"
        if sum(row) != load * denominator:
            return f"expert {expert} gets {Fraction(sum(row), denominator)} of {load} tokens"
    return None
