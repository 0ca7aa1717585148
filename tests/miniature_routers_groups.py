"""Faulty routers that limit a token to groups of experts; ``FAULTY`` names the check that must catch each."""

from __future__ import annotations

import numpy as np

from equipoise.routing import Routing
from miniature_routers import top
from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


def by_two_largest(grouped, top_k, topk_groups):
    return np.sort(grouped, axis=2)[:, :, -2:].sum(axis=2)


def kept(rank, topk_groups):
    mask = np.zeros(rank.shape, bool)
    np.put_along_axis(mask, top(rank, topk_groups), True, axis=1)
    return mask


def refuse(experts, top_k, num_groups, topk_groups):
    if top_k * num_groups > experts * topk_groups:
        raise ValueError("the groups hold fewer than K experts")


def limited(scores, top_k, num_groups, topk_groups, rule=by_two_largest, outside=-np.inf):
    """The best experts of a token's best groups; what is outside of them scores that."""
    refuse(scores.shape[1], top_k, num_groups, topk_groups)
    scores = np.asarray(scores, np.float64)
    grouped = scores.reshape(len(scores), num_groups, -1)
    mask = kept(rule(grouped, top_k, topk_groups), topk_groups)
    return top(np.where(np.repeat(mask, grouped.shape[2], axis=1), scores, outside), top_k)


@faulty("router_stays_within_its_groups")
def ignores_the_groups(scores, top_k, num_groups=1, topk_groups=1):
    refuse(scores.shape[1], top_k, num_groups, topk_groups)
    return top(scores, top_k)


@faulty("router_stays_within_its_groups")
class SaysThatItIsLimited:
    """Its groups are its own, and it does not keep to them."""

    capabilities = frozenset({"group limited"})
    num_groups, topk_groups = 2, 1

    def accepts(self, tokens, experts, top_k):
        return experts % 2 == 0 and 2 * top_k <= experts

    def __call__(self, scores, top_k):
        return top(scores, top_k)


@faulty("router_stays_within_its_groups")
def counts_groups_in_strides(scores, top_k, num_groups=1, topk_groups=1):
    size = scores.shape[1] // num_groups
    order = np.arange(scores.shape[1]).reshape(size, num_groups).T.ravel()  # expert e lies in group e % N
    return order[limited(scores[:, order], top_k, num_groups, topk_groups)]


@faulty("router_refuses_more_experts_than_its_groups_hold")
def leaves_its_groups_where_they_are_small(scores, top_k, num_groups=1, topk_groups=1):
    grouped = scores.reshape(len(scores), num_groups, -1)
    mask = kept(by_two_largest(grouped, top_k, topk_groups), topk_groups)
    return top(np.where(np.repeat(mask, grouped.shape[2], axis=1), scores, scores - 100), top_k)


@faulty("router_refuses_more_experts_than_its_groups_hold")
def gives_as_many_as_the_groups_hold(scores, top_k, num_groups=1, topk_groups=1):
    room = scores.shape[1] // num_groups * topk_groups
    chosen = np.full((len(scores), top_k), -1)
    chosen[:, :room] = limited(scores, min(top_k, room), num_groups, topk_groups)
    return chosen


@faulty("router_takes_what_its_groups_hold")
def compares_k_with_groups(scores, top_k, num_groups=None, topk_groups=None):  # flashinfer issue 4867
    if num_groups is None:
        return top(scores, top_k)
    if top_k > topk_groups:
        raise ValueError("top_k exceeds topk_groups")
    return limited(scores, top_k, num_groups, topk_groups)


@faulty("router_takes_what_its_groups_hold")
def wants_room_to_spare(scores, top_k, num_groups=1, topk_groups=1):  # TensorRT-LLM's routing in flashinfer 1831
    if num_groups > 1 and top_k * num_groups >= scores.shape[1] * topk_groups:
        raise ValueError("top_k must be less than the experts in the groups")
    return limited(scores, top_k, num_groups, topk_groups)


@faulty("router_takes_the_best_of_its_groups")
def scores_masked_groups_zero(scores, top_k, num_groups=1, topk_groups=1):  # DeepSeek-V3 issue 741
    return limited(scores, top_k, num_groups, topk_groups, outside=0.0)


@faulty("router_takes_the_best_of_its_groups")
def mixes_the_rules(scores, top_k, num_groups=1, topk_groups=1):
    by_both = lambda grouped, *_: np.where(  # noqa: E731
        np.arange(len(grouped))[:, None] % 2, by_two_largest(grouped, *_), 9 * grouped.max(axis=2)
    )
    return limited(scores, top_k, num_groups, topk_groups, by_both)


