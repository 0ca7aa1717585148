"""Small balancers with exactly the call forms of frameworks, in NumPy: each is a correct top-K."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np


def sigmoid(logits):
    return 1 / (1 + np.exp(-np.asarray(logits, np.float64)))


def softmax(logits):
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def largest(scores, top_k):
    return np.argsort(-scores, axis=1, kind="stable")[:, :top_k]


def weights_first(scores, top_k):
    ids = largest(scores, top_k)
    return np.take_along_axis(scores, ids, axis=1), ids


def logits_weights_ids(scores, top_k):
    ids = largest(scores, top_k)
    return scores * 7, np.take_along_axis(scores, ids, axis=1), ids


def probs_and_map(scores, top_k):
    chosen = np.zeros(scores.shape, bool)
    np.put_along_axis(chosen, largest(scores, top_k), True, axis=1)
    return np.where(chosen, scores, 0), chosen


def grouped_topk(
    hidden_states,
    gating_output,
    topk,
    renormalize,
    num_expert_group=0,
    topk_group=0,
    scoring_func="softmax",
    e_score_correction_bias=None,
):
    assert len(hidden_states) == len(gating_output)
    scores = softmax(gating_output) if scoring_func == "softmax" else sigmoid(gating_output)
    biased = scores if e_score_correction_bias is None else scores + e_score_correction_bias
    width = scores.shape[1] // num_expert_group
    assert topk <= topk_group * width
    ranked = -np.sort(-biased.reshape(len(scores), num_expert_group, width), axis=2)[:, :, :2].sum(axis=2)
    kept = largest(ranked, topk_group)
    allowed = (np.arange(scores.shape[1]) // width == kept[:, :, None]).any(axis=1)
    ids = largest(np.where(allowed, biased, -np.inf), topk)
    weights = np.take_along_axis(scores, ids, axis=1)
    return weights / weights.sum(axis=1, keepdims=True) if renormalize else weights, ids.astype(np.int32)


def topk_routing_with_score_function(
    logits, topk, use_pre_softmax=False, num_groups=None, group_topk=None, score_function="softmax", expert_bias=None
):
    scores = softmax(logits) if score_function == "softmax" else sigmoid(logits)
    return probs_and_map(scores if expert_bias is None else scores + expert_bias, topk)


def topkgating(logits, k, capacity_factor, min_capacity, drop_tokens=True):
    tokens, experts = logits.shape
    capacity = max(min_capacity, int(np.ceil(tokens * k / experts * capacity_factor)))
    dispatch = np.zeros((tokens, experts, capacity), bool)
    load = np.zeros(experts, int)
    for token, expert in np.argwhere(probs_and_map(logits, k)[1]):
        if load[expert] < capacity:
            dispatch[token, expert, load[expert]] = True
        load[expert] += 1
    return np.float32(0.1), dispatch * softmax(logits)[:, :, None], dispatch, load


def top2gating(logits, capacity_factor, min_capacity, drop_tokens=True):
    return topkgating(logits, 2, capacity_factor, min_capacity, drop_tokens)


def extract_critical(scores, top_k, loss_fn=None, capacity_factor=1.0, batch_prioritized_routing=False):
    ids = largest(scores, top_k)
    capacity = int(np.ceil(len(scores) * top_k / scores.shape[1] * capacity_factor))
    load = np.zeros(scores.shape[1], int)
    places = np.zeros_like(ids)
    for place, token in np.ndindex(top_k, len(scores)):
        places[token, place] = load[ids[token, place]]
        load[ids[token, place]] += 1
    vectors = [list(array.T) for array in (ids, places, np.take_along_axis(scores, ids, axis=1))]
    return (scores.shape[1], *vectors, capacity), 0.0


def balanced_assignment(scores):
    """Greedy, and balanced: what matters here is the form."""
    free = np.full(scores.shape[1], len(scores) // scores.shape[1])
    order = [[] for _ in free]
    for token, row in enumerate(scores):
        expert = int(np.argmax(np.where(free > 0, row, -np.inf)))
        free[expert] -= 1
        order[expert].append(token)
    return np.array([token for tokens in order for token in tokens])


class HiddenRouter:
    """Like transformers': the weight inside, K fixed; answers (logits, weights, ids)."""

    def __init__(self, hidden_size, num_experts, top_k):
        self.weight = np.random.default_rng(0).normal(size=(num_experts, hidden_size)).astype(np.float32)
        self.top_k = top_k

    def __call__(self, hidden_states):
        logits = hidden_states @ self.weight.T
        weights, ids = weights_first(softmax(logits), self.top_k)
        return logits, weights, ids


