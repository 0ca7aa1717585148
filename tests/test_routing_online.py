"""BIP token by token: against its definition, in constant space, and blind to the future."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.reference.routing.bip_histogram import BIPHistogram
from equipoise.reference.routing.bip_online import BIPOnline
from routing_cases import ONLINE, cases, exact
from strategies_assignment import fewer


def ranked(values, rank):
    """The rank-th largest, minus infinity if there is none."""
    return sorted(values, reverse=True)[rank - 1] if rank <= len(values) else -float("inf")


def by_definition(scores, top_k, sweeps):
    """Online BIP with every margin kept and every order statistic sorted out afresh."""
    tokens, experts = scores.shape
    capacity = tokens * top_k // experts
    seen, q, chosen = [[] for _ in range(experts)], [Fraction(0)] * experts, []
    for row in scores:
        s = exact(row)
        for _ in range(sweeps):
            p = max(Fraction(0), ranked([s[e] - q[e] for e in range(experts)], top_k + 1))
            margins = [s[e] - p for e in range(experts)]
            q = [max(Fraction(0), ranked([*seen[e], margins[e]], capacity + 1)) for e in range(experts)]
        for e in range(experts):
            seen[e].append(margins[e])
        chosen.append(sorted(range(experts), key=lambda e: (q[e] - s[e], e))[:top_k])
    return chosen, q


@given(case=cases(max_tokens=12), sweeps=st.integers(1, 3))
def test_bip_online_equals_its_definition_by_brute_force(case, sweeps):
    scores, top_k = case
    router = BIPOnline(sweeps)
    chosen, q = by_definition(scores, top_k, sweeps)
    assert router(scores, top_k).chosen.tolist() == chosen
    assert exact(router.prices) == q


@given(case=cases(elements=st.integers(0, 8), max_tokens=12))
def test_constant_space_is_the_online_form_when_every_score_lies_on_a_bin_edge(case):
    scores, top_k = case
    online, binned = BIPOnline(2), BIPHistogram(2, bins=16, top=16.0)
    assert (online(scores, top_k).chosen == binned(scores, top_k).chosen).all()
    assert (online.prices == binned.prices).all()


@given(case=cases(elements=st.integers(0, 64), max_tokens=10))
def test_one_constant_space_price_is_an_edge_less_than_a_bin_below_its_margin(case):
    scores, top_k = case
    online, binned = BIPOnline(1), BIPHistogram(1, bins=8, top=72.0)
    first, width = scores[:1], 9.0
    online(first, top_k), binned(first, top_k)
    gap = online.prices - binned.prices
    assert (gap >= 0).all()
    assert (gap < width).all()


@pytest.mark.parametrize("name", ONLINE)
@fewer(2)
@given(case=cases(max_tokens=8), data=st.data())
def test_no_choice_depends_on_a_later_token(name, case, data):
    scores, top_k = case
    seen = data.draw(st.integers(1, len(scores)))
    other = scores.copy()
    other[seen:] = 8 - other[seen:]
    first, second = ONLINE[name]()(scores, top_k), ONLINE[name]()(other, top_k)
    assert (first.chosen[:seen] == second.chosen[:seen]).all()


@pytest.mark.parametrize("name", ONLINE)
@given(case=cases())
@fewer(4)
def test_calls_do_not_depend_on_earlier_calls(name, case):
    scores, top_k = case
    used, fresh = ONLINE[name](), ONLINE[name]()
    used(np.flip(scores), top_k)
    assert (used(scores, top_k).chosen == fresh(scores, top_k).chosen).all()
