"""The cases of production sizes that routers are tried on."""

from __future__ import annotations

import numpy as np

from equipoise.checks.engine.production import RUNGS, Sizes, production
from equipoise.checks.router.families import from_a_gate
from equipoise.roles.router import RouterCase

MODELS = (
    (8, 2),  # Mixtral
    (32, 4),  # gpt-oss-20b
    (64, 6),  # DeepSeek-V2-Lite
    (128, 4),  # gpt-oss-120b
    (128, 8),  # Qwen3
    (160, 6),  # DeepSeek-V2
    (256, 8),  # DeepSeek-V3
    (384, 8),  # Kimi K2
    (512, 22),  # Nemotron 3
    (896, 16),  # Kimi K3
    (1100, 8),
    (1100, 24),
)
"""E and K of models; the last are more than 1,024 threads and 16 registers hold."""

LADDER = tuple((tokens, *model) for tokens in RUNGS for model in MODELS)
LEVEL = 2.0**-12
FAVOURITE = 3500
"""Level from which on only favourites are."""

GROUPS, OF_GROUPS = 8, 4


def _entries(sizes: Sizes) -> int:
    return sizes[0] * sizes[1]


def _levels(sizes: Sizes, random: np.random.RandomState) -> RouterCase:
    """Return multiples of 2^-12 in (0, 1); the last expert is the favourite of the last token and of every other."""
    tokens, experts, top_k = sizes
    levels = random.randint(1, FAVOURITE, (tokens, experts))
    favourites = levels[(tokens - 1) % 2 :: 2, -1]
    favourites[:] = random.randint(FAVOURITE, 2**12, len(favourites))
    return RouterCase(((levels * LEVEL).astype(np.float32),), top_k)


@production(LADDER, _entries, 80_000, from_a_gate)
def many_for_the_best(sizes: Sizes, random: np.random.RandomState) -> RouterCase:
    """Random scores, for routers that work token by token: up to 8,192 tokens of 896 experts."""
    return _levels(sizes, random)


@production(LADDER, _entries, 20_000, from_a_gate)
def many_asked_twice(sizes: Sizes, random: np.random.RandomState) -> RouterCase:
    """Random scores, fewer of them."""
    return _levels(sizes, random)


@production(LADDER, _entries, 6_000, from_a_gate)
def many(sizes: Sizes, random: np.random.RandomState) -> RouterCase:
    """Random scores, fewer still: for routers that weigh tokens against each other, which takes time."""
    return _levels(sizes, random)


@production(LADDER, _entries, 3_000, from_a_gate)
def many_skewed(sizes: Sizes, random: np.random.RandomState) -> RouterCase:
    """Scores that prefer the last experts."""
    case = _levels(sizes, random)
    popular = np.arange(1, sizes[1] + 1, dtype=np.float32) / sizes[1]
    return RouterCase((case.scores * popular,), case.top_k)


def has_groups(case: RouterCase) -> bool:
    """Whether the experts fall into the groups, and half of these hold K."""
    experts = int(case.scores.shape[1])
    return experts % GROUPS == 0 and OF_GROUPS * experts // GROUPS >= case.top_k


@production(tuple((t, GROUPS * w, 8) for t in RUNGS for w in (8, 20, 32)), _entries, 5_000, has_groups)
def in_groups(sizes: Sizes, random: np.random.RandomState) -> RouterCase:
    """Random scores of experts in eight groups, as DeepSeek-V2 and V3 have them."""
    return _levels(sizes, random)
