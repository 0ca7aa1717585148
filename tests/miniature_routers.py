"""Deliberately faulty routers, each a few lines that show one defect; ``FAULTY`` names the check that must catch it."""

from __future__ import annotations

import numpy as np

from equipoise.routing import Routing
from miniatures import hang, into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


def top(keys, top_k):
    return np.argsort(-np.asarray(keys, np.float64), axis=1, kind="stable")[:, :top_k]


ANSWERS = top, lambda scores, top_k: top(-np.asarray(scores, np.float64), top_k)
"""What a router may answer, and what it may answer as well."""


class Biased:
    """Loss-Free in its simplest form; subclasses break one line of it."""

    def __init__(self):
        self.bias = None

    def reset(self):
        self.bias = None

    def __call__(self, scores, top_k):
        bias = self.current(scores)
        chosen = top(scores + bias, top_k)
        self.learn(bias, np.bincount(chosen.ravel(), minlength=scores.shape[1]))
        return Routing(chosen, self.weights(scores, chosen, bias))

    def current(self, scores):
        experts = scores.shape[1]
        return np.zeros(experts) if self.bias is None or len(self.bias) != experts else self.bias

    def learn(self, bias, load):
        self.bias = bias + 0.01 * np.sign(load.mean() - load)

    def weights(self, scores, chosen, bias):
        return np.take_along_axis(np.asarray(scores, np.float64), chosen, axis=1)


# --- faulty: what is returned


@faulty("router_answers")
def returns_float_indices(scores, top_k):  # vllm PR 23243
    return top(scores, top_k).astype(np.float32)


@faulty("router_answers")
def repeats_an_expert(scores, top_k):
    return np.repeat(top(scores, 1), top_k, axis=1)


@faulty("router_answers")
def counts_experts_from_one(scores, top_k):
    return top(scores, top_k) + 1


@faulty("router_answers")
def hangs_on_unequal_counts(scores, top_k):  # fairseq issue 3730
    if len(scores) * top_k % scores.shape[1]:
        hang()
    return top(scores, top_k)


@faulty("router_gives_k_experts")
def drops_silently(scores, top_k):
    chosen = top(scores, top_k).copy()
    chosen[::2, -1] = -1
    return chosen


@faulty("router_takes_all_when_k_is_e")
def cuts_below_the_k_plus_first(scores, top_k):  # PaddleFleet PR 1775
    ordered = np.sort(scores, axis=1)[:, ::-1]
    cut = ordered[:, top_k] if top_k < scores.shape[1] else np.full(len(scores), np.inf)
    chosen = top(scores, top_k)
    chosen[np.take_along_axis(scores, chosen, axis=1) < cut[:, None]] = -1
    return chosen


