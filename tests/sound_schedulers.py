"""Correct schedulers in many styles; ``CORRECT`` names them, and no check may flag one."""

from __future__ import annotations

import numpy as np

from equipoise import SchedulingProblem, solve
from equipoise.reference.scheduling.quota_greedy import quota_greedy
from equipoise.reference.scheduling.ranges import route_by_ranges
from miniature_schedulers import even, filled
from miniatures import onto

CORRECT: list[str] = []
correct = onto(CORRECT)


@correct
def even_as_floats(load, hosts):
    return even(load, hosts).astype(np.float64)


@correct
def even_as_unsigned(load, hosts):
    return even(load, hosts).astype(np.uint64)


class Named(np.ndarray):
    """An array of a kind of its own."""


@correct
def even_as_a_subclass(load, hosts):
    return even(load, hosts).view(Named)


@correct
def even_with_the_odd_tokens_last(load, hosts):
    return even(load, hosts[:, ::-1])[:, ::-1]


@correct
class ExactOptimum:
    capabilities = frozenset({"exact"})

    def __call__(self, load, hosts):
        return solve(SchedulingProblem(load, hosts)).split


@correct
class ExactFlows:
    """Flows for loads by source device, a split otherwise."""

    capabilities = frozenset({"exact", "by source"})

    def __call__(self, load, hosts):
        if load.ndim == 1:
            return solve(SchedulingProblem(load, hosts)).split
        return route_by_ranges(load, solve(SchedulingProblem(source_load=load, hosts=hosts)).split)


@correct
class FlowsOnly:
    """Every device splits its own tokens evenly, and is told nothing of the others'."""

    capabilities = frozenset({"only by source", "approximate"})

    def __call__(self, source_load, hosts):
        return np.array([even(tokens, hosts) for tokens in source_load])


@correct
class WarmStarted:
    """Starts from the last schedule's shares; the answer depends on it, so there is a ``reset()``."""

    def __init__(self):
        self.last = None

    def reset(self):
        self.last = None

    def __call__(self, load, hosts):
        prefers = self.last is not None and self.last.shape == hosts.shape and self.last.sum() % 2
        self.last = even(load, hosts[:, ::-1])[:, ::-1] if prefers else even(load, hosts)
        return self.last.copy()


@correct
class WithSharesAndLimits:
    """For at most four devices; shows what it plans."""

    def __init__(self):
        self.shares = None

    def accepts(self, experts, devices):
        return devices <= 4

    def __call__(self, load, hosts):
        assert hosts.shape[1] <= 4
        self.shares = hosts / hosts.sum(axis=1, keepdims=True)
        return even(load, hosts)


@correct
def greedy_or_even(load, hosts):
    splits = [quota_greedy(load, hosts), even(load, hosts)]
    return min(splits, key=lambda split: split.sum(axis=0).max())


@correct
class LocalSearch:
    """One token at a time to an emptier host, as long as that helps."""

    capabilities = frozenset({"approximate"})

    def accepts(self, experts, devices):
        return experts * devices <= 24

    def __call__(self, load, hosts):
        load = np.asarray(load, np.int64)
        return even(load, hosts) if load.max(initial=0) > 200 else filled(load, hosts, 1000)
