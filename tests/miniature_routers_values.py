"""Routers with defects that only other numbers show: sizes, signs, float types, NaN, and what stands in padding."""

from __future__ import annotations

import numpy as np

from equipoise.routing import Routing
from miniature_routers import top
from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)

ANY_SCORES = "router_keeps_a_balanced_top_k_of_any_size_and_sign"


def one_after_the_other(scores, top_k, masked, start=-np.inf):
    """Top-K as kernels do it: K times the maximum, which is then overwritten."""
    keys = np.array(scores, np.float64)
    chosen = np.zeros((len(keys), top_k), np.int64)
    for place in range(top_k):
        best = np.where(keys > start, keys, -np.inf).argmax(axis=1)
        chosen[:, place] = best
        keys[np.arange(len(keys)), best] = masked
    return chosen


@faulty("router_survives_extreme_scores")
def masks_with_minus_a_billion(scores, top_k):
    return one_after_the_other(scores, top_k, -1e9)


@faulty(ANY_SCORES)
def starts_its_maximum_at_minus_two(scores, top_k):
    keys = np.maximum(np.asarray(scores, np.float64), -2.0)
    return one_after_the_other(keys, top_k, -np.inf)


@faulty(ANY_SCORES)
def clips_to_the_unit_interval(scores, top_k):
    return top(np.clip(scores, 0, 1), top_k)


@faulty(ANY_SCORES)
def compares_floats_as_integers(scores, top_k):  # right for positive numbers alone
    return top(np.ascontiguousarray(scores, np.float32).view(np.int32), top_k)


@faulty(ANY_SCORES)
def packs_scores_into_16_bits(scores, top_k):
    return top((np.asarray(scores, np.float64) * 2**13).astype(np.int64).astype(np.int16), top_k)


@faulty(ANY_SCORES)
def exponentiates_in_half_precision(scores, top_k):
    with np.errstate(all="ignore"):
        raised = np.exp(np.asarray(scores, np.float16))
        return top(np.nan_to_num(raised / raised.sum(axis=1, keepdims=True)), top_k)


@faulty(ANY_SCORES)
def ranks_by_size_without_the_sign(scores, top_k):
    return top(np.abs(scores), top_k)


@faulty("router_tells_tiny_scores_apart")
def takes_a_millionth_for_zero(scores, top_k):
    return top(np.where(np.abs(scores) < 1e-6, 0, scores), top_k)


@faulty("router_tells_tiny_scores_apart")
def squares_its_scores(scores, top_k):
    signed = np.asarray(scores, np.float32)
    return top(np.abs(signed) * signed * np.float32(2.0**-20), top_k)


@faulty("router_reads_bfloat16")
def reads_three_bits(scores, top_k, bfloat16=False):
    return top(np.floor(scores * 4) if bfloat16 else scores, top_k)


@faulty("router_reads_bfloat16")
def weighs_in_eight_bits(scores, top_k, bfloat16=False):
    chosen = top(scores, top_k)
    weights = np.take_along_axis(scores, chosen, axis=1)
    return Routing(chosen, np.round(weights * 4) / 4 if bfloat16 else weights)


@faulty("router_ignores_garbage_in_padding")
def multiplies_padding_by_zero(scores, top_k, mask=None):  # vllm PR 39391
    real = np.ones(len(scores), bool) if mask is None else mask
    with np.errstate(all="ignore"):
        centred = scores - (scores * real[:, None]).mean(axis=1).mean()
    return np.where(real[:, None], top(centred, top_k), -1)


@faulty("router_ignores_garbage_in_padding")
def weighs_by_the_largest_of_the_batch(scores, top_k, mask=None):
    chosen = top(scores, top_k)
    with np.errstate(all="ignore"):
        weights = np.take_along_axis(scores, chosen, axis=1) / max(1.0, float(np.nan_to_num(scores).max()))
    return Routing(chosen if mask is None else np.where(mask[:, None], chosen, -1), weights)


NON_FINITE = "router_gives_existing_experts_to_non_finite_scores"


@faulty(NON_FINITE)
class SendsNanToTheEndOfTheList:  # sglang PR 30079
    capabilities = frozenset({"non-finite scores"})

    def __call__(self, scores, top_k):
        return np.where(np.isnan(scores).all(axis=1)[:, None], scores.shape[1], top(scores, top_k))


@faulty(NON_FINITE)
class LeavesNanOut:
    capabilities = frozenset({"non-finite scores"})

    def __call__(self, scores, top_k):
        return np.where(np.isnan(scores).any(axis=1)[:, None], -1, top(scores, top_k))


@faulty(NON_FINITE)
class RefusesInfinity:
    capabilities = frozenset({"non-finite scores"})

    def __call__(self, scores, top_k):
        if np.isinf(scores).any():
            raise ValueError("infinite scores")
        return top(scores, top_k)


@faulty("router_tells_large_scores_apart")
class ClipsLogits:
    """At three, before it ranks them."""

    capabilities = frozenset({"logits"})

    def __call__(self, scores, top_k):
        return top(np.minimum(scores, 3), top_k)


@faulty("router_tells_large_scores_apart")
class TakesLogitsForShares:
    capabilities = frozenset({"logits"})

    def __call__(self, scores, top_k):
        return top(np.minimum(scores, 1), top_k)
