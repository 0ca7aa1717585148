"""A router that limits a token to some groups takes the best experts of the best groups, and nothing else changes.

Groups are E/N consecutive experts each. Which groups are a token's best goes by a rule that a router need not declare:
their largest score (DeepSeek-V2), the sum of their two largest (DeepSeek-V3) or of their K/M largest (Megatron-LM).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import SIZES, Failure, check, family
from equipoise.checks.engine.settings import Settings
from equipoise.checks.router.answers import K_EXPERTS, padding
from equipoise.checks.router.families import from_a_gate, shown
from equipoise.errors import InvalidProblem, TargetError
from equipoise.reference.routing.group_limited import group_limited
from equipoise.roles.router import Routed, RouterCase

Floats = npt.NDArray[np.float64]
Groups = tuple[int, int]
"""N groups, of which a token may use M."""

AT_FIRST: Groups = (4, 2)
"""Those of cases that were written before groups were drawn."""

LIMITED = "takes topk_groups|group limited"
NOISE = 1e-5
"""Scores that are closer are equal: a gate may have come between."""


def _room(case: RouterCase, groups: Groups | None = None) -> int:
    """Return how many experts the groups hold that a token may use."""
    number, used = groups or _drawn(case)
    return int(case.scores.shape[1]) // number * used


def _drawn(case: RouterCase) -> Groups:
    return (case.num_groups or AT_FIRST[0], case.topk_groups or AT_FIRST[1])


def _tried(experts_per_token: Callable[[int, int], st.SearchStrategy[int]]) -> st.SearchStrategy[RouterCase]:
    """Return cases with any groups; ``experts_per_token(room, experts)`` draws K."""

    @st.composite
    def drawn(draw: Callable[..., Any]) -> RouterCase:
        sizes = SIZES.get()
        divisors = [] if sizes is None else [n for n in range(1, sizes[0] + 1) if sizes[0] % n == 0]
        groups = draw(st.sampled_from((4, 1, 2, 3, 8) if sizes is None else divisors))
        experts = groups * draw(st.sampled_from((2, 1, 3, 4))) if sizes is None else sizes[0]
        used = draw(st.integers(1, groups))
        room = experts // groups * used
        top_k = draw(experts_per_token(room, experts)) if sizes is None else sizes[1]
        tokens, levels = draw(st.integers(1, 8)), draw(st.sampled_from((max(64, 2 * experts), 4)))
        rng = np.random.default_rng(draw(st.integers(0, 999)))
        if levels > experts:
            places = np.stack([rng.permutation(levels)[:experts] for _ in range(tokens)]) + 1
        else:
            places = rng.integers(1, levels + 1, (tokens, experts))  # tied
        scores = places / (2 * levels) - draw(st.sampled_from((0.0, 1.0, 0.25)))
        return RouterCase((scores.astype(np.float32),), top_k, groups, used)

    return drawn()


@family(lambda case: case.num_groups is not None and case.top_k <= _room(case))
def grouped() -> st.SearchStrategy[RouterCase]:
    """One batch, any groups with room for K, often for no more: one, or of one expert; tied and negative scores."""
    cases = _tried(lambda room, experts: st.one_of(st.just(room), st.integers(1, room)))
    return cases.filter(grouped.admits)


@family(lambda case: case.num_groups is not None and case.top_k > _room(case))
def cramped() -> st.SearchStrategy[RouterCase]:
    """One batch and groups that hold fewer than K experts together."""
    cases = _tried(lambda room, experts: st.integers(min(room + 1, experts), experts))
    return cases.filter(cramped.admits)


def _groups(balancer: Balancer, case: RouterCase) -> Groups | None:
    """Return the router's own groups, or those of the case if it takes any; None if its own do not divide E."""
    if "takes topk_groups" in balancer.capabilities:
        return _drawn(case)
    own = [balancer.attribute(name) for name in ("num_groups", "topk_groups")]
    if not all(np.ndim(one) == 0 and one is not None and int(one) >= 1 for one in own):
        return None
    return (int(own[0]), int(own[1])) if case.scores.shape[1] % int(own[0]) == 0 else None


