"""The cases that placers are tried on, and what the contract needs to know of placers."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from equipoise import strategies
from equipoise.checks.contract import Contract, bind
from equipoise.checks.engine.registry import family
from equipoise.roles.placer import PlacerCase

PRIMES = (17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 97, 127, 251, 509, 1021)
HEAVY = 100
"""Tokens of an expert that matters, also to a placer that adds a token or two to every load."""

TWO_NODES: dict[str, Any] = {
    "nodes": st.just(2),
    "groups": st.integers(1, 2),
    "experts": st.integers(1, 3),
    "devices": st.integers(1, 2),
}


def one_load(placement: strategies.Placement) -> PlacerCase:
    """Return the case with a single load."""
    return PlacerCase((placement[0],), *placement[1:])


def drawn(**options: Any) -> st.SearchStrategy[PlacerCase]:
    """Return cases from :func:`equipoise.strategies.placement_instances`."""
    return strategies.placement_instances(**options).map(one_load)


def published() -> st.SearchStrategy[PlacerCase]:
    """Return cases of 8 experts, 16 slots, 8 devices: FlashLB's example, and a size that MicroMoE has a graph for."""
    loads = strategies.load_matrices(layers=st.integers(1, 2), experts=st.just(8))
    return loads.map(lambda load: PlacerCase((load,), 16, 1, 1, 8))


def experts_of(case: PlacerCase) -> int:
    """E."""
    return int(case.load.shape[1])


def is_flat(case: PlacerCase) -> bool:
    """Whether there is one node and one group."""
    return case.num_nodes == 1 and case.num_groups == 1


def is_grouped(case: PlacerCase) -> bool:
    """Whether nodes divide groups and devices, and groups the experts."""
    groups, nodes = case.num_groups, case.num_nodes
    if groups < 1 or groups % nodes or case.num_devices % nodes:
        return False
    return experts_of(case) % groups == 0


def _is_tie_free(case: PlacerCase) -> bool:
    """Whether no two experts have an equal load per replica, however many each has."""
    replicas = np.arange(1, case.num_slots + 1)
    apart = experts_of(case) * case.num_slots
    shares = (layer[:, None] / replicas for layer in case.load.astype(np.float64))
    return is_flat(case) and all(len(np.unique(share.astype(np.float32))) == apart for share in shares)


@family(is_grouped)
def any_case() -> st.SearchStrategy[PlacerCase]:
    """Any loads on any machine, with and without groups."""
    return st.one_of(drawn(), drawn(**TWO_NODES), published())


@family(is_flat)
def flat() -> st.SearchStrategy[PlacerCase]:
    """Any loads on one node."""
    return drawn(devices=st.integers(1, 4))


@family(lambda case: case.num_nodes > 1 and is_grouped(case))
def grouped() -> st.SearchStrategy[PlacerCase]:
    """Several nodes, which divide groups and devices."""
    return drawn(**TWO_NODES, layers=st.integers(1, 2))


@family(lambda case: case.num_nodes == 1 and case.num_groups > 1 and is_grouped(case))
def grouped_on_one_node() -> st.SearchStrategy[PlacerCase]:
    """Several groups, one node."""

    def build(placement: strategies.Placement) -> PlacerCase:
        load, slots, groups, _, devices = placement
        return PlacerCase((load,), slots, groups, 1, devices)

    return strategies.placement_instances(**TWO_NODES, layers=st.just(1)).map(build)


@family(lambda case: case.num_groups % case.num_nodes != 0)
def uneven_groups() -> st.SearchStrategy[PlacerCase]:
    """The nodes do not divide the groups, perhaps not even the devices."""

    def build(placement: strategies.Placement, nodes: int, groups: int) -> PlacerCase:
        return PlacerCase((placement[0],), placement[1], groups, nodes, placement[4])

    nodes, groups = st.integers(2, 3), st.sampled_from([1, 5, 7])
    return st.builds(build, strategies.placement_instances(layers=st.just(1)), nodes, groups)


@family(lambda case: case.num_groups == 0 and case.num_nodes == 1)
def no_groups() -> st.SearchStrategy[PlacerCase]:
    """``num_groups = 0``."""
    return strategies.placement_instances(layers=st.just(1)).map(lambda p: PlacerCase((p[0],), p[1], 0, 1, p[4]))


