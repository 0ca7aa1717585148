"""The cases that planners are tried on, and what the contract needs to know of planners."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st

from equipoise import strategies
from equipoise.checks.contract import Contract, bind
from equipoise.checks.engine.registry import family
from equipoise.roles.planner import PlannerCase, read_plan

Drawn = st.SearchStrategy[PlannerCase]


def plain(case: PlannerCase) -> bool:
    """Whether no load is by source device."""
    return all(load.ndim == 1 for load in case.loads)


def _cases(
    devices: st.SearchStrategy[int] | None = None,
    slots: st.SearchStrategy[int] | None = None,
    steps: int = 1,
    kind: Literal["zero", "huge"] | None = None,
) -> Drawn:
    """Return cases whose devices are home to equally many experts, in blocks, as in deployments."""

    def build(count: int, each: int) -> Drawn:
        vectors = strategies.load_vectors(experts=st.just(count * each), kind=kind)
        number = st.integers(0, 3) if slots is None else slots
        room = st.lists(number, min_size=count, max_size=count).map(lambda drawn: np.array(drawn, np.int64))
        home = np.repeat(np.arange(count), each)
        return st.builds(
            lambda loads, drawn: PlannerCase(tuple(loads), home, drawn),
            st.lists(vectors, min_size=1, max_size=steps),
            st.one_of(number.map(lambda drawn: np.full(count, drawn)), room),
        )

    return st.tuples(st.integers(1, 5) if devices is None else devices, st.integers(1, 4)).flatmap(
        lambda sizes: build(*sizes)
    )


def in_blocks(case: PlannerCase) -> bool:
    """Whether homes are as deployments have them."""
    devices, experts = len(case.slots), len(case.home)
    return experts % devices == 0 and np.array_equal(case.home, np.arange(experts) // (experts // devices))


@family(plain)
def instances() -> Drawn:
    """One load of any kind, any slots."""
    return _cases()


@family(plain)
def sequences() -> Drawn:
    """A few batches of one layer."""
    return _cases(steps=4)


@family(lambda case: plain(case) and not in_blocks(case))
def scattered() -> Drawn:
    """Experts that live anywhere, unequally many on a device; some devices are home to none."""

    def elsewhere(case: PlannerCase, seed: int) -> PlannerCase:
        home = np.random.RandomState(seed).randint(len(case.slots), size=len(case.home))
        return PlannerCase(case.loads, home, case.slots)

    return st.builds(elsewhere, _cases(devices=st.integers(2, 5)), st.integers(0, 999)).filter(scattered.admits)


@family(lambda case: plain(case) and not case.load.any())
def idle() -> Drawn:
    """No tokens at all."""
    return _cases(kind="zero")


@family(lambda case: plain(case) and not case.slots.any())
def no_slots() -> Drawn:
    """No device can hold a copy."""
    return _cases(slots=st.just(0))


@family(lambda case: plain(case) and len(case.slots) == 1)
def one_device() -> Drawn:
    """G = 1."""
    return _cases(devices=st.just(1))


@family(lambda case: plain(case) and int(case.load.sum()) >= 2**31)
def huge() -> Drawn:
    """Loads just below 2^31."""
    return _cases(devices=st.integers(2, 4), kind="huge").filter(huge.admits)


def _few_slots(case: PlannerCase) -> bool:
    return plain(case) and in_blocks(case) and bool((case.slots == 1).all()) and len(case.slots) > 1


@family(_few_slots)
def single_slots() -> Drawn:
    """One slot a device: the choice of what to copy counts."""
    return _cases(devices=st.integers(2, 5), slots=st.just(1))


def _overloaded(case: PlannerCase) -> bool:
    if not plain(case) or not in_blocks(case):
        return False
    held = np.bincount(case.home, case.load, len(case.slots))
    hot = int(held.argmax())
    roomy = bool((case.slots >= 1).all()) and len(case.slots) > 1
    return roomy and held[hot] >= 8 and held[hot] == held.sum() and int((case.load > 0).sum()) == 1


@family(_overloaded)
def one_hot_expert() -> Drawn:
    """One expert has all tokens, at least eight, and every device a slot."""

    def build(count: int, each: int, expert: int, tokens: int) -> PlannerCase:
        load = np.zeros(count * each, np.int64)
        load[expert % len(load)] = tokens
        return PlannerCase((load,), np.repeat(np.arange(count), each), np.ones(count, np.int64))

    return st.builds(build, st.integers(2, 5), st.integers(1, 3), st.integers(0, 14), st.integers(8, 500))


def _balanced(case: PlannerCase) -> bool:
    held = np.bincount(case.home, case.load, len(case.slots))
    return plain(case) and bool((held == held[0]).all())


@family(_balanced)
def balanced() -> Drawn:
    """The devices are equally full without any copy."""

    def level(case: PlannerCase) -> PlannerCase:
        held = np.bincount(case.home, case.load, len(case.slots)).astype(np.int64)
        load = case.load.copy()
        load[np.unique(case.home, return_index=True)[1]] += held.max() - held
        return PlannerCase((load,), case.home, case.slots)

    return _cases().map(level)


@family(lambda case: plain(case) and in_blocks(case) and len(np.unique(case.load)) == len(case.load))
def distinct() -> Drawn:
    """Every expert has another load, so that no choice is a tie; at least two devices."""

    def apart(case: PlannerCase) -> PlannerCase:
        order = np.argsort(np.argsort(case.load, kind="stable"), kind="stable")
        return PlannerCase((case.load % 1000 * 16 + order,), case.home, case.slots)

    return _cases(devices=st.integers(2, 4)).map(apart)


@family(lambda case: case.loads[0].ndim == 2)
def by_source() -> Drawn:
    """One load by the device on which its tokens start."""

    def start(case: PlannerCase) -> Drawn:
        drawn = strategies.source_loads(case.load, len(case.slots))
        return drawn.map(lambda load: PlannerCase((load,), case.home, case.slots))

    return _cases().flatmap(start)


def same(one: Any, other: Any) -> bool:
    """Whether two plans copy and split alike."""
    return np.array_equal(one.split, other.split) and np.array_equal(one.copies, other.copies)


bind(
    Contract(
        role="planner",
        single=instances,
        sequences=sequences,
        same=same,
        show=lambda plan: plan.split.tolist(),
        readable=read_plan,
        notes={"is_deterministic": "All ranks compute the plan apart, and must agree on every token."},
    )
)
