"""A router answers every valid input with K distinct experts per token, and leaves everything else alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from equipoise import strategies
from equipoise.checks.cases import RouterCase
from equipoise.checks.failure import Failure
from equipoise.checks.registry import check, family
from equipoise.checks.router.quality import tie_free
from equipoise.checks.router.view import from_a_gate, route, shown
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject


@family(from_a_gate)
def single_batches() -> st.SearchStrategy[RouterCase]:
    """One batch of any shape."""
    return strategies.routing_instances().map(lambda pair: RouterCase((pair[0],), pair[1]))


@family(from_a_gate)
def sequences() -> st.SearchStrategy[RouterCase]:
    """A few batches whose favourite expert moves, in any order, some of them again."""

    def arranged(pair: Any, order: list[int]) -> RouterCase:
        batches, top_k = pair
        return RouterCase(tuple(batches[index % len(batches)] for index in order), top_k)

    order = st.lists(st.integers(0, 5), min_size=1, max_size=8)
    return st.builds(arranged, strategies.drifting_batches(), order)


def _shaped(
    tokens: st.SearchStrategy[int], experts: st.SearchStrategy[int], top_k: Callable[[Any], st.SearchStrategy[int]]
) -> st.SearchStrategy[RouterCase]:
    def with_k(scores: Any) -> st.SearchStrategy[RouterCase]:
        return top_k(scores).map(lambda k: RouterCase((scores,), k))

    matrices: st.SearchStrategy[Any] = strategies.score_matrices(tokens=tokens, experts=experts)
    return matrices.flatmap(with_k)


@family(lambda case: case.top_k == case.scores.shape[1])
def all_experts() -> st.SearchStrategy[RouterCase]:
    """K = E."""
    return _shaped(st.integers(1, 8), st.integers(1, 6), lambda scores: st.just(scores.shape[1]))


@family(lambda case: case.scores.shape[1] == 1)
def single_expert() -> st.SearchStrategy[RouterCase]:
    """E = 1."""
    return _shaped(st.integers(1, 8), st.just(1), lambda scores: st.just(1))


@family(lambda case: len(case.scores) * case.top_k < case.scores.shape[1])
def few_tokens() -> st.SearchStrategy[RouterCase]:
    """T * K < E."""
    return _shaped(st.integers(1, 3), st.integers(4, 8), lambda scores: st.just(1))


@family(lambda case: case.scores.size > 0 and len(case.scores) * case.top_k % case.scores.shape[1] != 0)
def indivisible() -> st.SearchStrategy[RouterCase]:
    """T * K is no multiple of E."""
    cases: st.SearchStrategy[RouterCase] = single_batches()
    return cases.filter(indivisible.admits)


@family(lambda case: np.ptp(case.scores) == 0)
def tied() -> st.SearchStrategy[RouterCase]:
    """All scores equal."""

    def equal(pair: Any) -> RouterCase:
        return RouterCase((np.full_like(pair[0], 0.5),), pair[1])

    return strategies.routing_instances().map(equal)


@family()
def extreme() -> st.SearchStrategy[RouterCase]:
    """Scores of very different sizes, near the ends of float32, some negative."""
    ends = st.sampled_from([1e-38, 1e-30, 1.0, 1e30, 1e38, 0.0, -1.0, -1e30, -1e38])
    return strategies.score_matrices(elements=ends).flatmap(
        lambda scores: st.integers(1, scores.shape[1]).map(lambda k: RouterCase((scores,), k))
    )


def _k_distinct(subject: Subject, case: RouterCase) -> None:
    subject.fresh()
    for batch in case.batches:
        routed = route(subject, batch, case.top_k)
        taken = routed.mask.sum(axis=1)
        if (taken != case.top_k).any():
            token = int(np.argmax(taken != case.top_k))
            raise Failure(f"token {token} gets {int(taken[token])} experts, not {case.top_k}", better=_top(batch, case))


def _top(scores: Any, case: RouterCase) -> list[list[int]]:
    mask = np.zeros(scores.shape, bool)
    np.put_along_axis(mask, np.argsort(-scores, axis=1, kind="stable")[:, : case.top_k], True, axis=1)
    return shown(mask)


@check("router", single_batches)
def router_answers(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """Every valid batch gets an answer that is a routing: existing, distinct experts of an integer type.

    Float indices came back from vLLM's expert maps (vllm PR 23243); fairseq's BASE layer never returned on unequal
    token counts (fairseq issue 3730).
    """
    subject.fresh()
    route(subject, case.scores, case.top_k)


@check("router", single_batches, unless=("drops", "any number"))
def router_gives_k_experts(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """Every token gets exactly K experts, unless the router declares "drops" or "any number"."""
    _k_distinct(subject, case)


@check("router", all_experts, unless=("drops", "any number"))
def router_takes_all_when_k_is_e(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """With K = E every expert is chosen; a cut-off below the E-th score does not exist (PaddleFleet PR 1775)."""
    _k_distinct(subject, case)


@check("router", single_expert, unless=("drops", "any number"))
def router_works_with_one_expert(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """With one expert every token goes there."""
    _k_distinct(subject, case)


@check("router", few_tokens, unless=("drops", "any number"))
def router_works_with_few_tokens(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """Fewer assignments than experts are no special case (DeepSpeed issue 1658: capacity beyond the tokens)."""
    _k_distinct(subject, case)


@check("router", indivisible, unless=("drops", "any number"))
def router_works_when_nothing_divides(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """T * K need not be a multiple of E (asserted by Megatron-LM's quantile balancing)."""
    _k_distinct(subject, case)


@check("router", tied, unless=("drops", "any number"))
def router_breaks_ties(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """Equal scores still give K distinct experts per token."""
    _k_distinct(subject, case)


@check("router", extreme, unless=("drops", "any number"))
def router_survives_extreme_scores(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """Finite scores of any size, negative ones too, still give K experts per token."""
    _k_distinct(subject, case)


@check("router", sequences)
def router_leaves_its_input_alone(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """The scores are the caller's: not written to."""
    subject.fresh()
    for batch in case.batches:
        if route(subject, batch, case.top_k).reply.changed_input:
            raise Failure("it writes into the scores it was given")


@check("router", single_batches)
def router_returns_memory_of_its_own(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """The answer is no view of the input, which the caller may reuse."""
    subject.fresh()
    if route(subject, case.scores, case.top_k).reply.aliased_input:
        raise Failure("its answer shares memory with the scores it was given")


@check("router", single_batches, severity="warning")
def router_keeps_quiet(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """Nothing is printed to standard output, where a caller's own results go."""
    subject.fresh()
    if route(subject, case.scores, case.top_k).reply.printed:
        raise Failure("it prints to standard output")


@check("router", sequences, unless=("random",))
def router_is_deterministic(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """The same batches from a fresh start give the same routing (a fork of FlashLB placed leftovers at random)."""
    runs = []
    for _ in range(2):
        subject.fresh()
        runs.append([route(subject, batch, case.top_k).mask for batch in case.batches])
    for step, (first, second) in enumerate(zip(*runs, strict=True), 1):
        if not np.array_equal(first, second):
            raise Failure(f"two fresh runs differ at batch {step}: {shown(first)} and {shown(second)}")


@check("router", tie_free)
def router_accepts_any_memory_layout(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """Column-major and read-only scores are routed like any others."""
    subject.fresh()
    plain = route(subject, case.scores, case.top_k).mask
    subject.fresh()
    other = np.asfortranarray(case.scores)
    if not np.array_equal(plain, route(subject, other, case.top_k).mask):
        raise Failure("the same scores in column-major order are routed differently")
