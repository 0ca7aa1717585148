r"""The Lagrangian dual of the capacities: every token chooses for itself, exactly, at the experts' prices.

    D(q) = sum_t A_t(q) + sum_e c[e] q[e],   A_t = the best sum of K entries of s[t,:] - q from at most M groups

bounds the optimum for every q >= 0, at least as well as the LP relaxation does (Geoffrion 1974). D is convex, and
``c - load`` of the tokens' choices is a subgradient.
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from equipoise.problems import GroupLimitedProblem

Numbers = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

PATIENCE = 5
"""Steps without a better bound after which they are halved and start again from the best."""


def best_choices(reduced: Numbers, top_k: int, groups: int, most: int, drop: bool) -> tuple[Numbers, Booleans]:
    """Return every token's best value ``[T]`` and choice ``[T, E]``: K experts from at most ``most`` groups.

    Dynamic programming over groups: from each, the best experts of a number that is to be found. O(T N M K^2) time.
    """
    tokens, experts = reduced.shape
    size = experts // groups
    by_group = reduced.reshape(tokens, groups, size)
    order = np.argsort(-by_group, axis=2, kind="stable")
    ranked = np.take_along_axis(by_group, order, axis=2)
    best = np.full((most + 1, top_k + 1, tokens), -np.inf)
    best[:, 0] = 0
    taken = np.zeros((groups, most + 1, top_k + 1, tokens), np.int32)
    for group in range(groups):
        seen, gain = best.copy(), np.zeros(tokens)
        for count in range(1, min(top_k, size) + 1):
            gain = gain + ranked[:, group, count - 1]
            value = seen[:-1, : top_k + 1 - count] + gain
            better = value > best[1:, count:]
            np.copyto(best[1:, count:], value, where=better)
            np.copyto(taken[group, 1:, count:], count, where=better)
    each = np.arange(tokens)
    chosen = np.zeros((tokens, groups, size), bool)
    left = best[most].argmax(axis=0) if drop else np.full(tokens, top_k)
    value, allowed = best[most, left, each], np.full(tokens, most)
    for group in range(groups - 1, -1, -1):
        count = taken[group, allowed, left, each]
        np.put_along_axis(chosen[:, group], order[:, group], np.arange(size) < count[:, None], axis=1)
        left, allowed = left - count, allowed - (count > 0)
    return value, chosen.reshape(tokens, experts)


class Descent:
    """Polyak's subgradient method on D: steps towards a value known to be reached, exact were D linear (Polyak 1969).

    Attributes
    ----------
    prices
        The best so far, in whole grid steps.
    bound
        ``D(prices)``, in floating point: a guide, no proof.
    """

    def __init__(self, problem: GroupLimitedProblem, start: Numbers) -> None:
        plain = problem.assignment
        self._form = (plain.top_k, problem.num_groups, problem.topk_groups, plain.drop)
        self._values = problem.real_values.astype(float)
        self._capacity = np.minimum(plain.capacity, len(self._values)).astype(float)
        self._scale, self._waited = 1.5, 0  # beyond 1, so as to end inside the set of optimal prices
        self.prices, self.bound, self._slope = start, *self._at(start)
        self._next = (self.prices, self.bound, self._slope)

    def run(self, target: float, steps: int, deadline: float | None = None) -> None:
        """Take up to ``steps`` steps; stop where the target is met, no step is left, or time is up."""
        for _ in range(steps):
            prices, bound, slope = self._next
            slope = np.where((prices <= 0) & (slope > 0), 0, slope)
            if self.bound <= target or not slope.any() or (deadline is not None and time.monotonic() > deadline):
                return
            step = self._scale * (bound - target) / float(slope @ slope)
            prices = np.maximum(np.round(prices - step * slope), 0)
            bound, slope = self._at(prices)
            self._next = (prices, bound, slope)
            self._waited += 1
            if bound < self.bound:
                self.prices, self.bound, self._slope, self._waited = prices, bound, slope, 0
            elif self._waited == PATIENCE:
                self._scale, self._waited = self._scale / 2, 0
                self._next = (self.prices, self.bound, self._slope)

    def _at(self, prices: Numbers) -> tuple[float, Numbers]:
        value, chosen = best_choices(self._values - prices, *self._form)
        return float(value.sum() + self._capacity @ prices), self._capacity - chosen.sum(axis=0)