@faulty("router_takes_the_best_of_its_groups")
def sums_the_first_two(scores, top_k, num_groups=1, topk_groups=1):
    return limited(scores, top_k, num_groups, topk_groups, lambda grouped, *_: grouped[:, :, :2].sum(axis=2))


@faulty("router_takes_the_best_of_its_groups")
def needs_two_experts_in_a_group(scores, top_k, num_groups=1, topk_groups=1):  # vllm PR 29439
    two = lambda grouped, *_: np.sort(grouped, axis=2)[:, :, [-1, -2]].sum(axis=2)  # noqa: E731
    return limited(scores, top_k, num_groups, topk_groups, two)


@faulty("router_takes_the_best_of_its_groups")
def sums_nothing_where_groups_are_many(scores, top_k, num_groups=1, topk_groups=1):  # megatron-core 0.19.2
    def by_k_over_m(grouped, top_k, topk_groups):
        return np.sort(grouped, axis=2)[:, :, ::-1][:, :, : top_k // topk_groups].sum(axis=2)

    return limited(scores, top_k, num_groups, topk_groups, by_k_over_m)


@faulty("router_takes_the_best_of_its_groups")
def never_takes_the_last_group(scores, top_k, num_groups=1, topk_groups=1):
    def all_but_the_last(grouped, *_):
        rank = by_two_largest(grouped, *_)
        rank[:, -1] -= 100
        return rank

    return limited(scores, top_k, num_groups, topk_groups, all_but_the_last)


@faulty("router_is_not_limited_by_all_groups")
def normalises_with_groups_alone(scores, top_k, num_groups=1, topk_groups=1):
    chosen = limited(scores, top_k, num_groups, topk_groups)
    weights = np.take_along_axis(np.asarray(scores, np.float64), chosen, axis=1)
    return Routing(chosen, weights / np.abs(weights).sum(axis=1, keepdims=True) if num_groups > 1 else weights)


@faulty("router_is_not_limited_by_all_groups")
def leaves_a_group_out(scores, top_k, num_groups=1, topk_groups=1):
    """One of all groups goes where there are more than two."""
    refuse(scores.shape[1], top_k, num_groups, topk_groups)
    size = scores.shape[1] // num_groups
    used = max(-(-top_k // size), topk_groups - (num_groups > 2))
    return limited(scores, top_k, num_groups, used)


@faulty("router_weighs_within_its_groups")
def reads_weights_behind_the_mask(scores, top_k, num_groups=1, topk_groups=1):
    """Of what is masked the logarithm is minus infinity, and so is a weight shifted by the least of them."""
    chosen = limited(scores, top_k, num_groups, topk_groups)
    weights = np.take_along_axis(np.asarray(scores, np.float64), chosen, axis=1)
    return Routing(chosen, weights if topk_groups == num_groups else weights - np.inf)


@faulty("router_weighs_within_its_groups")
def weighs_in_the_order_of_the_groups(scores, top_k, num_groups=1, topk_groups=1):
    chosen = limited(scores, top_k, num_groups, topk_groups)
    places = np.sort(chosen, axis=1) if num_groups > 1 else chosen
    return Routing(chosen, np.take_along_axis(np.asarray(scores, np.float64), places, axis=1))


@faulty("router_counts_loads_within_its_groups")
class CountsWithoutGroups:  # Megatron-LM issue 2767
    load = None

    def __call__(self, scores, top_k, num_groups=1, topk_groups=1):
        self.load = np.bincount(top(scores, top_k).ravel(), minlength=scores.shape[1])
        return limited(scores, top_k, num_groups, topk_groups)


@faulty("router_keeps_padding_out_of_its_groups")
def minds_padding_without_groups_alone(scores, top_k, num_groups=1, topk_groups=1, mask=None):
    chosen = limited(scores, top_k, num_groups, topk_groups)
    if mask is not None and num_groups == 1:
        chosen[~mask] = -1
    return chosen


@faulty("router_keeps_padding_out_of_its_groups")
def ranks_groups_by_the_batch_with_its_padding(scores, top_k, num_groups=1, topk_groups=1, mask=None):
    """What a group scores on average in the batch is taken off."""

    def rule(grouped, top_k, topk_groups):
        ranks = by_two_largest(grouped, top_k, topk_groups)
        return ranks - (ranks.mean(axis=0) if mask is not None else 0)

    chosen = limited(scores, top_k, num_groups, topk_groups, rule)
    if mask is not None:
        chosen[~mask] = -1
    return chosen