@faulty("router_works_with_one_expert")
def divides_by_experts_less_one(scores, top_k):
    return top(scores * (1 // (scores.shape[1] - 1) + 1), top_k)


@faulty("router_works_with_few_tokens")
def has_no_capacity_for_few_tokens(scores, top_k):  # DeepSpeed issue 1658
    capacity = len(scores) * top_k // scores.shape[1]
    mask = np.zeros(scores.shape, bool)
    for token, row in enumerate(top(scores, scores.shape[1])):
        free = [expert for expert in row if mask[:, expert].sum() < capacity]
        mask[token, free[:top_k]] = True
    return mask


@faulty("router_works_when_nothing_divides")
def leaves_the_remainder_out(scores, top_k):  # Megatron-LM's quantile balancing asserts that there is none
    chosen = top(scores, top_k)
    chosen[len(scores) - len(scores) * top_k % scores.shape[1] :] = -1
    return chosen


@faulty("router_breaks_ties")
def takes_all_above_a_threshold(scores, top_k):
    return scores >= np.sort(scores, axis=1)[:, -top_k][:, None]


@faulty("router_survives_extreme_scores")
def exponentiates_without_care(scores, top_k):
    with np.errstate(all="ignore"):
        gate = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return np.where(np.isnan(gate).any(axis=1, keepdims=True), -1, top(gate, top_k))


# --- faulty: quality


@faulty("router_is_near_the_optimum")
def takes_the_worst(scores, top_k):
    return top(-np.asarray(scores, np.float64), top_k)


class Capped:
    """Greedy within a capacity of ``slack`` times the balanced load, token by token."""

    capabilities = frozenset({"respects capacity", "online", "drops"})
    slack = 1.0

    def __call__(self, scores, top_k):
        tokens, experts = scores.shape
        capacity = int(self.slack * -(-tokens * top_k // experts))
        left = np.full(experts, capacity)
        chosen = np.full((tokens, top_k), -1)
        for token, row in enumerate(top(scores, experts)):
            free = [expert for expert in row if left[expert] > 0][:top_k]
            chosen[token, : len(free)] = free
            left[free] -= 1
        return chosen


@faulty("router_respects_capacity")
class IgnoresCapacity(Capped):  # DeepSpeed issue 5353
    slack = 4.0


@faulty("router_keeps_a_balanced_top_k")
def rotates_for_balance(scores, top_k):
    tokens, experts = scores.shape
    return (np.arange(tokens)[:, None] + np.arange(top_k) + 1) % experts


@faulty("router_balances_a_skewed_batch")
class AddsInOnePathSubtractsInTheOther(Biased):  # Megatron-LM PR 6802
    def current(self, scores):
        return -2 * super().current(scores)

    def learn(self, bias, load):
        self.bias = -bias / 2 + 0.05 * np.sign(load.mean() - load)


# --- faulty: invariances


@faulty("router_treats_experts_alike")
def prefers_low_indices(scores, top_k):  # sglang PR 31768: a tie-break term that moves tokens
    return top(scores - 0.3 * np.arange(scores.shape[1]), top_k)


@faulty("router_treats_tokens_alike")
def shifts_by_position(scores, top_k):
    return top(np.roll(scores, 1, axis=0) * 0.9 + scores * 0.1, top_k)


@faulty("router_ignores_the_float_type")
def casts_before_top_k(scores, top_k):  # AstrAI PR 57
    return top(np.floor(np.asarray(scores) * 8) if scores.dtype == np.float16 else scores, top_k)


@faulty("router_survives_duplicated_experts")
def looks_experts_up_by_score(scores, top_k):
    best = np.sort(scores, axis=1)[:, ::-1][:, :top_k]
    return np.array([np.isin(row, values) for row, values in zip(scores, best, strict=True)])


# --- faulty: weights and state


@faulty("router_weights_do_not_depend_on_the_bias")
class AddsBiasIntoWeights(Biased):  # vllm PR 12002, transformers PR 41647
    def weights(self, scores, chosen, bias):
        return np.take_along_axis(scores + bias, chosen, axis=1)


@faulty("router_weights_are_finite_and_not_negative")
class CentresWeights(Biased):
    def weights(self, scores, chosen, bias):
        return super().weights(scores, chosen, bias) - 0.5


@faulty("router_weights_follow_the_scores")
class WeightsInTheWrongOrder(Biased):
    def weights(self, scores, chosen, bias):
        return super().weights(scores, chosen, bias)[:, ::-1]


@faulty("router_overload_lowers_the_bias")
class ReversedSign(Biased):  # a public summary of Loss-Free
    def learn(self, bias, load):
        self.bias = bias - 0.01 * np.sign(load.mean() - load)


@faulty("router_bias_is_one_finite_number_per_expert")
class DividesByTheSpread(Biased):  # vmoe PR 218: NaN at perfect balance
    def learn(self, bias, load):
        with np.errstate(all="ignore"):
            self.bias = bias + 0.01 * (load.mean() - load) / load.std()


class Stored(Biased):
    """With a state that can be saved, and steps large enough for a few batches to matter."""

    step = 0.2

    def learn(self, bias, load):
        self.bias = bias + self.step * np.sign(load.mean() - load)

    def state_dict(self):
        return {"bias": None if self.bias is None else self.bias.copy()}

    def load_state_dict(self, state):
        self.bias = state["bias"]


@faulty("router_evaluation_leaves_the_state_alone")
class LearnsInEvaluation(Stored):  # torchtitan PR 4412
    def __call__(self, scores, top_k, training=True):
        return super().__call__(scores, top_k)


@faulty("router_loads_are_counted_once")
class CountsTwice(Biased):  # torchtitan PR 1593, Megatron-LM issue 1478
    load = None

    def learn(self, bias, load):
        self.load = 2 * load
        super().learn(bias, load)


# --- faulty: options


@faulty("router_sends_padding_nowhere")
def ignores_the_mask(scores, top_k, mask=None):  # prime-rl PR 1332
    return top(scores, top_k)


@faulty("router_does_not_look_at_padding")
class LearnsFromPadding(Stored):
    def __call__(self, scores, top_k, mask=None):
        routing = super().__call__(scores, top_k)
        chosen = routing.chosen.copy()
        if mask is not None:
            chosen[~mask] = -1
        return chosen
