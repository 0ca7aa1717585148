"""Where replicas may lie: groups on one node, replicas on different devices, layers apart."""

from __future__ import annotations

import numpy as np

from equipoise.checks.cases import PlacerCase
from equipoise.checks.failure import Failure
from equipoise.checks.placer import families
from equipoise.checks.placer.view import dealt, number, peaks, place
from equipoise.checks.registry import check
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject
from equipoise.problems import PlacementProblem


@check("placer", families.grouped, unless=("flat",))
def placer_keeps_groups_on_nodes(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """Where the nodes divide the groups, all replicas of a group lie on one node, and every node has equally many.

    Group-limited routing sends a token to few nodes only as long as that holds.
    """
    subject.fresh()
    sizes = (case.num_slots, case.num_devices, "even", case.num_groups, case.num_nodes)
    for layer, (load, slots) in enumerate(zip(case.load, place(subject, case).slots, strict=True)):
        violation = PlacementProblem(load, *sizes, distinct=False).violation(slots)
        if violation is not None:
            hint = 'a placer that knows no nodes declares "flat"'
            raise Failure(f"in layer {layer} {violation} ({hint}): {slots.tolist()}", _by_node(case))


def _by_node(case: PlacerCase) -> list[int]:
    """Return the nodes' experts in order, each node's repeated until its slots are full."""
    nodes = np.arange(case.load.shape[1]).reshape(case.num_nodes, -1)
    return [int(expert) for node in nodes for expert in np.resize(node, case.num_slots // case.num_nodes)]


@check("placer", families.flat, unless=("shares devices",), severity="warning")
def placer_keeps_replicas_apart(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """An expert with at most G replicas has no two of them on one device, where they would be one in two slots.

    EPLB puts them there (EPLB issue 22, PRs 27 and 28).
    """
    subject.fresh()
    placed = place(subject, case)
    replicas = placed.replicas(case.load.shape[1])
    for layer, slots in enumerate(placed.slots):
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
def placer_shares_spare_slots_at_zero_load(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """With all loads zero nothing tells experts apart: no single one gets all of two or more spare slots.

    EPLB gives them all to expert 0.
    """
    if case.num_devices == 1:
        return
    subject.fresh()
    for layer, replicas in enumerate(place(subject, case).replicas(case.load.shape[1])):
        if len(replicas) > 1 and replicas.max() > 2 and (replicas > 1).sum() == 1:
            even = np.bincount(np.arange(case.num_slots) % len(replicas))
            raise Failure(
                f"in layer {layer} expert {int(replicas.argmax())} has {replicas.max()} replicas and every other has "
                "one, at zero load",
                dealt(even, case.num_slots, case.num_devices),
            )


@check("placer", families.several_layers, unless=("random", "couples layers"))
def placer_places_layers_apart(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """A layer's peak does not depend on the loads of other layers, unless the placer declares "couples layers"."""
    subject.fresh()
    before = peaks(subject, case, place(subject, case), case.load)
    for kept in (0, len(case.load) - 1):
        others = np.arange(len(case.load)) != kept
        load = case.load.copy()
        load[others] = 0
        subject.fresh()
        after = peaks(subject, case, place(subject, case, load), load)
        if before[kept] != after[kept]:
            raise Failure(
                f"the peak of layer {kept} goes from {number(before[kept])} to {number(after[kept])} "
                "when the other layers lose their load"
            )
