"""The cases that routers are tried on, and what the contract needs to know of routers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from equipoise import strategies
from equipoise.checks.contract import Contract, bind
from equipoise.checks.engine.registry import SIZES, family
from equipoise.roles.router import RouterCase

APART = 2.0**-13
"""Scores closer than this are ties to a router that works with a step of its own or in a float type of a gate."""


def from_a_gate(case: RouterCase) -> bool:
    """Whether all scores lie in [0, 1], as sigmoid and softmax give them."""
    return all(bool(((batch >= 0) & (batch <= 1)).all()) for batch in case.batches)


def distinct(case: RouterCase, axis: int | None = None) -> bool:
    """Whether all scores of the batch (axis 1: of each token) differ, by more than :data:`APART`."""
    levels = np.sort(case.scores, axis=axis).astype(np.float64)
    return bool((np.diff(levels) > APART).all())


def plain_top_k(case: RouterCase) -> npt.NDArray[np.bool_]:
    """Return the mask ``[T, E]`` of every token's K best experts, the first of equals."""
    mask = np.zeros(case.scores.shape, bool)
    np.put_along_axis(mask, np.argsort(-case.scores, axis=1, kind="stable")[:, : case.top_k], True, axis=1)
    return mask


def shown(mask: npt.NDArray[np.bool_]) -> list[list[int]]:
    """Return the experts of every token, for a message."""
    return [np.flatnonzero(row).tolist() for row in mask]


def _experts(least: int, most: int) -> st.SearchStrategy[int]:
    """Return numbers of experts: the target's own, if it has only one."""
    sizes = SIZES.get()
    return st.integers(least, most) if sizes is None else st.just(sizes[0])