@family(lambda case: is_flat(case) and case.num_devices == 1)
def one_device() -> st.SearchStrategy[PlacerCase]:
    """G = 1."""
    return drawn(devices=st.just(1))


@family(lambda case: is_flat(case) and experts_of(case) == 1)
def one_expert() -> st.SearchStrategy[PlacerCase]:
    """E = 1."""
    return drawn(experts=st.just(1))


@family(lambda case: is_flat(case) and case.num_slots == experts_of(case))
def no_spare_slots() -> st.SearchStrategy[PlacerCase]:
    """P = E."""

    def build(devices: int, width: int, load: Any) -> PlacerCase:
        return PlacerCase((load[:, : devices * width],), devices * width, 1, 1, devices)

    loads = strategies.load_matrices(experts=st.just(12))
    return st.builds(build, st.integers(1, 4), st.integers(1, 3), loads)


@family(lambda case: is_flat(case) and case.num_slots == case.num_devices)
def one_slot_a_device() -> st.SearchStrategy[PlacerCase]:
    """P = G."""
    loads = strategies.load_matrices()
    return st.builds(
        lambda load, spare: PlacerCase((load,), load.shape[1] + spare, 1, 1, load.shape[1] + spare),
        loads,
        st.integers(0, 3),
    )


@family(lambda case: is_flat(case) and case.num_slots == experts_of(case) * case.num_devices)
def a_slot_for_every_pair() -> st.SearchStrategy[PlacerCase]:
    """P = E * G."""
    loads = strategies.load_matrices(layers=st.integers(1, 2), experts=st.integers(1, 5))
    return st.builds(
        lambda load, devices: PlacerCase((load,), load.shape[1] * devices, 1, 1, devices), loads, st.integers(1, 4)
    )


def _divides_nothing(case: PlacerCase) -> bool:
    experts, devices = experts_of(case), case.num_devices
    return is_flat(case) and experts % devices != 0 and (case.num_slots - experts) % devices != 0


@family(_divides_nothing)
def indivisible() -> st.SearchStrategy[PlacerCase]:
    """G divides neither the experts nor the spare slots."""
    return drawn(devices=st.integers(2, 4), experts=st.integers(3, 8)).filter(_divides_nothing)


@family(lambda case: is_flat(case) and not case.load.any())
def zero_load() -> st.SearchStrategy[PlacerCase]:
    """No tokens at all."""
    return drawn(kinds=("zero",), layers=st.integers(1, 2))


@family(lambda case: is_flat(case) and case.load.max() >= 2**31 - 1)
def huge() -> st.SearchStrategy[PlacerCase]:
    """Loads beyond 2^31, totals beyond 2^51."""
    return drawn(kinds=("huge",), layers=st.just(1)).filter(lambda case: bool(case.load.max() >= 2**31 - 1))


@family(lambda case: is_flat(case) and len(case.load) > 1)
def several_layers() -> st.SearchStrategy[PlacerCase]:
    """L > 1."""
    return drawn(layers=st.integers(2, 3), devices=st.integers(2, 4))


