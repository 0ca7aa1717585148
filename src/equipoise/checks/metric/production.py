"""Metrics at production sizes: hundreds of experts and ranks in dozens of layers, thousands of tokens."""

from __future__ import annotations

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.production import Sizes, production
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.metric.answers import LOADS, ask, compare, value, wanted
from equipoise.roles.metric import OF_TOKENS, MetricCase, kind_of

LAYERS = (1, 3, 27, 33, 58, 61, 65, 94)
RANKS = (8, 33, 64, 65, 128, 129, 256, 257, 384, 896, 1100)
MODELS = ((8, 2), (32, 4), (60, 4), (64, 6), (128, 4), (128, 8), (160, 6), (256, 8), (384, 8), (512, 22), (1100, 16))
"""E and K."""

DISTINCT = 3
"""Tokens of a sequence that are different; the others are these again, in a row."""

SEQUENCES = 2
REPEATS = (1, 11, 21, 43, 86, 171, 341, 683, 1365, 2731, 5461, 10923)
"""How often: T is a neighbour of a power of two, up to 32,769."""

TOLERANCE = 1e-3
"""What sums of thousands of numbers in single precision may be off."""


@production(
    tuple((layers, ranks, bits) for layers in LAYERS for ranks in RANKS for bits in (8, 16, 32, 41)),
    lambda sizes: sizes[0] * sizes[1],
    4_000,
    lambda case: case.load.size > 0 and bool(case.load.any(axis=1).all()),
)
def many_loads(sizes: Sizes, random: np.random.RandomState) -> MetricCase:
    """Skewed loads; the last rank's is the largest in the last layer."""
    layers, ranks, bits = sizes
    load = np.floor(2.0 ** (bits * random.random_sample((layers, ranks)))).astype(np.int64)
    load[-1, -1] = 2**bits - 1
    return MetricCase.of_loads(load)


def _in_a_row(case: MetricCase) -> bool:
    tokens = case.logits.shape[1]
    if not case.logits.size or tokens % DISTINCT:
        return False
    return all(
        np.array_equal(np.repeat(part[:, :: tokens // DISTINCT], tokens // DISTINCT, axis=1), part)
        for part in (case.logits, case.experts)
    )


@production(
    tuple((repeats, *model) for repeats in REPEATS for model in MODELS),
    lambda sizes: SEQUENCES * DISTINCT * sizes[0] * sizes[1],
    30_000,
    _in_a_row,
)
def many_tokens(sizes: Sizes, random: np.random.RandomState) -> MetricCase:
    """A few different tokens, each many times in a row, at the experts of their largest logits, the last one too."""
    repeats, experts, top_k = sizes
    levels = np.argsort(random.random_sample((SEQUENCES, DISTINCT, experts)), axis=-1)
    levels[:, 0, -1] = experts
    few = MetricCase.routed((levels / 128).astype(np.float32), min(top_k, experts))
    return MetricCase.of_tokens(*(np.repeat(part, repeats, axis=1) for part in (few.logits, few.experts)))


def _few(case: MetricCase) -> MetricCase:
    """Return the case with every token once."""
    every = case.logits.shape[1] // DISTINCT
    return MetricCase.of_tokens(case.logits[:, ::every], case.experts[:, ::every])


@check("metric", many_loads, needs=(LOADS,))
def metric_is_exact_at_production_size(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """Of hundreds of ranks in dozens of layers it is what its formula gives in rational numbers, but for a thousandth.

    A rank beyond the 255th or a layer beyond the 64th may be the fullest.
    """
    (given,) = balancer.calls(case)
    got = ask(balancer, given)
    right = np.atleast_1d(wanted(balancer, given, got))
    row = int(np.argmax(np.abs(np.atleast_1d(got) - right)))
    of = f"of row {row}" if got.ndim else "of all rows"
    compare(np.atleast_1d(got)[row], right[row], f"{of} among {case.load.shape[0]} of {case.load.shape[1]}", TOLERANCE)


@check("metric", many_tokens, needs=("|".join(OF_TOKENS),))
def metric_counts_thousands_of_tokens_as_few(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """Of a few tokens, each many times in a row, it is what it is of these few; a load is as many times theirs.

    Counters of 8 bits wrap around, float16 stops counting at 2,048, and tails that no tile divides are forgotten.
    """
    few, repeats = _few(case), case.logits.shape[1] // DISTINCT
    got = value(balancer, case)
    exact = wanted(balancer, balancer.calls(few)[0], got)
    if kind_of(balancer.capabilities) != "expert-load":
        compare(got, exact, f"of {case.logits.shape[1]} tokens a sequence", TOLERANCE)
    elif (wrong := got != exact * repeats).any():
        expert = int(np.argmax(wrong))
        raise Failure(f"expert {expert} has {exact[expert] * repeats:g} assignments, and it counts {got[expert]:g}")
