"""The cases that schedulers are tried on, and what the contract needs to know of schedulers."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from equipoise import strategies
from equipoise.checks.contract import Contract, bind
from equipoise.checks.engine.registry import family
from equipoise.roles.scheduler import SchedulerCase, served_tokens

MANY = (8192, 9980, 12007, 16384)
"""Tokens of an expert: powers of two, twenty times the modulus of LPLB's hash, a prime."""


def _one(instance: tuple[strategies.Integers, strategies.Booleans]) -> SchedulerCase:
    return SchedulerCase((instance[0],), instance[1])


def _drawn(**options: Any) -> st.SearchStrategy[SchedulerCase]:
    return strategies.scheduling_instances(**options).map(_one)


def plain(case: SchedulerCase) -> bool:
    """Whether no load is by source device, and the devices stay."""
    return all(load.ndim == 1 for load in case.loads) and not case.live


@family(plain)
def instances() -> st.SearchStrategy[SchedulerCase]:
    """One load of any kind, any hosts."""
    return _drawn()


@family(plain)
def sequences() -> st.SearchStrategy[SchedulerCase]:
    """A few loads, one after the other, on one placement."""

    def on(hosts: strategies.Booleans) -> st.SearchStrategy[SchedulerCase]:
        loads = st.lists(strategies.load_vectors(experts=st.just(len(hosts))), min_size=1, max_size=4)
        return loads.map(lambda drawn: SchedulerCase(tuple(drawn), hosts))

    return strategies.host_matrices().flatmap(on)


@family(lambda case: plain(case) and not case.load.any())
def idle() -> st.SearchStrategy[SchedulerCase]:
    """No tokens at all."""
    return _drawn(kind="zero")


@family(lambda case: plain(case) and bool((case.hosts.sum(axis=1) == 1).all()))
def single_hosts() -> st.SearchStrategy[SchedulerCase]:
    """One host per expert: nothing to choose."""
    return _drawn(hosts=strategies.host_matrices(replicas=st.just(1)))


@family(lambda case: plain(case) and bool(case.hosts.all()))
def everywhere() -> st.SearchStrategy[SchedulerCase]:
    """Every device hosts every expert."""
    return _drawn(hosts=strategies.host_matrices(replicas=st.just(99)))


@family(lambda case: plain(case) and case.hosts.shape[1] == 1)
def one_device() -> st.SearchStrategy[SchedulerCase]:
    """G = 1."""
    return _drawn(hosts=strategies.host_matrices(devices=st.just(1)))


@family(lambda case: plain(case) and bool((case.load % case.hosts.sum(axis=1) > 0).any()))
def indivisible() -> st.SearchStrategy[SchedulerCase]:
    """Some load is no multiple of the number of its expert's replicas."""
    return _drawn().filter(indivisible.admits)


@family(lambda case: plain(case) and int(case.hosts.max(initial=0)) > 1)
def counted() -> st.SearchStrategy[SchedulerCase]:
    """How many replicas every device holds, on one device several of one expert."""

    def more(case: SchedulerCase) -> st.SearchStrategy[SchedulerCase]:
        counts = st.lists(st.integers(1, 3), min_size=case.hosts.size, max_size=case.hosts.size)
        return counts.map(lambda drawn: SchedulerCase(case.loads, case.hosts * np.reshape(drawn, case.hosts.shape)))

    return _drawn().flatmap(more).filter(counted.admits)


@family(lambda case: plain(case) and int(case.load.sum(dtype=np.int64)) >= 2**31)
def huge() -> st.SearchStrategy[SchedulerCase]:
    """Loads just below 2^31, in 32 or 64 bits."""
    hosts = strategies.host_matrices(experts=st.integers(2, 5))
    instance = strategies.scheduling_instances(hosts=hosts, kind="huge")
    types = st.sampled_from((np.int64, np.int32))
    return st.builds(lambda pair, dtype: SchedulerCase((pair[0].astype(dtype),), pair[1]), instance, types)


def _hot(case: SchedulerCase) -> bool:
    if not plain(case) or np.count_nonzero(case.load) != 1:
        return False
    expert = int(np.argmax(case.load))
    return 2 <= int(case.hosts[expert].sum()) <= int(case.load[expert])


@family(_hot)
def one_hot_expert() -> st.SearchStrategy[SchedulerCase]:
    """The last expert has all tokens, at least one for each of its two or more replicas."""

    def build(more: int, hosts: strategies.Booleans) -> SchedulerCase:
        load = np.zeros(len(hosts), np.int64)
        load[-1] = hosts[-1].sum() + more
        return SchedulerCase((load,), hosts)

    hosts = strategies.host_matrices(devices=st.integers(2, 5), replicas=st.integers(2, 5))
    return st.builds(build, st.integers(0, 99), hosts)


def _chain(case: SchedulerCase) -> bool:
    experts, devices = case.hosts.shape
    links = np.eye(experts, devices, dtype=bool) | np.eye(experts, devices, 1, dtype=bool)
    return plain(case) and devices == experts + 1 and np.array_equal(case.hosts, links)


