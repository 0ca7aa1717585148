"""A placer gives every expert a slot on every machine, groups on one node and replicas on different devices."""

from __future__ import annotations

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.placer import families
from equipoise.checks.placer.quality import dealt, place, replicas_of
from equipoise.problems import PlacementProblem
from equipoise.roles.placer import PlacerCase


@check("placer", families.one_device)
def placer_works_with_one_device(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """With one device everything lies there."""
    place(balancer, case)


@check("placer", families.one_expert)
def placer_works_with_one_expert(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """With one expert every used slot holds it."""
    place(balancer, case)


@check("placer", families.no_spare_slots)
def placer_works_without_spare_slots(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """As many slots as experts: one each, no replica."""
    place(balancer, case)


@check("placer", families.one_slot_a_device)
def placer_works_with_one_slot_a_device(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """As many slots as devices: nothing to pack."""
    place(balancer, case)


@check("placer", families.a_slot_for_every_pair)
def placer_works_with_a_slot_for_every_pair(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """With P = E * G every expert may lie on every device; more replicas of one would be too many."""
    place(balancer, case)


@check("placer", families.indivisible)
def placer_works_when_nothing_divides(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """The devices need divide neither the experts nor the spare slots.

    A fallback for such sizes dropped and repeated experts (TensorRT-LLM PR 13888).
    """
    place(balancer, case)


@check("placer", families.zero_load)
def placer_works_at_zero_load(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """Before any token is counted all loads are zero, and nothing may divide by their sum."""
    place(balancer, case)


@check("placer", families.uneven_groups)
def placer_works_with_uneven_groups(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """Where the nodes do not divide the groups, groups cannot stay whole evenly, but experts can still be placed.

    Uneven nodes and devices were refused by assertions (sglang issue 8253, vllm issue 52435).
    """
    place(balancer, case)


@check("placer", families.no_groups, unless=("needs groups",))
def placer_takes_zero_groups_for_none(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """``num_groups = 0`` is how models without groups state it in the frameworks' configurations."""
    place(balancer, case)


@check("placer", families.grouped, unless=("flat",))
def placer_keeps_groups_on_nodes(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """Where the nodes divide the groups, all replicas of a group lie on one node, and every node has equally many.

    Group-limited routing sends a token to few nodes only as long as that holds.
    """
    sizes = (case.num_slots, case.num_devices, "even", case.num_groups, case.num_nodes)
    for layer, (load, slots) in enumerate(zip(case.load, place(balancer, case), strict=True)):
        violation = PlacementProblem(load, *sizes, distinct=False).violation(slots)
        if violation is not None:
            hint = 'a placer that knows no nodes declares "flat"'
            raise Failure(f"in layer {layer} {violation} ({hint}): {slots.tolist()}", _by_node(case))


def _by_node(case: PlacerCase) -> list[int]:
    """Return the nodes' experts in order, each node's repeated until its slots are full."""
    nodes = np.arange(case.load.shape[1]).reshape(case.num_nodes, -1)
    return [int(expert) for node in nodes for expert in np.resize(node, case.num_slots // case.num_nodes)]


@check("placer", families.flat, unless=("shares devices",), severity="warning")
def placer_keeps_replicas_apart(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """An expert with at most G replicas has no two of them on one device, where they would be one in two slots.

    EPLB puts them there (EPLB issue 22, PRs 27 and 28).
    """
    placed = place(balancer, case)
    replicas = replicas_of(placed, case)
    for layer, slots in enumerate(placed):
        for device, held in enumerate(slots.reshape(case.num_devices, -1)):
            experts, times = np.unique(held[held >= 0], return_counts=True)
            for expert in experts[times > 1]:
                count = int(replicas[layer, expert])
                if count <= case.num_devices:
                    raise Failure(
                        f"in layer {layer} device {device} has more than one of the {count} replicas of expert "
                        f"{expert}, with {case.num_devices} devices to lie on: {slots.tolist()}",
                        dealt(replicas[layer], case.num_slots, case.num_devices),
                    )


@check("placer", families.zero_load, unless=("uneven at zero load",), severity="warning")
def placer_shares_spare_slots_at_zero_load(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """With all loads zero nothing tells experts apart: no single one gets all of two or more spare slots.

    EPLB gives them all to expert 0. On one device it makes no difference.
    """
    if case.num_devices == 1:
        return
    for layer, replicas in enumerate(replicas_of(place(balancer, case), case)):
        if len(replicas) > 1 and replicas.max() > 2 and (replicas > 1).sum() == 1:
            even = np.bincount(np.arange(case.num_slots) % len(replicas))
            raise Failure(
                f"in layer {layer} expert {int(replicas.argmax())} has {replicas.max()} replicas and every other has "
                "one, at zero load",
                dealt(even, case.num_slots, case.num_devices),
            )