def _routed(balancer: Balancer, case: RouterCase, groups: Groups | None = None, **more: Any) -> Routed:
    """Return how a fresh router routes the batch, with these groups if it takes any; None: as it does by itself."""
    named = {} if groups is None else dict(zip(("num_groups", "topk_groups"), groups, strict=True))
    balancer.fresh()
    routed: Routed = balancer.ask(
        case.scores, case.top_k, **(named if "takes topk_groups" in balancer.capabilities else {}), **more
    )
    return routed


def _answers(balancer: Balancer, case: RouterCase, groups: Groups | None = None) -> bool:
    """Whether it answers that."""
    try:
        return balancer.takes(*case.calls()[0]) and _routed(balancer, case, groups) is not None
    except TargetError:
        return False


def _used(mask: npt.NDArray[np.bool_], groups: Groups) -> npt.NDArray[np.int64]:
    """Return of how many groups every token uses an expert."""
    used: npt.NDArray[np.int64] = mask.reshape(len(mask), groups[0], -1).any(axis=2).sum(axis=1)
    return used


@check("router", grouped, needs=(LIMITED,))
def router_stays_within_its_groups(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """With ``topk_groups = M`` a token's experts lie in at most M of N groups."""
    groups = _groups(balancer, case)
    if groups is None or case.top_k > _room(case, groups):
        return
    used = _used(_routed(balancer, case, groups).mask, groups)
    if (used > groups[1]).any():
        token = int(np.argmax(used))
        raise Failure(f"token {token} uses {int(used[token])} of {groups[0]} groups, not at most {groups[1]}")


@check("router", cramped, needs=(LIMITED,))
def router_refuses_more_experts_than_its_groups_hold(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Where M groups hold fewer than K experts, a router raises; it does not go beyond its groups in silence."""
    groups = _groups(balancer, case)
    if groups is None or case.top_k <= (room := _room(case, groups)):
        return
    try:
        mask = _routed(balancer, case, groups).mask
    except TargetError as error:
        if error.kind != "raises":
            raise
        return
    taken, used = mask.sum(axis=1), _used(mask, groups)
    few = (taken < case.top_k) & (not balancer.capabilities & set(K_EXPERTS))
    if (wrong := (used > groups[1]) | few).any():
        token = int(np.argmax(wrong))
        raise Failure(
            f"{groups[1]} of {groups[0]} groups hold {room} experts, K is {case.top_k}: it gives token {token} "
            f"{int(taken[token])} experts of {int(used[token])} groups and does not refuse"
        )


@check("router", grouped, needs=("takes topk_groups",))
def router_takes_what_its_groups_hold(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """K experts are not refused where M groups hold them: K may exceed M, and may be all that they hold.

    FlashInfer compared K with the number of groups instead of the experts in them, and refused one group with K = 8
    (issue 4867). A router that refuses K with and without groups, or such groups altogether, may do so.
    """
    groups = _drawn(case)
    try:
        _routed(balancer, case, groups)
    except TargetError as error:
        fewer = replace(case, top_k=case.top_k - groups[1])  # a rule by K/M may want a multiple of M
        if not error.on_purpose or not fewer.valid:
            raise
        without = any(_answers(balancer, case, plain) for plain in (None, (1, 1)))
        if not (without and _answers(balancer, fewer, groups)):
            raise
        raise Failure(
            f"{groups[1]} of {groups[0]} groups hold {_room(case)} experts, but it takes K = {fewer.top_k} and "
            f"refuses K = {case.top_k}: {error}"
        ) from error


@check("router", grouped, needs=(LIMITED,), unless=("random", *K_EXPERTS))
def router_takes_the_best_of_its_groups(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """All tokens take the K best experts of their M best groups, by one published rule, also where scores are negative.

    Masked groups were given the score 0 and won against negative scores (DeepSeek-V3 issue 741, vllm PR 13474, sglang
    PR 3705, transformers PR 45441); groups of one expert have no two largest (vllm PR 29439). A router that balances
    within a batch, and takes other experts without groups too, is not asked.
    """
    groups = _groups(balancer, case)
    if groups is None or case.top_k > _room(case, groups) or _balances(balancer, case):
        return
    balancer.fresh()
    bias = balancer.attribute("bias")
    keys = case.scores.astype(np.float64)
    if isinstance(bias, np.ndarray) and bias.shape == (keys.shape[1],):
        keys = keys + bias.astype(np.float64)
    mask = _routed(balancer, case, groups).mask
    rules = list(_rules(keys, case.top_k, groups))
    for token, chosen in enumerate(mask):
        rules = [ranks for ranks in rules if _best(keys[token], chosen, ranks[token], groups)]
        if not rules or chosen.sum() != case.top_k:
            words = f"{np.flatnonzero(chosen).tolist()} with {groups[1]} of {groups[0]} groups"
            same = "; no rule for groups explains that" + " and the tokens before" * (token > 0)
            raise Failure(f"token {token} takes {words}{same}", _example(keys, case.top_k, groups))


def _balances(balancer: Balancer, case: RouterCase) -> bool:
    """Whether it takes other experts than the best ones where no groups limit it."""
    if "takes topk_groups" not in balancer.capabilities:
        return "balances" in balancer.capabilities
    for groups in (None, (1, 1)):
        try:
            mask = _routed(balancer, case, groups).mask
        except TargetError:
            return False
        if all(_best(*pair, np.zeros(1), (1, 1)) for pair in zip(case.scores, mask, strict=True)):
            return False
    return True


def _rules(keys: Floats, top_k: int, groups: Groups) -> Iterator[Floats]:
    """Yield the groups' scores ``[T, N]`` by every rule, on ``keys`` and on what a gate makes of them, or them of."""
    number, used = groups
    views = [keys, np.exp(keys), 1 / (1 + np.exp(-keys))]
    if (keys > 0).all() and (keys < 1).all():
        views += [np.log(keys), np.log(keys) - np.log1p(-keys)]
    for summed in dict.fromkeys((2, 1, max(1, top_k // used), -(-top_k // used))):
        for view in views:
            yield np.sort(view.reshape(len(keys), number, -1), axis=2)[:, :, -summed:].sum(axis=2)


def _best(keys: Floats, chosen: npt.NDArray[np.bool_], ranks: Floats, groups: Groups) -> bool:
    """Whether a token's choice is the best of M groups that rank best, however ties fall."""
    number, used = groups
    keys, chosen = keys.reshape(number, -1), chosen.reshape(number, -1)
    if not chosen.any():
        return False
    open_to_it = np.where(chosen, -np.inf, keys).max(axis=1) <= keys[chosen].min() + NOISE  # it leaves nothing better
    bar = np.sort(ranks)[-used]
    above, level = ranks > bar + NOISE, np.abs(ranks - bar) <= NOISE
    needed = above | chosen.any(axis=1)
    fits = bool((above | level)[needed].all() and open_to_it[needed].all() and needed.sum() <= used)
    return fits and int((needed | (level & open_to_it)).sum()) >= used


def _example(keys: Floats, top_k: int, groups: Groups) -> Any:
    """Return the routing by the two best experts of every group, as a better answer."""
    try:
        return group_limited(keys, top_k, *groups).tolist()
    except InvalidProblem:
        return None


@check("router", grouped, needs=("takes topk_groups",), unless=("random",))
def router_is_not_limited_by_all_groups(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Where a token may use all N groups, it gets the experts and the weights that it gets with one group."""
    number = _drawn(case)[0]
    limited, free = (_routed(balancer, case, groups) for groups in ((number, number), (1, 1)))
    ranked = np.sort(case.scores.astype(np.float64), axis=1)[:, ::-1]
    tied = ranked[:, case.top_k - 1] - ranked[:, case.top_k] <= NOISE if case.top_k < ranked.shape[1] else False
    moved = (limited.mask != free.mask).any(axis=1) & ~np.broadcast_to(tied, len(ranked))
    if moved.any():
        where = f"with all of {number} groups token {int(np.argmax(moved))} goes elsewhere than with one group"
        raise Failure(where, shown(free.mask))
    if limited.weights is None or free.weights is None:
        return
    same = (limited.mask == free.mask).all(axis=1)
    apart = ~np.isclose(limited.weights, free.weights, NOISE, NOISE, equal_nan=True).all(axis=1)
    if (same & apart).any():
        token = int(np.argmax(same & apart))
        given, wanted = (one[token][free.mask[token]].round(6).tolist() for one in (limited.weights, free.weights))
        raise Failure(f"with all of {number} groups token {token} has the weights {given}, with one group {wanted}")


@check("router", grouped, needs=("returns weights", LIMITED))
def router_weighs_within_its_groups(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """With groups too weights are finite, for scores in [0, 1] not negative, and do not fall where scores rise."""
    groups = _groups(balancer, case)
    if groups is None or case.top_k > _room(case, groups):
        return
    routed = _routed(balancer, case, groups)
    if routed.weights is None:
        return
    for token, chosen in enumerate(routed.mask):
        experts = np.flatnonzero(chosen)
        order = experts[np.argsort(case.scores[token, experts], kind="stable")]
        scores, weights = case.scores[token, order].astype(np.float64), routed.weights[token, order]
        finite = bool(np.isfinite(weights).all())
        falls = finite and ((np.diff(scores) > NOISE) & (np.diff(weights) < -1e-6)).any()
        if not finite or (from_a_gate(case) and ((weights < 0).any() or falls)):
            raise Failure(
                f"token {token} has scores {scores.tolist()} but weights {weights.round(6).tolist()} for experts "
                f"{order.tolist()}, with {groups[1]} of {groups[0]} groups"
            )


@check("router", grouped, needs=("takes mask", LIMITED), unless=("random",))
def router_keeps_padding_out_of_its_groups(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """With groups too padding is sent nowhere, and what stands in it changes nothing for real tokens."""
    groups = _groups(balancer, case)
    if groups is None or case.top_k > _room(case, groups):
        return
    real, answers = padding(len(case.scores)), []
    ramp = np.arange(case.scores.shape[1], dtype=case.scores.dtype) / case.scores.shape[1]
    for filler in (ramp, ramp[::-1]):
        scores = np.where(real[:, None], case.scores, filler)
        routed = _routed(balancer, replace(case, batches=(scores,)), groups, mask=real)
        sent = np.where(real, 0, routed.mask.sum(axis=1))
        if sent.any():
            token = int(np.argmax(sent))
            words = f"padding token {token} is sent to {int(sent[token])} experts"
            raise Failure(f"{words} with {groups[1]} of {groups[0]} groups")
        answers.append(routed.mask[real])
    if not np.array_equal(answers[0], answers[1]):
        said = f"other padding sends the real tokens to {shown(answers[1])}, not {shown(answers[0])}"
        raise Failure(f"{said}, with {groups[1]} of {groups[0]} groups")


@check("router", grouped, needs=("has load", LIMITED))
def router_counts_loads_within_its_groups(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """An attribute ``load`` counts the experts that tokens got, not those that they would have got without groups.

    Megatron-LM counted the latter for its auxiliary loss (issue 2767).
    """
    groups = _groups(balancer, case)
    if groups is None or case.top_k > _room(case, groups):
        return
    routed = _routed(balancer, case, groups)
    load = balancer.attribute("load")
    if not isinstance(load, np.ndarray) or load.tolist() != routed.load.tolist():
        given = None if load is None else np.asarray(load).tolist()
        raise Failure(f"its load is {given}, not {routed.load.tolist()}, with {groups[1]} of {groups[0]} groups")