@family(_chain)
def chains() -> st.SearchStrategy[SchedulerCase]:
    """Expert e on devices e and e + 1, the first with twice the load: all devices can be equal if all experts move."""

    def build(experts: int, tokens: int, reverse: bool) -> SchedulerCase:
        load = np.full(experts, tokens)
        load[-1 if reverse else 0] *= 2
        hosts = np.eye(experts, experts + 1, dtype=bool) | np.eye(experts, experts + 1, 1, dtype=bool)
        return SchedulerCase((load,), hosts)

    return st.builds(build, st.integers(1, 8), st.integers(1, 50), st.booleans())


def _replicated(case: SchedulerCase) -> bool:
    """Whether some expert has several hosts."""
    return bool((case.hosts.sum(axis=1) > 1).any())


def _many(case: SchedulerCase) -> bool:
    several = case.load[case.hosts.sum(axis=1) > 1] if plain(case) else np.zeros(0)
    return len(several) > 0 and several.min() >= min(MANY) and case.load.sum() <= 4 * max(MANY)


@family(_many)
def many_tokens() -> st.SearchStrategy[SchedulerCase]:
    """Thousands of tokens of each expert, on some devices or on all, as many of each or not."""

    def on(hosts: strategies.Booleans) -> st.SearchStrategy[SchedulerCase]:
        number = st.sampled_from(MANY)
        alike = number.map(lambda tokens: [tokens] * len(hosts))
        loads = st.one_of(alike, st.lists(number, min_size=len(hosts), max_size=len(hosts)))
        return loads.map(lambda load: SchedulerCase((np.array(load),), hosts))

    few = {"experts": st.integers(1, 4), "devices": st.integers(2, 5)}
    some = strategies.host_matrices(**few, replicas=st.integers(2, 5))
    return st.one_of(strategies.host_matrices(**few, replicas=st.just(99)), some).flatmap(on)


@family(lambda case: len(case.live) > 0 and all(load.ndim == 1 for load in case.loads) and case.valid)
def changing_machines() -> st.SearchStrategy[SchedulerCase]:
    """A few loads, while devices die and come back; every expert always has a host."""

    def on(hosts: strategies.Booleans) -> st.SearchStrategy[SchedulerCase]:
        experts, devices = hosts.shape
        some = st.lists(st.booleans(), min_size=devices, max_size=devices).map(np.array)
        one_less = st.integers(0, devices - 1).map(lambda dead: np.arange(devices) != dead)
        mask = st.one_of(one_less, some).filter(lambda live: hosts[:, live].any(axis=1).all())
        masks = st.lists(mask, min_size=2, max_size=4)
        loads = st.lists(strategies.load_vectors(experts=st.just(experts)), min_size=2, max_size=4)
        return st.builds(lambda load, live: SchedulerCase(tuple(load), hosts, tuple(live)), loads, masks)

    hosts = strategies.host_matrices(devices=st.integers(2, 5), replicas=st.integers(2, 5))
    return hosts.flatmap(on)


def _uneven(case: SchedulerCase) -> bool:
    return case.load.ndim == 2 and _replicated(case) and int((case.load > 0).any(axis=1).sum()) == 1


@family(_uneven)
def uneven_sources() -> st.SearchStrategy[SchedulerCase]:
    """All tokens start on one device; experts have several hosts."""

    def build(pair: tuple[strategies.Integers, strategies.Booleans], source: int) -> SchedulerCase:
        load, hosts = pair
        starts = np.zeros((hosts.shape[1], len(load)), np.int64)
        starts[-1 - source % hosts.shape[1]] = load
        return SchedulerCase((starts,), hosts)

    hosts = strategies.host_matrices(devices=st.integers(2, 5), replicas=st.integers(2, 5))
    drawn = st.builds(build, strategies.scheduling_instances(hosts=hosts), st.integers(0, 4))
    return drawn.filter(_uneven)


@family(lambda case: case.load.ndim == 2)
def by_source() -> st.SearchStrategy[SchedulerCase]:
    """One load by the device on which its tokens start, any hosts."""

    def start(pair: tuple[strategies.Integers, strategies.Booleans]) -> st.SearchStrategy[SchedulerCase]:
        load, hosts = pair
        return strategies.source_loads(load, hosts.shape[1]).map(lambda drawn: SchedulerCase((drawn,), hosts))

    return strategies.scheduling_instances().flatmap(start)


bind(
    Contract(
        role="scheduler",
        single=instances,
        sequences=sequences,
        same=lambda one, other: np.array_equal(one.split, other.split),
        show=lambda schedule: schedule.split.tolist(),
        readable=served_tokens,
        notes={
            "answers": "Numbers, one for each expert and device. vLLM's maps came back with the wrong type (PR 18343); "
            "serving systems refuse by assertion what does not divide (sglang issue 8253, vllm issue 52435).",
            "leaves_its_input_alone": '"Tokens left" is a tempting name for the loads.',
            "keeps_quiet": "A solver's log counts.",
            "is_deterministic": "Ranks that compute a schedule apart must agree. A fork of FlashLB placed leftovers at "
            "random.",
        },
    )
)
