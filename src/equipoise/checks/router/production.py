"""Routers at production sizes: what holds of a few tokens and experts holds of thousands.

Little of it needs an oracle: a router that takes the best K experts of a few does so of 1,100 as well, and a token has
in a large batch the experts and weights that it has in a small one. Which routers these are is found out from them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, Silent, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.router.answers import K_EXPERTS
from equipoise.checks.router.quality import settled
from equipoise.checks.router.sizes import (
    FAVOURITE,
    GROUPS,
    LEVEL,
    OF_GROUPS,
    has_groups,
    in_groups,
    many,
    many_asked_twice,
    many_for_the_best,
    many_skewed,
)
from equipoise.errors import TargetError
from equipoise.roles.router import Routed, RouterCase

Reals = npt.NDArray[np.float64]

TOKENS = 24
"""Of a small batch."""

COARSE = 2.0**-7
"""What a router that rounds scores may lose, in bfloat16 for instance."""

NEAR = 1e-2
"""Relative difference of weights that a narrow float type explains."""

FAVOURED = 16
"""Tokens, a quarter of all at least, whose best expert gets some of them wherever it stands, or nowhere."""

BLOCK = 8
"""Tokens in a row that are judged together."""

FILLERS = (0.0, -1e4)
"""Scores that cannot win; only the second vanishes in a softmax."""


def _routed(balancer: Balancer, scores: npt.NDArray[Any], top_k: int, **keywords: Any) -> Routed:
    """Return what a fresh router makes of the scores."""
    balancer.fresh()
    routed: Routed = balancer.ask(np.ascontiguousarray(scores), top_k, **keywords)
    return routed


def _few(balancer: Balancer) -> list[RouterCase]:
    """Return small batches that it takes, on which who balances at all does so: some experts are far too popular."""
    cases = []
    for tokens, experts, top_k in ((TOKENS, 24, 2), (TOKENS, 24, 3), (64, 16, 2), (32, 28, 6)):
        experts, top_k = balancer.sizes or (experts, top_k)
        random = np.random.RandomState(tokens + top_k)
        popular = random.permutation(experts) + 1
        levels = random.randint(1, FAVOURITE, (tokens, experts)) * popular // experts + 1
        if tokens == TOKENS:  # all want the same, and hardly less or more
            wanted = min(experts, 2 * top_k)
            levels[:, popular <= wanted] = 2**12 - 1 - np.stack([random.permutation(wanted) for _ in levels])
        cases.append(RouterCase(((levels * LEVEL).astype(np.float32),), top_k))
    return [case for case in cases if balancer.takes(case.scores, case.top_k)]


def _best(scores: npt.NDArray[Any], top_k: int) -> npt.NDArray[Any]:
    """Return the K best scores of every token, the lowest first."""
    return np.sort(np.partition(scores, scores.shape[1] - top_k, axis=1)[:, scores.shape[1] - top_k :], axis=1)


def _lost(routed: Routed, case: RouterCase) -> Reals:
    """Return by how much the worst expert of every token is below its K-th best; nothing below none."""
    worst = np.where(routed.mask, case.scores, np.inf).min(axis=1).astype(np.float64)
    return np.asarray(_best(case.scores, case.top_k)[:, 0].astype(np.float64) - worst)


@lru_cache(maxsize=8)
def _slack(balancer: Balancer, name: str) -> float | None:
    """Return what a router that takes the best K of a few may lose: nothing, unless it rounds; None: it is another."""
    lost = 0.0 if (few := _few(balancer)) else None
    for case in few:
        try:
            routed = _routed(balancer, case.scores, case.top_k)
            if (routed.mask.sum(axis=1) != case.top_k).any() or (here := float(_lost(routed, case).max())) >= COARSE:
                return None
            if here > 0 and not (_comparable(balancer, case) and _changed(balancer, case) is None):
                return None
        except TargetError:
            return None
        lost = max(lost or 0.0, here)
    return COARSE if lost else lost


@lru_cache(maxsize=8)
def _works_token_by_token(balancer: Balancer, name: str) -> bool:
    """Whether a token has in small batches what it has in smaller ones."""
    try:
        compared = [few for few in _few(balancer) if _comparable(balancer, few)]
        return bool(compared) and all(_changed(balancer, few) is None for few in compared)
    except TargetError:
        return False


@lru_cache(maxsize=8)
def _filler(balancer: Balancer, name: str) -> float | None:
    """Return the score of experts that change no weight in small batches; None if there is none."""
    for filler in FILLERS:
        try:
            if all(_misweighed(balancer, few, filler) is None for few in _few(balancer)):
                return filler
        except TargetError:
            pass
    return None


@check("router", many)
def router_gives_k_experts_at_production_size(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Thousands of tokens get K distinct experts that exist; fewer or more as far as that is declared.

    Indices of 8 or 16 bits wrap around, tails that no tile divides are forgotten, and with K >= 16 an expert was taken
    twice (TransformerEngine PR 2821).
    """
    taken = _routed(balancer, case.scores, case.top_k).mask.sum(axis=1)
    declared = balancer.capabilities
    wrong = taken > case.top_k if "drops" in declared else taken != case.top_k
    if wrong.any() and "any number" not in declared:
        token = int(np.argmax(wrong))
        raise Failure(f"token {token} gets {int(taken[token])} experts, not {case.top_k}")


