"""Routers that break at production sizes alone: at tiles, warps, index types, scratch sizes; ``FAULTY`` as ever."""

from __future__ import annotations

import numpy as np

from equipoise.routing import Routing
from miniature_routers import Capped, top
from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


def weighed(scores, top_k):
    chosen = top(scores, top_k)
    return Routing(chosen, np.take_along_axis(np.asarray(scores, np.float64), chosen, axis=1))


# --- what is returned


@faulty("router_gives_k_experts_at_production_size")
def wraps_ids_of_8_bits(scores, top_k):
    return top(scores, top_k).astype(np.int8)


@faulty("router_gives_k_experts_at_production_size")
def wraps_ids_of_8_bits_without_sign(scores, top_k):
    return top(scores, top_k).astype(np.uint8).astype(np.int64)


@faulty("router_gives_k_experts_at_production_size")
def takes_an_expert_twice_from_16_on(scores, top_k):  # TransformerEngine PR 2821
    chosen = top(scores, top_k)
    chosen[:, 15:] = chosen[:, :1]
    return chosen


@faulty("router_gives_k_experts_at_production_size")
def forgets_the_tail_behind_whole_tiles(scores, top_k):
    chosen = top(scores, top_k)
    if len(scores) > 128:
        chosen[len(scores) // 128 * 128 :] = -1
    return chosen


@faulty("router_gives_k_experts_at_production_size")
def fails_on_more_experts_than_its_scratch_holds(scores, top_k):
    scratch = np.zeros((256, len(scores)))
    scratch[np.arange(scores.shape[1])] = np.asarray(scores).T
    return top(scores, top_k)


@faulty("router_gives_k_experts_at_production_size")
class DropsTooMany:
    """Says that it drops, and takes K + 1 experts in place of K where there are more than 64."""

    capabilities = frozenset({"drops"})

    def __call__(self, scores, top_k):
        mask = np.zeros(scores.shape, bool)
        np.put_along_axis(mask, top(scores, top_k + (scores.shape[1] > 64)), True, axis=1)
        return mask


# --- what is chosen


@faulty("router_takes_the_best_at_production_size")
def ranks_1024_experts(scores, top_k):  # TransformerEngine PR 2821
    return top(scores[:, :1024], top_k)


@faulty("router_takes_the_best_at_production_size")
def works_the_tail_out_from_the_first_rows(scores, top_k):
    keys = np.array(scores)
    tail = len(keys) % 64
    if len(keys) > 64 and tail:
        keys[-tail:] = keys[:tail]
    return top(keys, top_k)


@faulty("router_takes_the_best_at_production_size")
def overflows_its_row_offsets_of_16_bits(scores, top_k):
    experts = scores.shape[1]
    starts = (np.arange(len(scores), dtype=np.int64) * experts).astype(np.uint16)
    flat = np.append(scores, np.zeros((1, experts), scores.dtype)).ravel()
    return top(flat[starts[:, None] + np.arange(experts)], top_k)


@faulty("router_takes_the_best_at_production_size")
def merges_two_halves_with_too_few_from_each(scores, top_k):
    """Above 512 experts; half of K from either half of them."""
    experts = scores.shape[1]
    if experts <= 512 or top_k < 2:
        return top(scores, top_k)
    left = top(scores[:, : experts // 2], top_k // 2)
    return np.hstack([left, top(scores[:, experts // 2 :], top_k - top_k // 2) + experts // 2])


@faulty("router_takes_the_best_at_production_size")
def decodes_one_token_by_another_path(scores, top_k):
    return top(-scores if len(scores) == 1 and scores.shape[1] > 100 else scores, top_k)


@faulty("router_treats_a_token_among_thousands_as_among_few")
def weighs_the_last_token_of_large_batches_by_the_first(scores, top_k):
    routing = weighed(scores, top_k)
    if len(scores) > 1024:
        routing.weights[-1] = routing.weights[0] / 2
    return routing


@faulty("router_treats_a_token_among_thousands_as_among_few")
class WrapsTheNumberOfTheToken:
    """Token by token, by a rule of its own; the scores come from a row that 8 bits can name."""

    def __call__(self, scores, top_k):
        rows = np.arange(len(scores)) % 256
        return top(np.sin(1000 * np.asarray(scores, np.float64)[rows]), top_k)


# --- weights


@faulty("router_weighs_many_experts_as_few")
def halves_weights_at_one_size(scores, top_k):  # vllm-metax issue 270
    routing = weighed(scores, top_k)
    if (scores.shape[1], top_k) == (128, 8):
        routing.weights[:] /= 2
    return routing


@faulty("router_weighs_many_experts_as_few")
def has_no_weight_beyond_the_sixteenth(scores, top_k):
    routing = weighed(scores, top_k)
    routing.weights[:, 16:] = 0
    return routing


@faulty("router_weighs_many_experts_as_few")
def sums_the_first_warp_alone(scores, top_k):
    """A softmax whose sum is over the first 32 experts, and in which the others count from 33 on."""
    gate = np.exp(np.asarray(scores, np.float64))
    chosen = top(scores, top_k)
    return Routing(chosen, np.take_along_axis(gate, chosen, axis=1) / gate[:, :32].sum(axis=1, keepdims=True))


# --- routers that weigh tokens against each other


class Cyclic:
    """Balances all the tokens of an expert in turn: every token's best expert, the others by need."""

    def __call__(self, scores, top_k):
        load = np.zeros(scores.shape[1])
        chosen = np.empty((len(scores), top_k), np.int64)
        for token, row in enumerate(np.asarray(scores, np.float64)):
            chosen[token] = top((row - 0.002 * load)[None], top_k)[0]
            load[chosen[token]] += 1
        return chosen


@faulty("router_serves_every_token_and_expert_at_production_size")
class BalancesTheFirst64Experts(Cyclic):
    def __call__(self, scores, top_k):
        return super().__call__(scores[:, :64], top_k)


@faulty("router_serves_every_token_and_expert_at_production_size")
class SendsTheTailInTurn(Cyclic):
    """What no block of 128 tokens holds goes to experts in turn."""

    def __call__(self, scores, top_k):
        chosen = super().__call__(scores, top_k)
        whole = len(scores) // 128 * 128
        if 0 < whole < len(scores):
            turn = np.arange((len(scores) - whole) * top_k).reshape(-1, top_k) % scores.shape[1]
            chosen[whole:] = turn
        return chosen


@faulty("router_respects_capacity_at_production_size")
class FillsTheExpertsAnewInEveryBlock(Capped):
    """A block has 256 tokens, and the room for all of them."""

    def __call__(self, scores, top_k):
        capacity = -(-len(scores) * top_k // scores.shape[1])
        starts = range(0, len(scores), 256)
        return np.vstack([Within(capacity)(scores[start : start + 256], top_k) for start in starts])


class Within(Capped):
    def __init__(self, capacity):
        self.capacity = capacity

    def __call__(self, scores, top_k):
        self.slack = self.capacity / -(-len(scores) * top_k // scores.shape[1])
        return super().__call__(scores, top_k)


@faulty("router_takes_the_best_of_its_groups_at_production_size")
def sees_sixteen_experts_of_a_group(scores, top_k, num_groups=1, topk_groups=1):
    grouped = np.asarray(scores).reshape(len(scores), num_groups, -1).copy()
    grouped[:, :, 16:] = -np.inf
    rank = np.sort(grouped, axis=2)[:, :, -2:].sum(axis=2)
    keep = np.zeros(rank.shape, bool)
    np.put_along_axis(keep, top(rank, topk_groups), True, axis=1)
    return top(np.where(keep[:, :, None], grouped, -np.inf).reshape(scores.shape), top_k)


@faulty("router_takes_the_best_of_its_groups_at_production_size")
def ignores_the_groups_of_large_batches(scores, top_k, num_groups=1, topk_groups=1):
    kept = scores.shape[1] // num_groups * topk_groups
    return top(scores if len(scores) > 64 else scores[:, :kept], top_k)
