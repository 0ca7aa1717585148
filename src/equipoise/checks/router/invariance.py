"""What must not matter: the order of experts and tokens, the float type, how scores are laid out in a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from equipoise import strategies
from equipoise.checks.cases import RouterCase
from equipoise.checks.failure import Failure
from equipoise.checks.registry import check, family
from equipoise.checks.router.quality import distinct
from equipoise.checks.router.view import from_a_gate, route, shown
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject


def _exact_in_half(case: RouterCase) -> bool:
    with np.errstate(over="ignore"):
        exact = np.array_equal(case.scores, case.scores.astype(np.float16))
    return bool(exact) and distinct(case) and from_a_gate(case)


def _has_twins(case: RouterCase) -> bool:
    even, odd = case.scores[:, 0::2], case.scores[:, 1::2]
    return bool(np.array_equal(even, odd)) and 2 * case.top_k <= case.scores.shape[1]


@family(_exact_in_half)
def half_precision() -> st.SearchStrategy[RouterCase]:
    """Scores that float16 holds exactly, distinct within each token."""

    def build(seed: int, tokens: int, experts: int, top_k: int) -> RouterCase:
        rng = np.random.default_rng(seed)
        levels = np.stack([rng.permutation(1024)[:experts] for _ in range(tokens)]) + 1
        return RouterCase(((levels / 2048).astype(np.float32),), min(top_k, experts))

    return st.builds(build, st.integers(0, 999), st.integers(1, 12), st.integers(2, 6), st.integers(1, 6))


@family(lambda case: len(case.scores) >= 8 and distinct(case) and from_a_gate(case))
def many_tokens() -> st.SearchStrategy[RouterCase]:
    """One tie-free batch with more tokens than can sit on ties."""
    scores = strategies.distinct_scores(tokens=st.integers(8, 32), experts=st.integers(2, 5))
    return scores.flatmap(lambda batch: st.integers(1, batch.shape[1]).map(lambda k: RouterCase((batch,), k)))


@family(_has_twins)
def repeated() -> st.SearchStrategy[RouterCase]:
    """Every expert is there twice."""
    return strategies.routing_instances(max_experts=3).map(
        lambda pair: RouterCase((np.ascontiguousarray(np.repeat(pair[0], 2, axis=1)),), pair[1])
    )


def _order(case: RouterCase, size: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """A fixed reordering that moves everything: reversal."""
    return np.arange(size)[::-1]


@check("router", many_tokens, unless=("random", "depends on expert order"))
def router_treats_experts_alike(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """Renaming the experts renames the answer (tie-free scores)."""
    order = _order(case, case.scores.shape[1])
    subject.fresh()
    plain = route(subject, case.scores, case.top_k).mask
    subject.fresh()
    renamed = route(subject, np.ascontiguousarray(case.scores[:, order]), case.top_k).mask
    _compare(plain, renamed[:, order], "experts")


@check("router", many_tokens, unless=("random", "online"))
def router_treats_tokens_alike(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """The order of the tokens in a batch does not matter (tie-free scores), unless declared "online"."""
    order = _order(case, len(case.scores))
    subject.fresh()
    plain = route(subject, case.scores, case.top_k).mask
    subject.fresh()
    reordered = route(subject, np.ascontiguousarray(case.scores[order]), case.top_k).mask
    _compare(plain, reordered[order], "tokens")


def _compare(plain: np.ndarray[Any, Any], other: np.ndarray[Any, Any], what: str) -> None:
    """Fail if more tokens changed than can sit on a tie: exact prices leave E - 1 of them undecided."""
    changed = (plain != other).any(axis=1)
    if int(changed.sum()) >= plain.shape[1]:
        token = int(np.argmax(changed))
        raise Failure(
            f"with the {what} in reverse order {int(changed.sum())} of {len(plain)} tokens change their experts: "
            f"token {token} from {np.flatnonzero(plain[token]).tolist()} to {np.flatnonzero(other[token]).tolist()}"
        )


@check("router", half_precision, unless=("random",))
def router_ignores_the_float_type(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """The same numbers in float16, float32 and float64 are routed alike (AstrAI PR 57: cast before top-K)."""
    chosen = {}
    for dtype in (np.float64, np.float32, np.float16):
        subject.fresh()
        chosen[dtype] = route(subject, case.scores.astype(dtype), case.top_k).mask
    for dtype in (np.float32, np.float16):
        if not np.array_equal(chosen[np.float64], chosen[dtype]):
            raise Failure(
                f"as {np.dtype(dtype)} the same scores go to {shown(chosen[dtype])}, "
                f"as float64 to {shown(chosen[np.float64])}"
            )


@check("router", repeated, unless=("random", "any number"))
def router_survives_duplicated_experts(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """Two experts with identical scores for every token still give distinct experts per token."""
    subject.fresh()
    taken = route(subject, case.scores, case.top_k).mask.sum(axis=1)
    if (taken > case.top_k).any():
        raise Failure(f"token {int(np.argmax(taken))} gets {int(taken.max())} experts, not {case.top_k}")