def _tokens(least: int, most: int) -> st.SearchStrategy[int]:
    """Return numbers of tokens for which there are distinct scores."""
    sizes = SIZES.get()
    most = most if sizes is None else min(max(least, most), (2**12 - 1) // sizes[0])
    return st.integers(least, most) if least <= most else st.nothing()


def _top_k(least: int, most: int) -> st.SearchStrategy[int]:
    """Return numbers of experts a token: the target's own, if it has only one."""
    sizes = SIZES.get()
    return st.integers(least, most) if sizes is None else st.just(sizes[1])


def _with_k(scores: Any, most: Callable[[Any], int]) -> st.SearchStrategy[RouterCase]:
    """Return cases with the drawn scores and any K up to ``most(scores)``."""
    sizes = SIZES.get()
    cases: st.SearchStrategy[RouterCase] = scores.flatmap(
        lambda batch: (st.integers(1, most(batch)) if sizes is None else st.just(sizes[1])).map(
            lambda top_k: RouterCase((batch,), top_k)
        )
    )
    return cases


@family(from_a_gate)
def single_batches() -> st.SearchStrategy[RouterCase]:
    """One batch of any shape."""
    return _with_k(strategies.score_matrices(experts=_experts(1, 6)), lambda batch: batch.shape[1])


@family(from_a_gate)
def sequences() -> st.SearchStrategy[RouterCase]:
    """A few batches whose favourite expert moves, in any order, some of them again; or one that any step changes."""
    sizes = SIZES.get()

    def arranged(pair: Any, order: list[int]) -> RouterCase:
        batches, top_k = pair
        if sizes is not None:
            batches, top_k = [_widened(batch, sizes[0]) for batch in batches], sizes[1]
        return RouterCase(tuple(batches[index % len(batches)] for index in order), top_k)

    order = st.lists(st.integers(0, 5), min_size=1, max_size=8)
    drifting = st.builds(arranged, strategies.drifting_batches(), order)
    if sizes is not None and sizes[1] >= sizes[0]:
        return drifting
    again = st.builds(lambda case, times: RouterCase(case.batches * times, case.top_k), loose(), st.integers(2, 8))
    return st.one_of(drifting, again)


def _widened(batch: npt.NDArray[Any], experts: int) -> npt.NDArray[Any]:
    """Return the batch with this many experts: its own over and over, each time a little less popular."""
    columns = np.arange(experts)
    width = batch.shape[1]
    return np.asarray(batch[:, columns % width] * (1 - columns // width / (2 * experts)), batch.dtype)


@family(lambda case: case.top_k == case.scores.shape[1])
def all_experts() -> st.SearchStrategy[RouterCase]:
    """K = E."""
    scores = strategies.score_matrices(tokens=st.integers(1, 8))
    return scores.map(lambda batch: RouterCase((batch,), batch.shape[1]))


@family(lambda case: case.scores.shape[1] == 1)
def single_expert() -> st.SearchStrategy[RouterCase]:
    """E = 1."""
    scores = strategies.score_matrices(tokens=st.integers(1, 8), experts=st.just(1))
    return scores.map(lambda batch: RouterCase((batch,), 1))


@family(lambda case: len(case.scores) * case.top_k < case.scores.shape[1])
def few_tokens() -> st.SearchStrategy[RouterCase]:
    """T * K < E."""
    scores = strategies.score_matrices(tokens=st.integers(1, 3), experts=_experts(4, 8))
    top_k = (SIZES.get() or (0, 1))[1]
    cases: st.SearchStrategy[RouterCase] = scores.map(lambda batch: RouterCase((batch,), top_k))
    fitting: st.SearchStrategy[RouterCase] = cases.filter(few_tokens.admits)
    return fitting


@family(lambda case: case.scores.size > 0 and len(case.scores) * case.top_k % case.scores.shape[1] != 0)
def indivisible() -> st.SearchStrategy[RouterCase]:
    """T * K is no multiple of E."""
    cases: st.SearchStrategy[RouterCase] = single_batches()
    return cases.filter(indivisible.admits)


@family(lambda case: np.ptp(case.scores) == 0)
def tied() -> st.SearchStrategy[RouterCase]:
    """All scores equal."""
    cases: st.SearchStrategy[RouterCase] = single_batches()
    return cases.map(lambda case: RouterCase((np.full_like(case.scores, 0.5),), case.top_k))


@family()
def extreme() -> st.SearchStrategy[RouterCase]:
    """Scores of very different sizes, near the ends of float32, some negative."""
    ends = st.sampled_from([1e-42, 1e-38, 1e-30, 1.0, 1e30, 1e38, 0.0, -1.0, -1e30, -1e38])
    return _with_k(strategies.score_matrices(experts=_experts(1, 6), elements=ends), lambda batch: batch.shape[1])


def _tie_free(case: RouterCase) -> bool:
    tokens, experts = case.scores.shape
    return tokens >= 4 and tokens * case.top_k >= experts and distinct(case) and from_a_gate(case)


@family(_tie_free)
def tie_free() -> st.SearchStrategy[RouterCase]:
    """One tie-free batch, at least as many assignments as experts."""
    scores = strategies.distinct_scores(tokens=_tokens(4, 24), experts=_experts(2, 8))
    return _with_k(scores, lambda batch: batch.shape[1]).filter(_tie_free)


@family(lambda case: len(case.scores) >= 8 and distinct(case) and from_a_gate(case))
def many_tokens() -> st.SearchStrategy[RouterCase]:
    """One tie-free batch with more tokens than can sit on ties."""
    scores = strategies.distinct_scores(tokens=_tokens(8, 32), experts=_experts(2, 5))
    return _with_k(scores, lambda batch: batch.shape[1])


def _skewed(case: RouterCase) -> bool:
    tokens, experts = case.scores.shape
    if tokens < 8 or case.top_k >= experts or tokens * case.top_k < 4 * experts:
        return False
    if not distinct(case) or not from_a_gate(case):
        return False
    load = plain_top_k(case).sum(axis=0)
    return bool(2 * load.max() >= 3 * load.mean())


@family(_skewed)
def skewed() -> st.SearchStrategy[RouterCase]:
    """One tie-free batch that strongly prefers some experts, four assignments each at least; K < E."""
    sizes = SIZES.get()
    least = 8 if sizes is None else max(8, -(-4 * sizes[0] // sizes[1]))
    tokens = _tokens(least, 24)
    scores = strategies.distinct_scores(tokens=tokens, experts=_experts(2, 8), skew=st.integers(2, 3))
    return _with_k(scores, lambda batch: batch.shape[1] - 1).filter(_skewed)


def _loose(case: RouterCase) -> bool:
    tokens, experts = case.scores.shape
    if case.top_k >= experts or not from_a_gate(case) or not distinct(case, 1):
        return False
    chosen = plain_top_k(case)
    load = chosen.sum(axis=0)
    most = int(np.argmax(load))
    others = np.delete(load, most)
    scores = case.scores.astype(np.float64)
    margin = scores[:, most] - np.where(chosen, -np.inf, scores).max(axis=1)
    few = int((margin <= 2.0**-9).sum())
    in_order = bool((margin[: tokens - few] >= 0.6).all()) and (tokens - few) * experts > tokens * case.top_k + experts
    lowest = others.max() + few < tokens and others.max() < load.mean()
    return bool(load[most] == tokens and few and in_order and lowest)


@family(_loose)
def loose() -> st.SearchStrategy[RouterCase]:
    """One batch of which all tokens choose one expert, the last few by less than 2^-9, the others by 0.6.

    All other experts have less than the mean load: any step relieves the one. Before the few come, more than ceil(T K /
    E) have chosen it: that they should go is seen without foresight.
    """
    sizes = SIZES.get()

    def build(seed: int, tokens: int, experts: int, top_k: int, few: int) -> RouterCase:
        rng = np.random.default_rng(seed)
        top_k = min(top_k, experts // 2) if sizes is None else sizes[1]
        turn = max(1, top_k - 1) * np.arange(tokens)[:, None]
        rank = (np.arange(experts - 1) + turn) % (experts - 1)  # of the others
        levels = np.where(rank < top_k - 1, 0.99, 0.25) - rank / (8 * experts) + rng.integers(0, 9, (tokens, 1)) / 2**10
        favourite = np.full(tokens, 0.875)
        levels[-few:][rank[-few:] == top_k - 1] = 0.875 - 2.0**-10
        scores = np.insert(levels, int(rng.integers(0, experts)), favourite, axis=1)
        return RouterCase((np.clip(scores, 0, 1).astype(np.float32),), top_k)

    cases = st.builds(build, st.integers(0, 999), _tokens(8, 24), _experts(2, 6), _top_k(1, 3), st.integers(1, 3))
    return cases.filter(_loose)


def _balanced(case: RouterCase) -> bool:
    if not from_a_gate(case):
        return False
    load = plain_top_k(case).sum(axis=0)
    ranked = np.sort(case.scores.astype(np.float64), axis=1)[:, ::-1]
    apart = case.top_k == ranked.shape[1] or (ranked[:, case.top_k - 1] - ranked[:, case.top_k]).min() > 0.01
    return bool(load.max() == load.min() and apart)


@family(_balanced)
def balanced_already() -> st.SearchStrategy[RouterCase]:
    """Batches whose plain top-K is perfectly balanced, with a clear margin."""

    def build(experts: int, rounds: int, top_k: int) -> RouterCase:
        tokens = experts * rounds
        distance = (np.arange(experts) - np.arange(tokens)[:, None]) % experts
        return RouterCase((((experts - distance) / (2 * experts)).astype(np.float32),), min(top_k, experts))

    return st.builds(build, _experts(2, 6), st.integers(1, 4), _top_k(1, 6))


def _coarse(case: RouterCase) -> bool:
    if not from_a_gate(case) or (case.scores.astype(np.float32).view(np.uint32) & 0xFFFF).any():
        return False
    load = plain_top_k(case).sum(axis=0)
    return bool(load.max() == load.min() and all(len(set(row)) == len(row) for row in case.scores.tolist()))


@family(_coarse)
def balanced_in_bfloat16() -> st.SearchStrategy[RouterCase]:
    """The same in steps of 1/256, which bfloat16 holds exactly: margins of one unit in the last place."""

    def build(experts: int, rounds: int, top_k: int) -> RouterCase:
        distance = (np.arange(experts) - np.arange(experts * rounds)[:, None]) % experts
        return RouterCase((((255 - distance) / 256).astype(np.float32),), min(top_k, experts))

    return st.builds(build, _experts(2, 16), st.integers(1, 3), _top_k(1, 6))


def _crowded(case: RouterCase) -> bool:
    return case.top_k == 1 and _skewed(case)


@family(_crowded)
def crowded() -> st.SearchStrategy[RouterCase]:
    """One batch that strongly prefers some experts; K = 1."""
    if (SIZES.get() or (0, 1))[1] != 1:
        return st.nothing()
    scores = strategies.distinct_scores(tokens=_tokens(8, 24), experts=_experts(2, 5), skew=st.integers(2, 3))
    return scores.map(lambda batch: RouterCase((batch,), 1)).filter(_crowded)


def _exact_in_half(case: RouterCase) -> bool:
    with np.errstate(over="ignore"):
        exact = np.array_equal(case.scores, case.scores.astype(np.float16))
    return bool(exact) and distinct(case, 1) and from_a_gate(case)


def levels(seed: int, tokens: int, experts: int, among: int) -> npt.NDArray[np.int64]:
    """Return ``[T, E]`` whole numbers from 1, distinct within each token."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(among)[:experts] for _ in range(tokens)]) + 1


@family(_exact_in_half)
def half_precision() -> st.SearchStrategy[RouterCase]:
    """Scores that float16 holds exactly, distinct within each token."""

    def build(seed: int, tokens: int, experts: int, top_k: int) -> RouterCase:
        scores = (levels(seed, tokens, experts, 1024) / 2048).astype(np.float32)
        return RouterCase((scores,), min(top_k, experts))

    return st.builds(build, st.integers(0, 999), st.integers(1, 12), _experts(2, 6), _top_k(1, 6))


def _has_twins(case: RouterCase) -> bool:
    even, odd = case.scores[:, 0::2], case.scores[:, 1::2]
    return bool(np.array_equal(even, odd)) and 2 * case.top_k <= case.scores.shape[1]


@family(_has_twins)
def repeated() -> st.SearchStrategy[RouterCase]:
    """Every expert is there twice."""
    return strategies.routing_instances(max_experts=3).map(
        lambda pair: RouterCase((np.ascontiguousarray(np.repeat(pair[0], 2, axis=1)),), pair[1])
    )


bind(
    Contract(
        role="router",
        single=single_batches,
        sequences=sequences,
        layouts=tie_free,
        same=lambda one, other: np.array_equal(one.mask, other.mask),
        show=lambda answer: shown(answer.mask),
        notes={
            "answers": "A routing has existing, distinct experts of an integer type. Float indices came back from "
            "vLLM's expert maps (vllm PR 23243); fairseq's BASE layer never returned on unequal token counts (fairseq "
            "issue 3730).",
            "is_deterministic": "A fork of FlashLB placed leftovers at random.",
            "state_round_trips": "The bias was lost (torchtitan PR 1226).",
        },
    )
)
