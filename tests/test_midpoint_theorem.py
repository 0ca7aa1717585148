"""Theory, section 9, lemma by lemma, in exact fractions: midpoint sweeps end at the optimum of generic scores."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import equipoise
from equipoise import AssignmentProblem
from equipoise.reference.routing.midpoint import midpoint_sweep
from equipoise.reference.routing.quantile import quantile_sweep
from strategies_assignment import fewer

HALF = Fraction(1, 2)


class Sweeps:
    """A and B of the theorem, on integer scores [T][E]."""

    def __init__(self, scores, top_k):
        self.scores, self.top_k = scores, top_k
        self.tokens, self.experts = len(scores), len(scores[0])
        self.capacity = -(-self.tokens * top_k // self.experts)
        self.slack = self.capacity * self.experts > self.tokens * top_k

    def token_prices(self, q):
        return [middle([s - p for s, p in zip(row, q, strict=True)], self.top_k) for row in self.scores]

    def prices(self, a):
        found = [middle([row[e] - p for row, p in zip(self.scores, a, strict=True)], self.capacity) for e in self.each]
        return [max(Fraction(0), p) for p in found] if self.slack else found

    @property
    def each(self):
        return range(self.experts)

    def dual(self, a, q):
        above = sum(max(Fraction(0), self.scores[t][e] - a[t] - q[e]) for t in range(self.tokens) for e in self.each)
        return above + self.top_k * sum(a) + self.capacity * sum(q)

    def tight(self, a, q):
        pairs = product(range(self.tokens), self.each)
        return {(t, e) for t, e in pairs if self.scores[t][e] == a[t] + q[e]}

    def chosen(self, q):
        """The top-K sets, None for a token that has to break a tie."""
        sets = []
        for row in self.scores:
            reduced = [s - p for s, p in zip(row, q, strict=True)]
            least = sorted(reduced)[-self.top_k]
            held = {e for e in self.each if reduced[e] >= least}
            sets.append(held if len(held) == self.top_k else None)
        return sets

    def on_floor(self, q, e):
        return self.slack and q[e] == 0


def middle(numbers, rank):
    ordered = sorted(numbers, reverse=True)
    return (ordered[rank - 1] + ordered[rank]) * HALF


def shapes(draw, most=5):
    """T, E, K with K < E and c < T."""
    experts = draw(st.integers(2, 4))
    tokens = draw(st.integers(2, most))
    top_k = draw(st.integers(1, experts - 1))
    return (tokens, experts, top_k) if -(-tokens * top_k // experts) < tokens else (tokens, experts, 1)


@st.composite
def instances(draw, numbers):
    tokens, experts, top_k = shapes(draw)
    row = st.lists(numbers, min_size=experts, max_size=experts)
    sweeps = Sweeps(draw(st.lists(row, min_size=tokens, max_size=tokens)), top_k)
    start = draw(st.lists(st.integers(0, 9).map(Fraction), min_size=experts, max_size=experts))
    return sweeps, start


PLAIN = st.integers(-2, 2)
"""Scores full of alternating sums that are zero."""


@given(instances(PLAIN))
def test_lemma_1_a_token_or_an_expert_off_the_floor_has_no_tight_pair_or_two(case):
    sweeps, q = case
    for _ in range(4):
        a = sweeps.token_prices(q)
        degrees = [sum(t == token for t, _ in sweeps.tight(a, q)) for token in range(sweeps.tokens)]
        assert 1 not in degrees
        q = sweeps.prices(a)
        for e in sweeps.each:
            assert sweeps.on_floor(q, e) or sum(f == e for _, f in sweeps.tight(a, q)) != 1


@given(instances(PLAIN))
def test_lemma_2_the_tight_graph_shrinks_where_the_dual_stays(case):
    sweeps, q = case
    for _ in range(12):
        a = sweeps.token_prices(q)
        new = sweeps.prices(a)
        again = sweeps.token_prices(new)
        assert sweeps.dual(again, new) <= sweeps.dual(a, new) <= sweeps.dual(a, q)
        if sweeps.dual(a, q) == sweeps.dual(again, new):
            assert sweeps.tight(again, new) <= sweeps.tight(a, new) <= sweeps.tight(a, q)
        q = new


def stop(sweeps, q, most):
    """Prices that a sweep repeats (up to a shift), or None."""
    for _ in range(most):
        new = sweeps.prices(sweeps.token_prices(q))
        if len({x - y for x, y in zip(new, q, strict=True)}) == 1 and (not sweeps.slack or new == q):
            return new
        q = new
    return None


def zero_sum(sweeps, pairs, q):
    """An alternating sum of scores around a cycle of tight pairs, or along a path between two experts on the floor."""
    for e in sweeps.each:
        found = walk(sweeps, pairs, q, e, e, [], set())
        if found is not None:
            return found
    return None


def walk(sweeps, pairs, q, first, here, trail, used):
    for t in {t for t, e in pairs if e == here and t not in used}:
        for e in {e for u, e in pairs if u == t and e != here}:
            longer = [*trail, sweeps.scores[t][here] - sweeps.scores[t][e]]
            ends = sweeps.on_floor(q, first) and sweeps.on_floor(q, e)
            if (e == first and len(longer) > 1) or ends:
                return sum(longer)
            if e != first and len(longer) < sweeps.experts:
                found = walk(sweeps, pairs, q, first, e, longer, used | {t})
                if found is not None:
                    return found
    return None


@given(instances(PLAIN))
@example((Sweeps([[0, 1], [10, 11]], 1), [Fraction(0), Fraction(0)]))
@example((Sweeps([[0, 0, 0], [0, 0, 0], [0, 0, 0]], 1), [Fraction(0)] * 3))
def test_lemma_3_a_stop_with_a_tight_pair_has_a_cycle_or_a_path_of_alternating_sum_zero(case):
    sweeps, q = case
    if (q := stop(sweeps, q, 30)) is not None and (pairs := sweeps.tight(sweeps.token_prices(q), q)):
        assert zero_sum(sweeps, pairs, q) == 0


def optimum(sweeps):
    """The certified optimum."""
    return equipoise.solve(AssignmentProblem(np.array(sweeps.scores, np.int64), sweeps.top_k)).objective


@given(instances(PLAIN))
def test_lemma_4_a_stop_without_a_tight_pair_is_the_optimum(case):
    sweeps, q = case
    if (q := stop(sweeps, q, 30)) is not None and not sweeps.tight(sweeps.token_prices(q), q):
        assert_optimal(sweeps, q)


def balanced(sweeps, sets):
    return max(sum(e in held for held in sets) for e in sweeps.each) <= sweeps.capacity


def score(sweeps, sets):
    return sum(sweeps.scores[t][e] for t, held in enumerate(sets) for e in held)


def assert_optimal(sweeps, q):
    sets = sweeps.chosen(q)
    assert None not in sets
    assert balanced(sweeps, sets)
    assert score(sweeps, sets) == optimum(sweeps)


def drawn(seed):
    """Scores of 40 random bits: an alternating sum that is zero has a chance of one in 2**30."""
    random = np.random.default_rng(seed)
    tokens, experts = int(random.integers(2, 9)), int(random.integers(2, 5))
    top_k = int(random.integers(1, experts))
    top_k = top_k if -(-tokens * top_k // experts) < tokens else 1
    skew = random.integers(0, 2**40, experts) * int(random.integers(0, 3))
    return Sweeps((random.integers(0, 2**40, (tokens, experts)) + skew).tolist(), top_k)


@fewer(2)
@given(st.integers(0, 2**32))
def test_theorem_on_generic_scores_the_sweeps_end_at_the_balanced_optimum_and_stay_there(seed):
    sweeps = drawn(seed)
    q, ended = [Fraction(0)] * sweeps.experts, False
    for _ in range(2000):
        q = [Fraction(round(p * 2**60), 2**60) for p in sweeps.prices(sweeps.token_prices(q))]
        ended = None not in (sets := sweeps.chosen(q)) and balanced(sweeps, sets)
        if ended and sweeps.dual(sweeps.token_prices(q), q) == score(sweeps, sets):
            break
    assert_optimal(sweeps, q)
    for _ in range(5):
        q = sweeps.prices(sweeps.token_prices(q))
        assert sweeps.chosen(q) == sets


def test_the_published_lower_end_stops_short_on_scores_on_which_the_middle_does_not():
    scores = [[4, 7, 3], [1, 0, 5], [2, 6, 8]]
    cycles = [
        scores[t][e] - scores[t][f] + scores[u][f] - scores[u][e]
        for t, u in permutations(range(3), 2)
        for e, f in permutations(range(3), 2)
    ]
    assert 0 not in cycles
    sweeps, q, lower = Sweeps(scores, 1), [Fraction(0)] * 3, np.zeros(3)
    for _ in range(20):
        q, lower = sweeps.prices(sweeps.token_prices(q)), quantile_sweep(np.array(scores, float), lower, 1)
    assert_optimal(sweeps, q)
    assert sweeps.dual(sweeps.token_prices(q), q) == 16
    assert sweeps.dual(sweeps.token_prices(lower.tolist()), lower.tolist()) == 18


@pytest.mark.parametrize("top_k", [1, 2])
def test_the_exact_sweep_is_that_of_the_reference(top_k):
    scores = np.random.default_rng(top_k).integers(0, 50, (7, 4))
    sweeps, q, beta = Sweeps(scores.tolist(), top_k), [Fraction(0)] * 4, np.zeros(4)
    for _ in range(5):
        q, beta = sweeps.prices(sweeps.token_prices(q)), midpoint_sweep(scores.astype(float), beta, top_k)
        assert [float(p) for p in q] == pytest.approx(beta.tolist())


def test_the_page_about_quantile_balancing_shows_the_reference_sweep_in_torch():
    torch = pytest.importorskip("torch")
    page = Path(__file__).parents[1] / "docs" / "explanation" / "quantile-corrected.md"
    names = {"torch": torch}
    exec(page.read_text().split("```python\n")[1].split("```")[0], names)
    for seed in range(20):
        scores = np.random.default_rng(seed).normal(size=(40 + seed, 8))
        ours = theirs = np.zeros(8)
        for _ in range(4):
            ours = midpoint_sweep(scores, ours, 2)
            theirs = names["sweep"](torch.tensor(scores), torch.tensor(theirs), 2).numpy()
        assert theirs == pytest.approx(ours)
