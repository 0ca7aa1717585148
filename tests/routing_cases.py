"""Score matrices on integer grids, every routing rule in a form that takes them, and the dual in exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from equipoise.reference.routing.alf_lb import ALFLB
from equipoise.reference.routing.base_layers import BASE
from equipoise.reference.routing.bip import BIP
from equipoise.reference.routing.bip_histogram import BIPHistogram
from equipoise.reference.routing.bip_online import BIPOnline
from equipoise.reference.routing.expert_choice import expert_choice
from equipoise.reference.routing.group_limited import GroupLimited
from equipoise.reference.routing.longcat import LongCat
from equipoise.reference.routing.loss_controlled import LossControlled
from equipoise.reference.routing.loss_free import LossFree
from equipoise.reference.routing.loss_free_multiplicative import LossFreeMultiplicative
from equipoise.reference.routing.loss_free_proportional import LossFreeProportional
from equipoise.reference.routing.midpoint import Midpoint
from equipoise.reference.routing.quantile import QuantileBalancing
from equipoise.reference.routing.quantile_histogram import QuantileHistogram
from equipoise.reference.routing.sinkhorn import Sinkhorn
from equipoise.reference.routing.topk import topk

BIASED = {
    "loss-free": lambda: LossFree(rate=1),
    "loss-free-tokens": lambda: LossFreeProportional("tokens", rate=0.5),
    "loss-free-share": lambda: LossFreeProportional("share", rate=4),
    "loss-free-relative": lambda: LossFreeProportional("relative", rate=1),
    "loss-controlled": lambda: LossControlled(alpha=1),
    "longcat": lambda: LongCat(rate=4),
    "alf-lb": lambda: ALFLB(rate=1),
    "group-limited": lambda: GroupLimited(num_groups=1, topk_groups=1, rate=1),
}
"""Rules that add a bias learnt from past loads; steps are as large as the grid, so that they matter."""

SWEEPING = {
    "bip": BIP,
    "quantile": QuantileBalancing,
    "quantile-histogram": lambda: QuantileHistogram(bins=16),
    "midpoint": Midpoint,
}
"""Rules that set a bias by a sweep."""

ONLINE = {"bip-online": BIPOnline, "bip-histogram": lambda: BIPHistogram(bins=8, top=8.0)}

PRICED = BIASED | SWEEPING | ONLINE
"""Every rule that shows prices or biases."""

DISTINCT = PRICED | {
    "topk": lambda: topk,
    "loss-free-multiplicative": lambda: LossFreeMultiplicative(rate=0.25),
    "sinkhorn": lambda: Sinkhorn(max_iterations=50),
    "sinkhorn-stable": lambda: Sinkhorn(max_iterations=50, stable=True),
}
"""Every rule that gives each token exactly K experts, for any K."""

EVERY = DISTINCT | {"base": BASE, "expert-choice": lambda: expert_choice}


def prices_of(router):
    """Prices of a router that shows prices or biases; None before it has any."""
    prices = getattr(router, "prices", None)
    bias = getattr(router, "bias", None)
    return prices if prices is not None or bias is None else -bias


def grids(elements=None, max_tokens: int = 7, max_experts: int = 5):
    """Small integer scores, as float64, with many ties."""
    elements = st.integers(-4, 8) if elements is None else elements
    shapes = st.tuples(st.integers(1, max_tokens), st.integers(1, max_experts))
    return shapes.flatmap(lambda shape: hnp.arrays(float, shape, elements=elements.map(float)))


@st.composite
def cases(draw, elements=None, below: bool = False, max_tokens: int = 7, max_experts: int = 5):
    """Scores and K; ``below``: only K < E."""
    least = 2 if below else 1
    scores = draw(grids(elements, max_tokens, max_experts).filter(lambda s: s.shape[1] >= least))
    return scores, draw(st.integers(1, scores.shape[1] - below))


@st.composite
def tie_free(draw, scale: int = 1, max_tokens: int = 7, max_experts: int = 5):
    """Distinct integer scores, multiples of ``scale`` apart, and K < E."""
    tokens, experts = draw(st.integers(1, max_tokens)), draw(st.integers(2, max_experts))
    order = draw(st.permutations(range(tokens * experts)))
    return scale * np.array(order, float).reshape(tokens, experts), draw(st.integers(1, experts - 1))


def exact(values) -> list[Fraction]:
    """Floats as the fractions they are."""
    return [Fraction(float(value)) for value in np.ravel(values)]


def equality_dual(scores, prices, top_k: int, rent=None) -> Fraction:
    """``sum of the K largest of s - q, over tokens, plus rent * sum q``; rent is T K / E unless given."""
    tokens, experts = scores.shape
    q = exact(prices)
    total = (Fraction(tokens * top_k, experts) if rent is None else rent) * sum(q)
    for row in scores:
        total += sum(sorted((s - p for s, p in zip(exact(row), q, strict=True)), reverse=True)[:top_k])
    return total


def drop_dual(scores, prices, top_k: int, rent) -> Fraction:
    """The dual of the form that may drop: of the K largest only the positive parts count."""
    q = exact(prices)
    total = rent * sum(q)
    for row in scores:
        best = sorted((s - p for s, p in zip(exact(row), q, strict=True)), reverse=True)[:top_k]
        total += sum(max(value, 0) for value in best)
    return total


def bound(scores, prices, top_k: int) -> Fraction:
    """``D(q - min q)`` at integer capacities ``ceil(T K / E)``."""
    tokens, experts = scores.shape
    shifted = np.array([price - min(exact(prices)) for price in exact(prices)])
    total = -(-tokens * top_k // experts) * sum(shifted)
    for row in scores:
        total += sum(sorted((s - p for s, p in zip(exact(row), shifted, strict=True)), reverse=True)[:top_k])
    return total
