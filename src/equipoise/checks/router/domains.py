"""Scores of other sizes and signs than a gate gives, and scores that tell what a router makes weights of.

A sigmoid makes 1 of every large score, a softmax makes 0 of all far below the best. Where a router may apply either,
the scores that decide lie in two bands that both tell apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from equipoise import strategies
from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import SIZES, family
from equipoise.checks.router.families import from_a_gate, levels, plain_top_k, sequences, single_batches
from equipoise.roles.router import UNIT, RouterCase
from equipoise.traces import apply_gate

Scores = npt.NDArray[Any]

BANDS = ((3, -30), (-1, -7), (100, -1000), (200, 0), (9e3, 0), (9e3, -3e4), (-5, -1e4))
"""Where the scores of the chosen experts begin, and those of the others; no few of them sum to zero."""

GATES: tuple[Callable[[Scores], Scores], ...] = (
    lambda scores: scores,
    lambda scores: apply_gate(scores, "sigmoid"),
    lambda scores: apply_gate(scores, "softmax"),
)
"""What a router may make of its scores before it chooses."""

CLEAR = 2.0**-8
"""What is further apart behind a gate is no tie in bfloat16."""

HIGH, LOW = {False: 20.0, True: 1.0}, {False: -2.0, True: 2.0**-6}
"""Two scores far apart: logits, and (True) from a gate. The softmax of values in [0, 1] is at most e times another."""


def described(scores: Scores) -> str:
    """Return the domain of the scores in words, for the beginning of a message."""
    low, high = float(scores.min()), float(scores.max())
    return f"with {scores.dtype} scores " + (f"of {low:g}" if low == high else f"from {low:g} to {high:g}")


def outside(balancer: Balancer, case: RouterCase) -> bool:
    """Whether the router declares that it takes no such scores."""
    return UNIT in balancer.capabilities and not from_a_gate(case)


def _sizes(experts: tuple[int, int], top_k: tuple[int, int]) -> tuple[st.SearchStrategy[int], st.SearchStrategy[int]]:
    """Return strategies for E and K: the target's own, if it has only one of them."""
    sizes = SIZES.get()
    if sizes is None:
        return st.integers(*experts), st.integers(*top_k)
    return st.just(sizes[0]), st.just(sizes[1])


def _margin(values: Scores, best: npt.NDArray[np.bool_]) -> float:
    """Return by how much, at least, a token's worst of the best experts is above its best of the others."""
    low = np.where(best, values, np.inf).min(axis=1)
    return float((low - np.where(best, -np.inf, values).max(axis=1)).min())


def _in_two_bands(case: RouterCase) -> bool:
    scores = case.scores.astype(np.float64)
    if from_a_gate(case) or case.top_k >= scores.shape[1] or not np.abs(scores).max() < 2**15:
        return False
    best = plain_top_k(case)
    return bool(np.ptp(best.sum(axis=0)) == 0) and all(_margin(gate(scores), best) > CLEAR for gate in GATES)


@family(_in_two_bands)
def two_bands() -> st.SearchStrategy[RouterCase]:
    """A perfectly balanced top-K, each token's best experts in a band far above the others; K < E."""

    def build(seed: int, experts: int, top_k: int, rounds: int) -> RouterCase:
        rng = np.random.default_rng(seed)
        bands, dtype = BANDS[rng.integers(len(BANDS))], (np.float32, np.float16, np.float64)[rng.integers(3)]
        tokens, top_k = rng.permutation(experts * rounds), min(top_k, experts - 1)
        best = (rng.permutation(experts) - tokens[:, None]) % experts < top_k
        scores = np.where(best, *bands) + rng.integers(0, 8, best.shape) / 8
        return RouterCase((scores.astype(dtype),), top_k)

    return st.builds(build, st.integers(0, 9999), *_sizes((2, 5), (1, 4)), st.integers(1, 3)).filter(_in_two_bands)


def _again_tiny(case: RouterCase) -> bool:
    if case.steps != 2 or not 2 <= case.top_k < case.scores.shape[1] or not from_a_gate(case):
        return False
    plain, tiny = (np.sort(batch.astype(np.float64), axis=1) for batch in case.batches)
    same = np.array_equal(np.argsort(case.batches[0], axis=1), np.argsort(case.batches[1], axis=1))
    return bool(same and np.diff(plain).min() > CLEAR and 0 < tiny.min() < tiny.max() < 2**-16)


@family(_again_tiny)
def again_tiny() -> st.SearchStrategy[RouterCase]:
    """A batch with favourites, distinct within each token, and the same batch times a tiny number; 2 <= K < E."""

    def build(seed: int, tokens: int, experts: int, top_k: int, exponent: int) -> RouterCase:
        top_k = min(top_k, experts - 1)
        scores = levels(seed, tokens, experts, max(64, experts))
        favourites = np.random.default_rng(seed).permutation(experts)[: top_k - 1]
        scores[:, favourites] += scores.max()
        ordinary = (scores / (scores.max() + 1)).astype(np.float32)
        return RouterCase((ordinary, ordinary * np.float32(2.0**exponent)), top_k)

    sizes = _sizes((3, 6), (2, 4))
    exponents = st.sampled_from((-100, -60, -24, -110))
    drawn = st.builds(build, st.integers(0, 999), st.integers(4, 8), *sizes, exponents)
    return drawn.filter(_again_tiny)