@family(_is_tie_free)
def tie_free() -> st.SearchStrategy[PlacerCase]:
    """No two experts have an equal load per replica, however many each has."""

    def build(load: list[int], devices: int, spare: int) -> PlacerCase:
        slots = devices * (-(-len(load) // devices) + spare)
        return PlacerCase((np.array([load]),), slots, 1, 1, devices)

    loads = st.lists(st.sampled_from(PRIMES), min_size=2, max_size=6, unique=True)
    return st.builds(build, loads, st.integers(2, 3), st.integers(0, 2)).filter(_is_tie_free)


def _is_hot(case: PlacerCase) -> bool:
    alone = all((layer > 0).sum() == 1 for layer in case.load)
    return is_flat(case) and alone and case.num_devices > 1 and case.num_slots > experts_of(case)


@family(_is_hot)
def hot() -> st.SearchStrategy[PlacerCase]:
    """One expert has all the load, there are several devices and spare slots."""
    return drawn(
        kinds=("one-hot",),
        layers=st.just(1),
        devices=st.integers(2, 4),
        experts=st.integers(2, 6),
        spare=st.integers(1, 3),
    )


@family(is_flat)
def sequences() -> st.SearchStrategy[PlacerCase]:
    """A few loads whose hottest expert moves."""

    def build(loads: tuple[strategies.Integers, ...], devices: int, spare: int) -> PlacerCase:
        return PlacerCase(loads, devices * (-(-loads[0].shape[1] // devices) + spare), 1, 1, devices)

    return st.builds(build, strategies.drifting_loads(), st.integers(2, 4), st.integers(0, 2))


def _machine(slots: int, devices: int) -> strategies.Integers:
    """Return what a call on one node is asked for: slots, groups, nodes, devices."""
    return np.array([slots, 1, 1, devices])


@family(lambda case: bool(case.machines) and is_flat(case) and all(tuple(one[1:3]) == (1, 1) for one in case.machines))
def changing_machines() -> st.SearchStrategy[PlacerCase]:
    """A hot expert that moves, while devices come and go and have more or fewer slots."""

    def on(loads: tuple[strategies.Integers, ...]) -> st.SearchStrategy[PlacerCase]:
        experts = loads[0].shape[1]

        def build(machines: list[tuple[int, int]]) -> PlacerCase:
            sizes = [(devices * (-(-experts // devices) + spare), devices) for devices, spare in machines]
            (slots, devices), *later = sizes
            return PlacerCase(loads, slots, 1, 1, devices, machines=tuple(_machine(*one) for one in later))

        sizes = st.tuples(st.integers(1, 6), st.integers(0, 2))
        return st.lists(sizes, min_size=2, max_size=4, unique=True).map(build)

    return strategies.drifting_loads(layers=st.integers(1, 2), experts=st.integers(2, 6), min_steps=2).flatmap(on)


@family(lambda case: bool(case.live) and is_flat(case) and not case.machines and case.valid)
def dead_devices() -> st.SearchStrategy[PlacerCase]:
    """A hot expert that moves, while some devices die and come back; those that live have room for all experts."""

    def on(loads: tuple[strategies.Integers, ...]) -> st.SearchStrategy[PlacerCase]:
        experts = loads[0].shape[1]

        def build(masks: list[list[bool]], spare: int) -> PlacerCase:
            live = [np.array(mask) for mask in masks]
            width = -(-experts // int(min(mask.sum() for mask in live))) + spare
            return PlacerCase(loads, len(live[0]) * width, 1, 1, len(live[0]), live=tuple(live))

        masks = st.integers(2, 5).flatmap(
            lambda devices: st.lists(
                st.lists(st.booleans(), min_size=devices, max_size=devices).filter(any), min_size=1, max_size=4
            )
        )
        return st.builds(build, masks, st.integers(0, 2))

    return strategies.drifting_loads(layers=st.integers(1, 2), experts=st.integers(1, 6)).flatmap(on)


def _some_idle(case: PlacerCase) -> bool:
    idle = all((layer == 0).any() and layer.max() >= HEAVY for layer in case.load)
    return is_flat(case) and idle and case.num_devices > 1 and case.num_slots > experts_of(case)


@family(_some_idle)
def some_idle() -> st.SearchStrategy[PlacerCase]:
    """A few experts have all the load, some have none, and there are spare slots."""

    def build(heavy: list[int], idle: int, devices: int, spare: int, order: Any) -> PlacerCase:
        load = np.array([heavy + [0] * idle])
        order.shuffle(columns := list(range(load.shape[1])))
        return PlacerCase((load[:, columns],), devices * (-(-load.shape[1] // devices) + spare), 1, 1, devices)

    heavy = st.lists(st.integers(HEAVY, 9 * HEAVY), min_size=1, max_size=3)
    return st.builds(
        build, heavy, st.integers(1, 4), st.integers(2, 5), st.integers(1, 3), st.randoms(use_true_random=False)
    ).filter(_some_idle)


bind(
    Contract(
        role="placer",
        single=any_case,
        sequences=sequences,
        show=lambda slots: slots.tolist(),
        remembers=("has reset", "stateful"),
        names={"remembers_nothing": "without_reset_remembers_nothing"},
        notes={
            "answers": "A placement ``[L, P]`` of integers names existing experts, every one at least once; of three "
            "tables (phy2log, log2phy, logcnt) all say the same. Float indices came from vLLM (PRs 23243, 18343), "
            "experts placed nowhere and ids that do not exist from vLLM-Ascend (PRs 3089, 4793).",
            "leaves_its_input_alone": "The loads are the caller's statistics, which it goes on counting in.",
            "is_deterministic": "Every rank works the placement out for itself. A fork of FlashLB put replicas that "
            "fit nowhere in random places.",
        },
    )
)
