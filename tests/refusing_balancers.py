"""Balancers that raise: sound ones, which refuse sizes, and faulty ones, which raise for something else."""

import time

import numpy as np

from miniature_placers import sound
from miniature_routers import top


def needs_whole_loads(scores, top_k):  # Megatron-LM's quantile balancing
    assert len(scores) * top_k % scores.shape[1] == 0, "tokens * top_k must be divisible by experts"
    return top(scores, top_k)


def top_one_only(scores, top_k):
    if top_k != 1:
        raise NotImplementedError("this gate is top-1")
    return top(scores, top_k)


class TopOneAccepts:
    def accepts(self, tokens, experts, top_k):
        return top_k == 1

    def __call__(self, scores, top_k):
        return top(scores, top_k)


def several_experts(scores, top_k):
    if not 1 <= top_k < scores.shape[1]:
        raise ValueError("top_k must be below the number of experts")
    return top(scores, top_k)


def takes_one_token(scores, top_k):
    if len(scores) != 1:
        raise TypeError("one token at a time")
    return top(scores, top_k)


def devices_divide_experts(load, hosts):  # sglang issue 8253
    assert hosts.shape[0] % hosts.shape[1] == 0
    return _even(load, hosts)


def two_hosts_at_most(load, hosts):  # LPLB: two hosts per replicated expert
    assert hosts.sum(axis=1).max() <= 2, "an expert has at most one redundant copy"
    return _even(load, hosts)


def _even(load, hosts):
    order = hosts.cumsum(axis=1) - 1
    count = hosts.sum(axis=1, keepdims=True)
    return np.where(hosts, load[:, None] // count + (order < load[:, None] % count), 0)


def devices_divide_spare_slots(load, num_slots, num_groups, num_nodes, num_devices):
    experts = load.shape[1]
    if (num_slots - experts) % num_devices:
        raise ValueError("redundant experts must be divisible by devices")
    return sound(load, num_slots, num_groups, num_nodes, num_devices)


def needs_two_steps(history, horizon):
    if len(history) < 2:
        raise ValueError("a history of one step")
    return np.tile(history[-1:], (horizon, 1)).astype(float)


SOUND = [
    ("router", "needs_whole_loads"),
    ("router", "top_one_only"),
    ("router", "several_experts"),
    ("scheduler", "devices_divide_experts"),
    ("scheduler", "two_hosts_at_most"),
    ("placer", "devices_divide_spare_slots"),
    ("predictor", "needs_two_steps"),
]


def raises_on_purpose(scores, top_k):
    raise ValueError("never")


def raises_on_ties(scores, top_k):
    if len(np.unique(scores)) < scores.size:
        raise ValueError("scores are tied")
    return top(scores, top_k)


def partitions_at_k(scores, top_k):
    return np.argpartition(-scores, top_k, axis=1)[:, :top_k]


def divides_by_experts_less_one(scores, top_k):
    1 // (scores.shape[1] - 1)
    return top(scores, top_k)


def nodes_divide_groups(load, num_slots, num_groups, num_nodes, num_devices):
    assert num_groups % num_nodes == 0, "nodes must divide the groups"
    return sound(load, num_slots, num_groups, num_nodes, num_devices)


FAULTY = [
    ("router", "raises_on_purpose", "never"),
    ("router", "raises_on_ties", "tied"),
    ("router", "partitions_at_k", "out of bounds"),
    ("router", "divides_by_experts_less_one", "ZeroDivisionError"),
    ("placer", "nodes_divide_groups", "every placer must take"),
]


class Compiles:
    """Takes two seconds for its first answer."""

    compiled = False

    def __call__(self, scores, top_k):
        if not Compiles.compiled:
            time.sleep(2)
            Compiles.compiled = True
        return top(scores, top_k)
