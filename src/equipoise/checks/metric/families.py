"""The cases that metrics are tried on, and what the contract needs to know of metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from equipoise.balancers.balancer import Balancer
from equipoise.checks.contract import Contract, bind
from equipoise.checks.engine.registry import family
from equipoise.roles.metric import MetricCase

Cases = st.SearchStrategy[MetricCase]

STEP = 1 / 8
"""Logits of a token are different multiples of it."""


def _filled(case: MetricCase) -> bool:
    return case.load.size > 0 and bool(case.load.any(axis=1).all()) and int(case.load.max()) < 2**31


def _of_tokens(case: MetricCase) -> bool:
    return case.logits.size > 0


SEEDS = st.integers(0, 2**32 - 1)
"""What numbers are made of, by NumPy's frozen generator: drawing each by itself takes longer than all that is tried."""


def _loads(rows: tuple[int, int] = (1, 4), columns: tuple[int, int] = (1, 6), most: int = 200) -> Cases:
    """Loads of different skew, no row of which is without any."""

    def build(size: int, width: int, power: int, seed: int) -> MetricCase:
        random = np.random.RandomState(seed)
        load = (most * random.random_sample((size, width)) ** power).astype(np.int64)
        load[:, random.randint(width)] += 1
        return MetricCase.of_loads(load)

    return st.builds(build, st.integers(*rows), st.integers(*columns), st.sampled_from([1, 3, 12]), SEEDS)


def _tokens(sequences: tuple[int, int] = (1, 3), most: int = 4) -> Cases:
    """Tokens at the experts of their largest logits, which are different multiples of :data:`STEP`."""

    def build(size: int, tokens: int, experts: int, top_k: int, seed: int) -> MetricCase:
        random = np.random.RandomState(seed)
        levels = np.argsort(random.random_sample((size, tokens, 129)), axis=-1)[..., :experts] - 64
        return MetricCase.routed((levels * STEP).astype(np.float32), min(top_k, experts))

    return st.builds(build, st.integers(*sequences), st.integers(1, most), st.integers(1, 5), st.integers(1, 5), SEEDS)


@family(_filled)
def loads() -> Cases:
    """A few loads of each of a few ranks or experts; no row is without any."""
    return _loads()


@family(lambda case: _filled(case) and len(case.load) > 1)
def several_rows() -> Cases:
    """Two rows of loads or more."""
    return _loads(rows=(2, 5))


@family(lambda case: case.load.size > 0 and bool((case.load.sum(axis=1) >= 2**31).all()))
def large_loads() -> Cases:
    """Loads up to 2^44, which sums in 32 bits cannot hold."""
    return st.builds(
        lambda case, factor: MetricCase.of_loads(case.load * factor + 2**31),
        _loads(columns=(2, 24), most=2**12),
        st.sampled_from([2**10, 2**20, 2**32]),
    )


@family(lambda case: case.load.size > 0 and not case.load.any(axis=1).all())
def without_load() -> Cases:
    """One row without any load, or all of them."""

    def emptied(case: MetricCase, all_rows: bool) -> MetricCase:
        load = case.load.copy()
        load[:] = 0 if all_rows else load
        load[0] = 0
        return MetricCase.of_loads(load)

    return st.builds(emptied, _loads(), st.booleans())


@family(_of_tokens)
def tokens() -> Cases:
    """A few tokens in a few sequences, each with the experts of its largest logits, which are all different."""
    return _tokens()


@family(lambda case: _of_tokens(case) and len(case.logits) > 1)
def several_sequences() -> Cases:
    """Two sequences or more."""
    return _tokens(sequences=(2, 3))


@family(lambda case: _filled(case) if case.load.size else bool((case.experts >= 0).all()))
def anything() -> Cases:
    """Loads or tokens: what a metric is not for, it is not asked."""
    return st.one_of(_loads(), _tokens())


@family(lambda case: _of_tokens(case) and case.logits.size <= 20)
def few_tokens() -> Cases:
    """Tokens so few that derivatives can be taken by every entry."""
    return _tokens(sequences=(1, 2), most=2)


def _turned(cases: Cases) -> Cases:
    def turned(case: MetricCase, by: int) -> MetricCase:
        return MetricCase.of_tokens(case.logits, (case.experts + by) % case.logits.shape[-1])

    return st.builds(turned, cases, st.integers(1, 4))


@family(_of_tokens)
def other_experts() -> Cases:
    """Tokens whose experts are not those of their largest logits, as with a bias or with groups."""
    return _turned(_tokens())


@family(lambda case: _of_tokens(case) and case.logits.size <= 20)
def few_tokens_elsewhere() -> Cases:
    """So few of those."""
    return _turned(_tokens(sequences=(1, 2), most=2))


