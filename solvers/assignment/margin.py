r"""The margin: how robustly a bias can make plain top-K reproduce an optimal assignment.

For an assignment x with all K experts per token, a bias b reproduces x by top-K of ``s + b`` with margin ``m`` iff

    (s[t, e] + b[e]) - (s[t, f] + b[f]) >= m   for every token t that holds e and lacks f.

The largest such m is ``delta*``, the minimum mean weight of a cycle in the exchange graph without its dump (Karp 1978;
that it answers this question: our derivation, docs/explanation/theory.md). It is positive iff x is the only best
assignment with its loads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidProblem
from equipoise.problems import AssignmentProblem
from equipoise.solution import Solution
from equipoise.solvers.assignment.certify import held_matrix as rows_held
from equipoise.solvers.assignment.exchange import NO_MOVE, Booleans, Integers, exchange_graph
from equipoise.solvers.assignment.mend import tokens_of

LARGE = 100_000
"""Scores above which the exchange graph is left to compiled code; `dual-descent` is the default engine there too."""


@dataclass(frozen=True)
class Margin:
    """Largest margin of a bias that reproduces an assignment.

    Attributes
    ----------
    delta
        ``delta*`` in units of the scores, exact; None where it is unbounded or undefined.
    bias
        ``[E]`` exact biases that attain it; empty where no bias reproduces the assignment.
    statement
        What holds, in one sentence.
    """

    delta: Fraction | None
    bias: tuple[Fraction, ...] = field(repr=False)
    statement: str

    @property
    def bias_values(self) -> npt.NDArray[np.float64]:
        """The biases as floats; rounding them costs margin only if ``delta`` is near float precision."""
        return np.array([float(value) for value in self.bias])


def margin(problem: AssignmentProblem, solution: Solution) -> Margin:
    """Return ``delta*`` and a bias that attains it for ``solution.experts``; O(E^3) after the exchange graph."""
    if solution.experts is None:
        raise InvalidProblem("solution", f"{solution.status}, without an assignment", "a solution with experts")
    if (solution.experts[problem.tokens] < 0).any():
        return Margin(None, (), "undefined: the assignment drops tokens, and plain top-K never drops any")
    weight = _graph(problem, solution.experts)[:-1, :-1]
    mean = minimum_cycle_mean(weight)
    if mean is None:
        bias = _bias(weight, Fraction(1), problem.grid.unit)
        return Margin(None, bias, "unbounded: no tokens compete in a circle, so any margin can be had (bias: one unit)")
    delta = mean * problem.grid.unit
    if mean <= 0:
        tie = "ties with this one" if mean == 0 else "is better than this one"
        return Margin(delta, (), f"no bias reproduces it: another assignment with the same loads {tie}")
    bias = _bias(weight, mean, problem.grid.unit)
    return Margin(
        delta, bias, f"plain top-K of scores + bias is exactly this assignment, by at least {_decimal(delta)}"
    )


def _graph(problem: AssignmentProblem, experts: Integers) -> Integers:
    if problem.size <= LARGE:
        return exchange_graph(tokens_of(problem), held_matrix(problem, experts))
    from equipoise.solvers.assignment.dual_descent.weights import exchange_weights

    return exchange_weights(problem, experts)


def held_matrix(problem: AssignmentProblem, experts: Integers) -> Booleans:
    """``[real tokens, E]`` booleans from ``experts[T, K]``."""
    return rows_held(experts[problem.tokens], problem.num_experts)


def minimum_cycle_mean(weight: Integers) -> Fraction | None:
    """Karp's minimum cycle mean over entries below ``NO_MOVE``; None if there is no cycle.

    With ``d_k[v]`` the least weight of a walk of k edges that starts at v, it is
    ``min_v max_k (d_n[v] - d_k[v]) / (n - k)`` over v with a walk of n edges.
    """
    nodes = len(weight)
    walks = np.zeros((nodes + 1, nodes), np.int64)
    for k in range(nodes):
        walks[k + 1] = np.where(walks[k] >= NO_MOVE // 2, NO_MOVE, walks[k] + weight).min(axis=1)
        walks[k + 1][walks[k + 1] >= NO_MOVE // 2] = NO_MOVE
    ends = np.flatnonzero(walks[nodes] < NO_MOVE)
    if not ends.size:
        return None
    gained = walks[nodes, ends] - walks[:nodes, ends]
    edges = nodes - np.arange(nodes)[:, None]
    rough = gained / edges  # floats only choose what is compared exactly
    error = np.abs(rough).max() * 2.0**-50
    worst = rough.max(axis=0)
    means = []
    for node in np.flatnonzero(worst <= worst.min() + error):
        close = np.flatnonzero(rough[:, node] >= worst[node] - error)
        means.append(max(Fraction(int(gained[k, node]), nodes - int(k)) for k in close))
    return min(means)


def _decimal(number: Fraction) -> str:
    return f"{Decimal(number.numerator) / number.denominator:.6g}"  # a float could overflow


def _bias(weight: Integers, mean: Fraction, unit: Fraction) -> tuple[Fraction, ...]:
    """Potentials of ``L * weight - mean * L`` (L the denominator), in Python integers: they outgrow 64 bits."""
    length = mean.denominator
    scaled = weight.astype(object) * length - mean.numerator
    scaled[weight >= NO_MOVE] = int(NO_MOVE) * length * (len(weight) + 1)
    price = np.zeros(len(weight), object)
    for _ in range(len(weight)):
        lower = np.minimum(price, (scaled + price).min(axis=1))
        if (lower == price).all():
            return tuple(Fraction(-int(value), length) * unit for value in price)
        price = lower
    raise AssertionError("potentials do not exist although the cycle mean is minimal")