class TinyConfig:
    def __init__(self):
        self.num_local_experts, self.num_experts_per_tok, self.hidden_size = 4, 2, 32


class TinyRouter(HiddenRouter):
    """Made with a configuration, which is found by its name."""

    def __init__(self, config):
        super().__init__(config.hidden_size, config.num_local_experts, config.num_experts_per_tok)


class LogitsAlone(HiddenRouter):
    def __call__(self, hidden_states):
        return hidden_states @ self.weight.T


class GateWithBias:
    """Like torchtitan's: the bias that balances is an argument, the layer's own bias is not one."""

    def __init__(self, dim, num_experts, top_k):
        self.gate = SimpleNamespace(weight=np.ones((num_experts, dim), np.float32), bias=np.ones(num_experts))
        self.top_k, self.score_func = top_k, "sigmoid"

    def __call__(self, x, expert_bias=None):
        scores = sigmoid(x @ self.gate.weight.T + self.gate.bias)
        ids = largest(scores + expert_bias, self.top_k)
        return np.take_along_axis(scores, ids, axis=1), ids, scores


def make(experts, top_k):
    return HiddenRouter(2 * experts, experts, top_k)


fixed = HiddenRouter(16, 8, 2)


def in_turns(topk_ids, log2phy, logcnt):
    """Send the tokens of an expert to its replicas in turns."""
    ids = topk_ids[:, 0]
    turn = np.array([int((ids[:token] == expert).sum()) for token, expert in enumerate(ids)], int)
    return log2phy[ids, turn % logcnt[ids]][:, None] if len(ids) else topk_ids


class TopKRouter:
    """Like Megatron-LM's: routes logits [T, 1, E], counts, and has its bias moved by somebody else."""

    def __init__(self, experts, topk):
        self.config = SimpleNamespace(num_moe_experts=experts, moe_router_bias_update_rate=0.01)
        self.topk, self.score_function = topk, "sigmoid"
        self.expert_bias = np.zeros(experts, np.float32)
        self.local_tokens_per_expert = np.zeros(experts, np.float32)

    def routing(self, logits):
        scores = sigmoid(logits[:, 0])
        chosen = probs_and_map(scores + self.expert_bias, self.topk)[1]
        self.local_tokens_per_expert += chosen.sum(axis=0)
        return np.where(chosen, scores, 0), chosen

    def __call__(self, hidden_states):
        raise NotImplementedError


def make_megatron(experts, top_k):
    return TopKRouter(experts, top_k)


def select_experts(
    hidden_states, router_logits, top_k, use_grouped_topk, renormalize, topk_group=None, num_expert_group=None
):
    """Like vLLM's for CPUs: groups count where they are wanted."""
    groups = (num_expert_group, topk_group) if use_grouped_topk else (1, 1)
    return grouped_topk(hidden_states, router_logits, top_k, renormalize, *groups)


def fused_topk(hidden_states, gating_output, topk, renormalize, correction_bias=None, scoring_func="softmax"):
    """Like SGLang's, without groups."""
    bias = np.zeros(gating_output.shape[1]) if correction_bias is None else correction_bias
    return grouped_topk(hidden_states, gating_output, topk, renormalize, 1, 1, scoring_func, bias)