@family(lambda case: _of_tokens(case) and bool((case.experts < 0).any()))
def with_drops() -> Cases:
    """Tokens with assignments that are dropped, -1, at least one of them."""

    def thinned(case: MetricCase, holes: list[bool]) -> MetricCase:
        hole = np.resize(np.array(holes), case.experts.shape)
        hole[0, 0, 0] = True
        return MetricCase.of_tokens(case.logits, np.where(hole, -1, case.experts))

    return st.builds(thinned, _tokens(), st.lists(st.booleans(), min_size=5, max_size=11))


def is_balanced(case: MetricCase) -> bool:
    """Whether all loads of a row are equal, and above 0; or all logits 0, and every expert has as many tokens."""
    if case.load.size:
        return bool((case.load == case.load[:, :1]).all() and (case.load > 0).all())
    loads = [np.bincount(one.ravel(), minlength=case.logits.shape[-1]) for one in case.experts if (one >= 0).all()]
    level = bool(loads) and len(loads) == len(case.logits) and bool((np.array(loads) == loads[0][0]).all())
    return level and not case.logits.any()


@family(is_balanced)
def balanced() -> Cases:
    """Equal loads; or equal scores, and tokens dealt out in turn."""

    def dealt(sequences: int, experts: int, top_k: int) -> MetricCase:
        chosen = (np.arange(experts)[:, None] + np.arange(min(top_k, experts))) % experts
        logits = np.zeros((sequences, experts, experts), np.float32)
        return MetricCase.of_tokens(logits, np.tile(chosen, (sequences, 1, 1)))

    def level(rows: list[int], columns: int) -> MetricCase:
        return MetricCase.of_loads(np.repeat(np.array(rows)[:, None], columns, axis=1))

    return st.one_of(
        st.builds(level, st.lists(st.integers(1, 2**34), min_size=1, max_size=4), st.integers(1, 64)),
        st.builds(dealt, st.integers(1, 3), st.integers(1, 6), st.integers(1, 4)),
    )


FAVOURED = 24.0
"""Logit of a favoured expert; those of the others are its negative."""


def is_collapsed(case: MetricCase) -> bool:
    """Whether all load of a row is in one place; or all tokens have the same few experts, and these all the score."""
    if case.load.size:
        return bool(((case.load > 0).sum(axis=1) == 1).all())
    favoured = np.zeros(case.logits.shape, bool)
    np.put_along_axis(favoured, np.maximum(case.experts, 0), True, axis=-1)
    few = case.experts.shape[-1] < case.logits.shape[-1] and bool((case.experts == case.experts[0, 0]).all())
    return few and bool((case.logits == np.where(favoured, FAVOURED, -FAVOURED)).all())


@family(is_collapsed)
def collapsed() -> Cases:
    """All load in one place; or all tokens at the same K < E experts, which have all the score."""

    def favoured(sequences: int, tokens: int, top_k: int, others: int) -> MetricCase:
        logits = np.full((sequences, tokens, top_k + others), -FAVOURED, np.float32)
        logits[..., others:] = FAVOURED
        return MetricCase.of_tokens(logits, np.tile(np.arange(others, top_k + others), (sequences, tokens, 1)))

    def one_place(rows: int, columns: int, place: int, load: int) -> MetricCase:
        loads = np.zeros((rows, columns), np.int64)
        loads[:, place % columns] = load
        return MetricCase.of_loads(loads)

    return st.one_of(
        st.builds(one_place, st.integers(1, 4), st.integers(1, 64), st.integers(0, 63), st.integers(1, 2**34)),
        st.builds(favoured, st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 5)),
    )


def _before(balancer: Balancer, case: MetricCase) -> list[tuple[Any, ...]]:
    """Return the calls of a case that is much like this one, and has another value."""
    if case.load.size:
        load = np.full_like(case.load, 1)
        load[:, 0] += 7
        return balancer.calls(MetricCase.of_loads(load))
    slope = np.arange(case.logits.shape[-1], dtype=case.logits.dtype)
    logits: npt.NDArray[Any] = np.broadcast_to(slope, case.logits.shape) + case.logits[::-1] / 2
    return balancer.calls(MetricCase.of_tokens(logits, np.zeros_like(case.experts) + np.arange(case.experts.shape[-1])))


TOLERANCE = 2e-5
"""By how much a value may be off, over the larger of it and 1: float32 throughout is within it."""


def near(one: npt.NDArray[Any], other: npt.NDArray[Any], tolerance: float = TOLERANCE) -> bool:
    """Whether two values are the same but for rounding."""
    return one.shape == other.shape and bool((np.abs(one - other) <= tolerance * np.maximum(1, np.abs(other))).all())


bind(
    Contract(
        role="metric",
        single=anything,
        sequences=anything,
        same=near,
        show=lambda value: value.tolist(),
        before=_before,
        remembers=("has reset", "stateful"),
        notes={
            "answers": "A finite number, or one a row or expert.",
            "leaves_its_input_alone": "Loads are the caller's record, scores go on through the model.",
            "remembers_nothing": "A loss that adds up what it saw depends on how a batch is cut (Megatron-LM 5798).",
        },
    )
)