def _in_eighths(case: RouterCase) -> bool:
    whole = bool((case.scores * 8 == np.round(case.scores * 8)).all())
    return whole and bool((np.diff(np.sort(case.scores, axis=1)) > 0).all()) and from_a_gate(case)


@family(_in_eighths)
def eighths() -> st.SearchStrategy[RouterCase]:
    """Multiples of 1/8, distinct within each token: apart in every float type, before a gate and behind it."""

    def build(seed: int, tokens: int, experts: int, top_k: int) -> RouterCase:
        return RouterCase(((levels(seed, tokens, experts, 8) / 8).astype(np.float32),), min(top_k, experts))

    return st.builds(build, st.integers(0, 999), st.integers(1, 8), *_sizes((2, 8), (1, 8))).filter(_in_eighths)


@family(lambda case: 2 <= len(case.scores) <= 6 and case.top_k < case.scores.shape[1] and from_a_gate(case))
def with_neighbours() -> st.SearchStrategy[RouterCase]:
    """Scores from a gate, at least two tokens, K < E."""
    experts, top_k = _sizes((2, 5), (1, 4))
    scores = strategies.score_matrices(tokens=st.integers(2, 6), experts=experts)
    drawn = st.builds(lambda batch, k: RouterCase((batch,), min(k, batch.shape[1] - 1)), scores, top_k)
    return drawn.filter(with_neighbours.admits)


@family(lambda case: len(case.scores) == 3 and case.top_k < case.scores.shape[1] and from_a_gate(case))
def three_tokens() -> st.SearchStrategy[RouterCase]:
    """Three tokens, K < E: a few cases only, for what may hang."""

    def build(seed: int, experts: int, top_k: int) -> RouterCase:
        return RouterCase(((levels(seed, 3, experts, experts) / experts).astype(np.float32),), top_k)

    sizes = SIZES.get() or (4, 2)
    return st.builds(build, st.integers(0, 2), *map(st.just, sizes)).filter(three_tokens.admits)


def _negative(case: RouterCase) -> bool:
    return all(bool(((batch < 0) & (batch >= -16)).all()) for batch in case.batches)


@family(lambda case: from_a_gate(case) or _in_two_bands(case) or _negative(case))
def gate_or_two_bands() -> st.SearchStrategy[RouterCase]:
    """Scores from a gate, also tiny ones and batches in a row, or in two bands; a known case with negative ones."""
    plain: st.SearchStrategy[RouterCase] = single_batches()
    tiny = plain.map(lambda case: RouterCase((case.scores * np.float32(2.0**-100),), case.top_k))
    return st.one_of(sequences(), two_bands(), tiny)


@family(lambda case: bool(np.abs(case.scores).max(initial=0) <= 16))
def gate_or_logits() -> st.SearchStrategy[RouterCase]:
    """Scores from a gate, or logits from -8 to 8 in quarters."""
    quarters = st.integers(-32, 32).map(lambda n: n / 4)
    experts, top_k = _sizes((1, 6), (1, 6))
    logits = strategies.score_matrices(experts=experts, elements=quarters)
    cases = st.builds(lambda batch, k: RouterCase((batch,), min(k, batch.shape[1])), logits, top_k)
    return st.one_of(single_batches(), cases)


def _one_far_above(case: RouterCase) -> bool:
    kind = from_a_gate(case)
    best = case.scores >= HIGH[kind]
    return case.top_k >= 2 and bool((best.sum(axis=1) == 1).all() and (best | (case.scores <= LOW[kind])).all())


@family(_one_far_above)
def one_far_above() -> st.SearchStrategy[RouterCase]:
    """Every token's best expert far above all others, in [0, 1] or as logits; K >= 2."""

    def build(seed: int, experts: int, top_k: int, tokens: int, gate: bool) -> RouterCase:
        best = np.random.default_rng(seed).integers(0, experts, tokens)[:, None] == np.arange(experts)
        return RouterCase((np.where(best, HIGH[gate], LOW[gate]).astype(np.float32),), min(top_k, experts))

    sizes = _sizes((2, 4), (2, 4))
    drawn = st.builds(build, st.integers(0, 999), *sizes, st.integers(1, 4), st.booleans())
    return drawn.filter(_one_far_above)


def _of_unlike_tokens(case: RouterCase) -> bool:
    if case.top_k != 1 or case.scores.shape[1] < 2 or len(case.scores) < 2 or not from_a_gate(case):
        return False
    ranked = np.sort(case.scores.astype(np.float64), axis=1)[:, ::-1]
    return bool(np.ptp(ranked[:, 0]) > 0.1 and np.ptp(ranked[:, 0] - ranked[:, 1]) > 0.1)


@family(_of_unlike_tokens)
def unlike_tokens() -> st.SearchStrategy[RouterCase]:
    """K = 1, and tokens whose best score differs, and differs from the others by more or less."""

    def build(best: list[int], experts: int) -> RouterCase:
        scores = np.full((len(best), experts), 0.125, np.float32)
        scores[np.arange(len(best)), best] = 0.25 + 0.75 * np.arange(1, len(best) + 1) / len(best)
        return RouterCase((scores,), 1)

    sizes = SIZES.get()
    if sizes is not None and sizes[1] != 1:
        return st.nothing()
    experts = _sizes((2, 5), (1, 1))[0]
    favourites = st.lists(st.integers(0, 1), min_size=2, max_size=5)
    return st.builds(build, favourites, experts)
