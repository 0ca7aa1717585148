"""Hypothesis strategies for balancers' inputs: composable, and shrinking towards few tokens and small numbers.

Scores and batches of a router first, then the loads and hosts of a scheduler, then what a placer is called with.

>>> from hypothesis import given
>>> @given(routing_instances(max_tokens=8))
... def test(instance):
...     scores, top_k = instance
...     assert scores.shape[1] >= top_k >= 1
>>> test()
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Scores = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Placement = tuple[Integers, int, int, int, int]
"""What a placer is called with: load[L, E], num_slots, num_groups, num_nodes, num_devices."""
LoadKind = Literal["small", "zipf", "one-hot", "even", "zero", "huge"]
_KINDS: tuple[LoadKind, ...] = ("small", "zipf", "one-hot", "even", "zero")
_TOKENS, _EXPERTS, _DEVICES = st.integers(1, 12), st.integers(1, 6), st.integers(1, 4)
_MORE_TOKENS, _MORE_EXPERTS, _SKEWS = st.integers(1, 24), st.integers(2, 8), st.integers(0, 3)

eighths = st.integers(0, 8).map(lambda n: n / 8)
"""Scores with many ties, exact in every float type."""

unit_floats = st.floats(0, 1, width=32, allow_subnormal=False)
"""Scores as a sigmoid gate gives them."""


@st.composite
def score_matrices(
    draw: Callable[..., Any],
    *,
    tokens: st.SearchStrategy[int] = _TOKENS,
    experts: st.SearchStrategy[int] = _EXPERTS,
    elements: st.SearchStrategy[float] | None = None,
) -> Scores:
    """Return ``[T, E]`` float32 scores in [0, 1]: tied or tie-free, some with a common favourite."""
    shape = (draw(tokens), draw(experts))
    kind = draw(st.sampled_from((eighths, unit_floats))) if elements is None else elements
    scores: Scores = draw(hnp.arrays(np.float32, shape, elements=kind))
    if elements is None and draw(st.booleans()):
        scores[:, draw(st.integers(0, shape[1] - 1))] = 1.0  # everybody's favourite
    return scores


@st.composite
def distinct_scores(
    draw: Callable[..., Any],
    *,
    tokens: st.SearchStrategy[int] = _MORE_TOKENS,
    experts: st.SearchStrategy[int] = _MORE_EXPERTS,
    skew: st.SearchStrategy[int] = _SKEWS,
) -> Scores:
    """Return ``[T, E]`` float32 scores without any tie, exact multiples of 2^-12 in (0, 1), popular experts first.

    All entries differ (at most 4,095 of them), drawn by a seed; it shrinks in size and skew.
    """
    shape = (draw(tokens), draw(experts))
    tilt = draw(skew)
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    levels = rng.permutation(2**12 - 1)[: shape[0] * shape[1]].reshape(shape) + 1.0
    popularity = 1 - tilt * np.arange(shape[1]) / (4 * shape[1])
    wanted = np.floor(levels * popularity).ravel()
    order = np.argsort(wanted, kind="stable")
    place = np.arange(len(order))
    wanted[order] = np.maximum.accumulate(np.maximum(wanted[order], 1) - place) + place  # each above the one before
    return np.asarray(wanted.reshape(shape) / 2**12, np.float32)


@st.composite
def routing_instances(draw: Callable[..., Any], *, max_tokens: int = 12, max_experts: int = 6) -> tuple[Scores, int]:
    """Return ``(scores[T, E], top_k)`` with any ``1 <= K <= E``; T * K need not be divisible by E."""
    tokens, experts = st.integers(1, max_tokens), st.integers(1, max_experts)
    scores = draw(score_matrices(tokens=tokens, experts=experts))
    return scores, draw(st.integers(1, scores.shape[1]))


@st.composite
def drifting_batches(
    draw: Callable[..., Any], *, max_steps: int = 6, max_tokens: int = 16, max_experts: int = 6
) -> tuple[tuple[Scores, ...], int]:
    """Return ``(batches, top_k)``: batches of one shape whose favourite expert moves over time."""
    shape = (draw(st.integers(2, max_tokens)), draw(st.integers(2, max_experts)))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    batches = []
    for favourite in draw(st.lists(st.integers(0, shape[1] - 1), min_size=1, max_size=max_steps)):
        scores = rng.integers(1, 2**11, shape) / 2**12
        scores[:, favourite] += 0.5
        batches.append(scores.astype(np.float32))
    return tuple(batches), draw(st.integers(1, shape[1]))


@st.composite
def load_vectors(
    draw: Callable[..., Any], *, experts: st.SearchStrategy[int] = _EXPERTS, kind: LoadKind | None = None
) -> Integers:
    """Return ``[E]`` int64 tokens per expert.

    ``kind`` is "small" (0 to 20 tokens each), "zipf" (the n-th of the experts, in any order, has the first one's
    tokens by n to the power 0.6, 1 or 1.5), "one-hot" (one expert has all tokens), "even", "zero" or "huge" (a few
    below 2^31 each, so that two of them exceed 32 bits). None: any of these but "huge".

    >>> from hypothesis import given
    >>> @given(load_vectors(kind="one-hot"))
    ... def test(load):
    ...     assert np.count_nonzero(load) == 1
    >>> test()
    """
    size = draw(experts)
    chosen = kind or draw(st.sampled_from(_KINDS))
    if chosen == "zipf":
        most, power = draw(st.integers(1, 4096)), draw(st.sampled_from((1.0, 0.6, 1.5)))
        rank = np.array(draw(st.permutations(range(size)))) + 1
        return np.asarray(most / rank**power, np.int64)
    if chosen in ("small", "huge"):
        drawn = np.asarray(draw(st.lists(st.integers(0, 20), min_size=size, max_size=size)), np.int64)
        return drawn if chosen == "small" else 2**31 - 1 - drawn
    load = np.zeros(size, np.int64)
    if chosen != "zero":
        where = draw(st.integers(0, size - 1)) if chosen == "one-hot" else slice(None)
        load[where] = draw(st.integers(1, 100))
    return load


@st.composite
def host_matrices(
    draw: Callable[..., Any],
    *,
    experts: st.SearchStrategy[int] = _EXPERTS,
    devices: st.SearchStrategy[int] = _DEVICES,
    replicas: st.SearchStrategy[int] | None = None,
) -> Booleans:
    """Return ``[E, G]`` booleans: which device hosts which expert; every expert has a host, not every device an expert.

    ``replicas`` draws, expert by expert, how many devices host it, at most G; None: any number.

    >>> from hypothesis import given
    >>> @given(host_matrices(devices=st.just(4), replicas=st.just(2)))
    ... def test(hosts):
    ...     assert (hosts.sum(axis=1) == 2).all()
    >>> test()
    """
    hosts = np.zeros((draw(experts), draw(devices)), bool)
    total = hosts.shape[1]
    device = st.integers(0, total - 1)

    def sized(count: int) -> st.SearchStrategy[set[int]]:
        return st.sets(device, min_size=min(count, total), max_size=min(count, total))

    rows = st.sets(device, min_size=1) if replicas is None else replicas.flatmap(sized)
    for row in hosts:
        row[list(draw(rows))] = True
    return hosts


@st.composite
def scheduling_instances(
    draw: Callable[..., Any], *, hosts: st.SearchStrategy[Booleans] | None = None, kind: LoadKind | None = None
) -> tuple[Integers, Booleans]:
    """Return ``(load[E], hosts[E, G])``: :func:`load_vectors` of a kind on :func:`host_matrices`, or on given ones.

    >>> from hypothesis import given
    >>> @given(scheduling_instances(kind="zipf"))
    ... def test(instance):
    ...     load, hosts = instance
    ...     assert len(load) == len(hosts) and hosts.any(axis=1).all()
    >>> test()
    """
    chosen = kind or draw(st.sampled_from(_KINDS))
    if hosts is None and chosen == "small":  # an expert's load and hosts in one draw: shrinking drops both together
        devices = draw(_DEVICES)
        expert = st.tuples(st.integers(0, 20), st.sets(st.integers(0, devices - 1), min_size=1))
        drawn = draw(st.lists(expert, min_size=1, max_size=6))
        rows = [[device in served_by for device in range(devices)] for _, served_by in drawn]
        return np.array([tokens for tokens, _ in drawn], np.int64), np.array(rows)
    matrix = draw(host_matrices() if hosts is None else hosts)
    return draw(load_vectors(experts=st.just(len(matrix)), kind=chosen)), matrix


@st.composite
def source_loads(draw: Callable[..., Any], load: Integers, devices: int) -> Integers:
    """Return ``[G, E]``: the tokens of ``load[E]`` by the device on which they start; it shrinks towards the last one.

    >>> from hypothesis import given
    >>> @given(source_loads(np.array([3, 0]), 2))
    ... def test(by_source):
    ...     assert by_source.sum(axis=0).tolist() == [3, 0]
    >>> test()
    """
    marks = [[draw(st.integers(0, tokens)) for _ in range(devices - 1)] for tokens in load.tolist()]
    bounds = [[0, *sorted(drawn), tokens] for drawn, tokens in zip(marks, load.tolist(), strict=True)]
    ends = np.array(bounds, np.int64).T
    return ends[1:] - ends[:-1]


ONE, UP_TO_TWO, FEW, SEVERAL = st.just(1), st.integers(0, 2), st.integers(1, 3), st.integers(1, 6)
"""How many: the default sizes of what follows."""


def _zipf(order: Sequence[int]) -> list[int]:
    return [840 // (rank + 1) for rank in order]


def _one_hot(experts: int) -> st.SearchStrategy[list[int]]:
    hot = st.tuples(st.integers(0, experts - 1), st.integers(1, 9))
    return hot.map(lambda drawn: [100 * drawn[1] * (expert == drawn[0]) for expert in range(experts)])


def _each(tokens: st.SearchStrategy[int]) -> Callable[[int], st.SearchStrategy[list[int]]]:
    return lambda experts: st.lists(tokens, min_size=experts, max_size=experts)


LOADS: dict[str, Callable[[int], st.SearchStrategy[list[int]]]] = {
    "any": _each(st.integers(0, 99)),
    "tied": _each(st.integers(0, 3)),
    "zipf": lambda experts: st.permutations(range(experts)).map(_zipf),
    "one-hot": _one_hot,
    "even": lambda experts: st.integers(1, 99).map(lambda tokens: [tokens] * experts),
    "zero": lambda experts: st.just([0] * experts),
    "huge": _each(st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32 + 1, 2**49 - 1])),
}
"""Integers of one layer by kind: 0 to 99 tokens an expert, few levels, one part in its rank, one expert alone, ..."""


@st.composite
def load_matrices(
    draw: Callable[..., Any],
    *,
    layers: st.SearchStrategy[int] = FEW,
    experts: st.SearchStrategy[int] = SEVERAL,
    kinds: Sequence[str] = tuple(LOADS),
) -> Integers:
    """Return ``[L, E]`` tokens per expert, all layers of one of the ``kinds`` (:data:`LOADS`)."""
    number, width = draw(layers), draw(experts)
    kind = draw(st.sampled_from(kinds))
    return np.array([draw(LOADS[kind](width)) for _ in range(number)], np.int64)


@st.composite
def drifting_loads(
    draw: Callable[..., Any],
    *,
    min_steps: int = 1,
    max_steps: int = 5,
    layers: st.SearchStrategy[int] = FEW,
    experts: st.SearchStrategy[int] = SEVERAL,
) -> tuple[Integers, ...]:
    """Return ``[L, E]`` loads in order of time: every expert has some, and the one that has most changes."""
    number, width = draw(layers), draw(experts)
    base = draw(load_matrices(layers=st.just(number), experts=st.just(width), kinds=("tied",)))
    steps = []
    for hot in draw(st.lists(st.integers(0, width - 1), min_size=min_steps, max_size=max_steps)):
        load = base + 1
        load[:, hot] += 60
        steps.append(load)
    return tuple(steps)


@st.composite
def placement_instances(
    draw: Callable[..., Any],
    *,
    layers: st.SearchStrategy[int] = FEW,
    experts: st.SearchStrategy[int] = SEVERAL,
    devices: st.SearchStrategy[int] = FEW,
    spare: st.SearchStrategy[int] = UP_TO_TWO,
    groups: st.SearchStrategy[int] = ONE,
    nodes: st.SearchStrategy[int] = ONE,
    kinds: Sequence[str] = tuple(LOADS),
) -> Placement:
    """Return ``(load[L, E], num_slots, num_groups, num_nodes, num_devices)``; slots are a multiple of the devices.

    Parameters
    ----------
    experts, devices, groups, nodes
        Experts of each group, devices of each node, groups of each node, and nodes.
    spare
        Slots of each device beyond ``ceil(E / G)``.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(placement_instances(devices=st.integers(2, 4)))
    ... def test(instance):
    ...     load, num_slots, num_groups, num_nodes, num_devices = instance
    ...     assert num_slots >= load.shape[1]
    ...     assert num_slots % num_devices == 0
    >>> test()
    """
    number_of_nodes = draw(nodes)
    number_of_groups, number = number_of_nodes * draw(groups), number_of_nodes * draw(devices)
    load = draw(load_matrices(layers=layers, experts=experts.map(lambda each: number_of_groups * each), kinds=kinds))
    width = -(-load.shape[1] // number) + draw(spare)
    return load, number * width, number_of_groups, number_of_nodes, number


@st.composite
def load_histories(
    draw: Callable[..., Any],
    *,
    steps: st.SearchStrategy[int] | None = None,
    experts: st.SearchStrategy[int] | None = None,
    loads: st.SearchStrategy[int] | None = None,
) -> npt.NDArray[np.int64]:
    """Return ``[S, E]`` tokens per step and expert, any numbers from 0 to 60."""
    shape = (
        draw(st.integers(1, 8) if steps is None else steps),
        draw(st.integers(1, 5) if experts is None else experts),
    )
    history: npt.NDArray[np.int64] = draw(
        hnp.arrays(np.int64, shape, elements=st.integers(0, 60) if loads is None else loads)
    )
    return history


@st.composite
def stationary_histories(
    draw: Callable[..., Any],
    *,
    steps: st.SearchStrategy[int] | None = None,
    experts: st.SearchStrategy[int] | None = None,
    tokens: int = 1000,
) -> npt.NDArray[np.int64]:
    """Return ``[S, E]``: every step has ``tokens`` tokens, drawn independently with the same shares."""
    shape = (
        draw(st.integers(1, 12) if steps is None else steps),
        draw(st.integers(2, 6) if experts is None else experts),
    )
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    return random.multinomial(tokens, random.dirichlet(np.ones(shape[1])), size=shape[0]).astype(np.int64)