@check("router", many_for_the_best, unless=("random", "online", *K_EXPERTS))
def router_takes_the_best_at_production_size(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """A router that takes the best K experts where there are few takes them also of 1,100 and for 8,192 tokens.

    Experts beyond the 1,023rd were never ranked (TransformerEngine PR 2821).
    """
    slack = _slack(balancer, balancer.name)
    if slack is None:
        raise Silent("does not take the best K experts of a few")
    routed = _routed(balancer, case.scores, case.top_k)
    fewer, lost = routed.mask.sum(axis=1) != case.top_k, _lost(routed, case)
    if (wrong := fewer | (lost > slack)).any():
        token = int(np.argmax(wrong))
        row, mask = case.scores[token], routed.mask[token]
        if fewer[token]:
            raise Failure(f"token {token} gets {int(mask.sum())} experts, not {case.top_k}")
        left, worst = int(np.argmax(np.where(mask, -np.inf, row))), int(np.argmin(np.where(mask, row, np.inf)))
        raise Failure(
            f"token {token} goes to expert {worst} with score {row[worst]:.6g} and not to expert {left} with "
            f"{row[left]:.6g}; of few experts it takes the best"
        )


def _spread(tokens: int, most: int = TOKENS) -> npt.NDArray[np.int64]:
    """Return which tokens are asked again: some from all over the batch, half of them at most, the last always."""
    return np.unique(np.linspace(0, tokens - 1, min(most, -(-tokens // 2)) + 1).astype(np.int64)[1:])


def _traits(routed: Routed, scores: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Reals | None]:
    """Return the scores of every token's experts, the lowest first, and their weights: which of equals is no matter."""
    chosen = np.where(routed.mask, scores, -np.inf)
    if (weights := routed.weights) is None:
        return np.sort(chosen, axis=1), None
    order = np.lexsort((weights, chosen), axis=1)
    return np.take_along_axis(chosen, order, axis=1), np.take_along_axis(weights, order, axis=1)


def _comparable(balancer: Balancer, case: RouterCase) -> bool:
    """Whether it takes the tokens that are asked again by themselves too."""
    return balancer.takes(case.scores[_spread(len(case.scores))], case.top_k)


def _changed(balancer: Balancer, case: RouterCase) -> str | None:
    """Return how a token in the batch differs from the same token among few, in words."""
    some = _spread(len(case.scores))
    all_chosen, all_weights = _traits(_routed(balancer, case.scores, case.top_k), case.scores)
    few = _routed(balancer, case.scores[some], case.top_k)
    chosen, weights = _traits(few, case.scores[some])
    if (differ := (all_chosen[some] != chosen).any(axis=1)).any():
        place = int(np.argmax(differ))
        given = np.flatnonzero(few.mask[place]).tolist()
        return f"token {some[place]} of {len(case.scores)} goes to other experts than among {len(some)} tokens: {given}"
    if all_weights is not None and weights is not None:
        unlike = ~np.isclose(all_weights[some], weights, rtol=NEAR, atol=1e-6).all(axis=1)
        if unlike.any():
            place = int(np.argmax(unlike))
            top = all_weights[some[place]][-1], weights[place][-1]
            words = f"weights (for its best expert {top[0]:.6g}) than among {len(some)} tokens ({top[1]:.6g})"
            return f"token {some[place]} of {len(case.scores)} has other {words}"
    return None


@check("router", many_asked_twice, unless=("random", "online", "drops"))
def router_treats_a_token_among_thousands_as_among_few(
    balancer: Balancer, case: RouterCase, settings: Settings
) -> None:
    """Where a token has the experts and weights in a small batch that it has alone, it has them in a large one too.

    Tokens worked on in chunks, and tails that no tile divides, get a neighbour's experts or weights.
    """
    if not _comparable(balancer, case) or not _works_token_by_token(balancer, balancer.name):
        raise Silent("gives a token of a small batch other experts or weights than alone")
    if (words := _changed(balancer, case)) is not None:
        raise Failure(words)


def _columns(scores: npt.NDArray[Any], top_k: int, filler: float) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the scores with all but the K best filled, and some tokens of those with two fillers at most."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, : top_k + 2]
    filled = np.full_like(scores, filler)
    best = order[:, :top_k]
    np.put_along_axis(filled, best, np.take_along_axis(scores, best, axis=1), axis=1)
    some = _spread(len(scores))
    return filled, np.take_along_axis(filled[some], np.sort(order[some], axis=1), axis=1)


def _weights(balancer: Balancer, scores: npt.NDArray[Any], top_k: int) -> Reals | None:
    """Return every token's K weights, of its worst expert first; None if there are none, or it takes no such scores."""
    if not balancer.takes(scores, top_k):
        return None
    _, weights = _traits(_routed(balancer, scores, top_k), scores)
    return None if weights is None else weights[:, -top_k:]


def _misweighed(balancer: Balancer, case: RouterCase, filler: float) -> str | None:
    """Return how weights change with experts that cannot win, or with the number that is chosen, in words."""
    top_k, some = case.top_k, _spread(len(case.scores))
    filled, narrow = _columns(case.scores, top_k, filler)
    wide, alone = _weights(balancer, filled, top_k), _weights(balancer, narrow, top_k)
    if wide is None or alone is None:
        return None
    given, wanted = wide[some], alone
    if (unlike := ~np.isclose(given, wanted, rtol=NEAR, atol=1e-6).all(axis=1)).any():
        place = int(np.argmax(unlike))
        words = f"weights {given[place].round(6).tolist()}, but {wanted[place].round(6).tolist()}"
        return f"token {some[place]} has the {words} without the experts that cannot win"
    for place in range(min(2, len(some)) if top_k > 1 else 0):
        scores = _best(narrow[place : place + 1], top_k)[0]
        pairs = _weights(balancer, np.stack([scores[:-1], scores[1:]], axis=1), 2)
        if pairs is None:
            return None
        shares, alike = pairs[:, 1] * given[place][:-1], pairs[:, 0] * given[place][1:]
        if (unlike := ~np.isclose(shares, alike, rtol=NEAR, atol=1e-9)).any():
            rank = int(np.argmax(unlike))
            ratio = f"{given[place][rank]:.6g} to {given[place][rank + 1]:.6g}"
            words = f"{pairs[rank, 0]:.6g} to {pairs[rank, 1]:.6g}"
            return f"token {some[place]} has two weights of {ratio} with K = {top_k}, and {words} with these alone"
    return None


@check("router", many_asked_twice, needs=("returns weights",), unless=("random", "online", *K_EXPERTS))
def router_weighs_many_experts_as_few(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Experts that cannot win change no weight, and two weights have the ratio that they have with K = 2.

    Where that holds of a few experts, it holds of hundreds. Only for E = 128 and K = 8 weights were wrong in vLLM-metax
    (issue 270).
    """
    filler = None if _slack(balancer, balancer.name) is None else _filler(balancer, balancer.name)
    if filler is None:
        raise Silent("weighs the best K experts of a few otherwise where experts are added that cannot win")
    if (words := _misweighed(balancer, case, filler)) is not None:
        raise Failure(words)


@check("router", many, unless=("random", "depends on expert order", "online", "drops"))
def router_serves_every_token_and_expert_at_production_size(
    balancer: Balancer, case: RouterCase, settings: Settings
) -> None:
    """No expert that many tokens prefer is idle for its place, and no eight tokens get experts as if at random.

    A router that ranks the first 256 experts, or forgets the tokens behind its last whole tile, shows here even if it
    balances, so that no single token's experts are known. Balance may leave a favourite idle (Sinkhorn does), but then
    also with the experts in reverse order.
    """
    routed = _routed(balancer, case.scores, case.top_k)
    favoured = np.bincount(case.scores.argmax(axis=1), minlength=case.scores.shape[1])
    room = case.scores.shape[1] <= len(case.scores) * case.top_k  # fewer assignments than experts leave some idle
    if room and (idle := (routed.load == 0) & (favoured >= max(FAVOURED, len(case.scores) / 4))).any():
        expert = int(np.argmax(idle))
        if turned := int(_routed(balancer, case.scores[:, ::-1], case.top_k).load[::-1][expert]):
            words = (
                f"is the best of {int(favoured[expert])} tokens, and gets {turned} with the experts in reverse order"
            )
            raise Failure(f"expert {expert} gets no token, {words}")
    if len(case.scores) < 2 * BLOCK:
        return
    if (taken := routed.mask.sum(axis=1)).min() == 0:
        return
    mean = case.scores.mean(axis=1)
    reached = np.where(routed.mask, case.scores, 0).sum(axis=1) / taken - mean
    quality = reached / np.maximum(_best(case.scores, case.top_k).mean(axis=1) - mean, 1e-9)
    overall = float(quality.mean())
    starts = np.append(np.arange(0, len(quality) - BLOCK, BLOCK), len(quality) - BLOCK)
    blocks = np.stack([quality[start : start + BLOCK].mean() for start in starts])
    worst = int(np.argmin(blocks))
    if overall >= 0.5 and blocks[worst] < overall / 4:
        start, gain = int(starts[worst]), f"{blocks[worst]:.2%} of what they could gain over experts at random"
        raise Failure(f"tokens {start} to {start + BLOCK - 1} get {gain}, all tokens {overall:.2%}")


@check("router", many_skewed, needs=("respects capacity",))
def router_respects_capacity_at_production_size(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """No expert takes more than ceil(T * K / E) of thousands of tokens, for those that declare "respects capacity"."""
    load = settled(balancer, case).load
    tokens, experts = case.scores.shape
    limit = -(-tokens * case.top_k // experts)
    if load.max() > limit:
        raise Failure(f"expert {int(load.argmax())} takes {int(load.max())} tokens, the capacity is {limit}")


@check("router", in_groups, needs=("takes topk_groups",), unless=K_EXPERTS)
def router_takes_the_best_of_its_groups_at_production_size(
    balancer: Balancer, case: RouterCase, settings: Settings
) -> None:
    """With 8 groups of 8 to 32 experts a token uses 4 groups at most, and the best experts of those that it uses.

    The latter is asked of routers that do so in groups of two or three experts: others balance.
    """
    groups, left, worst = _in_its_groups(balancer, case)
    if groups.max() > OF_GROUPS:
        token = int(np.argmax(groups))
        raise Failure(f"token {token} uses {int(groups[token])} groups, not at most {OF_GROUPS}")
    lost = left.max(axis=1) - worst
    if lost.max() > COARSE and _takes_the_best_of_small_groups(balancer, balancer.name):
        token = int(np.argmax(lost))
        words = f"leaves expert {int(left[token].argmax())} with {left[token].max():.6g}"
        raise Failure(f"token {token} takes an expert with score {worst[token]:.6g} and {words} in the same group")


def _in_its_groups(balancer: Balancer, case: RouterCase) -> tuple[npt.NDArray[np.int64], Reals, Reals]:
    """Return how many groups each token uses, the scores of the experts that it leaves there, and of its worst."""
    mask = _routed(balancer, case.scores, case.top_k, num_groups=GROUPS, topk_groups=OF_GROUPS).mask
    used, scores = mask.reshape(len(mask), GROUPS, -1).any(axis=2), case.scores.astype(np.float64)
    open_to = np.repeat(used, mask.shape[1] // GROUPS, axis=1) & ~mask
    return used.sum(axis=1), np.where(open_to, scores, -np.inf), np.where(mask, scores, np.inf).min(axis=1)


@lru_cache(maxsize=8)
def _takes_the_best_of_small_groups(balancer: Balancer, name: str) -> bool:
    small = [_in_its_groups(balancer, case) for case in _few(balancer) if has_groups(case)]
    return all((left.max(axis=1) - worst).max() <= COARSE for _, left, worst in small)
