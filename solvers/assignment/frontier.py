r"""The exact frontier of score against peak load: OPT(c), every expert's capacity being the same integer c.

OPT is concave and never falls. A certificate at c proves more than OPT(c): its prices bound every other peak,

    OPT(c') <= OPT(c) + Q (c' - c),   Q = sum of q[e] >= 0,

because D(q) is affine in the capacities. Chords between known points bound OPT from below, tangents from above. All
scores are exact, on the problem's grid, as those of :func:`equipoise.metrics.score`. (Our derivation, from LP duality.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from equipoise.certificates.kinds.assignment import AssignmentCertificate
from equipoise.errors import InvalidProblem, OracleError
from equipoise.grid import total
from equipoise.problems import AssignmentProblem, Limit, LimitedProblem
from equipoise.solution import Solution
from equipoise.solvers.solve import solve

POINTS = 16
"""Peaks that are solved when none are named."""


@dataclass(frozen=True)
class FrontierPoint:
    """The optimum at one peak load.

    Attributes
    ----------
    peak
        c, capacity of every expert.
    objective
        ``OPT(c)``.
    slope
        Q: one more token of capacity everywhere is worth at most this much.
    solution
        The assignment with its certificate, for ``problem.with_capacity(peak)``.
    """

    peak: int
    objective: Fraction
    slope: Fraction
    solution: Solution = field(repr=False)


class Frontier:
    """Score against peak load for the tokens of a problem; its capacities play no part, its form (drop) does.

    Points are solved when they are needed and kept.

    Attributes
    ----------
    problem
        Whose scores, K, form and mask count.
    balance
        ``ceil(T * K / E)``, the peak of perfect balance.
    least
        Smallest peak at which anything is feasible: ``balance``, or 0 in the drop form.
    most
        Peak of plain top-K (ties to the lower index; at least ``balance``): from here on nothing can be gained.
    ceiling
        Score of plain top-K, ``OPT(most)``.
    """

    def __init__(self, problem: AssignmentProblem, solver: str | None = None) -> None:
        self.problem = problem
        self.balance = -(-problem.demand // problem.num_experts)
        self.least = 0 if problem.drop else self.balance
        values = problem.real_values
        top = np.argsort(-values, axis=1, kind="stable")[:, : problem.top_k]
        best = np.take_along_axis(values, top, axis=1)
        taken = best > 0 if problem.drop else np.ones(best.shape, bool)
        self.most = max(self.balance, int(np.bincount(top[taken], minlength=1).max()))
        self.ceiling = total(best[taken]) * problem.grid.unit
        self._solver = solver
        self._points: dict[int, FrontierPoint] = {}

    @property
    def points(self) -> tuple[FrontierPoint, ...]:
        """What has been solved so far, by ascending peak."""
        return tuple(self._points[peak] for peak in sorted(self._points))

    def at(self, peak: int) -> FrontierPoint:
        """Return the optimum at ``peak``, solving for it if need be.

        Raises
        ------
        InvalidProblem
            If nothing is feasible there.
        OracleError
            If the solver gave no certificate.
        """
        self._check(peak)
        if peak not in self._points:
            solution = solve(self.problem.with_capacity(peak), self._solver)
            certificate, objective = solution.certificate, solution.objective
            if not isinstance(certificate, AssignmentCertificate) or objective is None:
                raise OracleError(f"the optimum at peak {peak} was not certified: {solution.raw_status}")
            slope = sum(certificate.prices.tolist()) * self.problem.grid.unit
            self._points[peak] = FrontierPoint(peak, objective, slope, solution)
        return self._points[peak]

    def score_at(self, peak: int) -> tuple[Fraction | None, Fraction]:
        """Return bounds on ``OPT(peak)`` from what has been solved so far; the lower is None left of all points."""
        self._check(peak)
        tangents = (point.objective + point.slope * (peak - point.peak) for point in self._points.values())
        upper = min(tangents, default=self.ceiling)
        known = {0: Fraction(0)} if self.problem.drop else {}
        known |= {self.most: self.ceiling} | {point.peak: point.objective for point in self._points.values()}
        left = max((place for place in known if place <= peak), default=None)
        right = min((place for place in known if place >= peak), default=None)
        if left is None:
            lower = None
        elif right is None or left == right:
            lower = known[left]
        else:
            lower = known[left] + (known[right] - known[left]) * Fraction(peak - left, right - left)
        return lower, min(upper, self.ceiling)

    def least_peak(self, score: Any) -> int | None:
        """Return the smallest integer c with ``OPT(c) >= score``; None if plain top-K scores less.

        Newton's method from the left: the tangents tell below which peak the score is out of reach; that peak is
        solved, and gives the next tangent. A few solves, fewer where points are known.
        """
        wanted = Fraction(score)
        if wanted > self.ceiling:
            return None
        while True:
            starts = [
                point.peak + math.ceil((wanted - point.objective) / point.slope)
                for point in self._points.values()
                if point.slope > 0
            ]
            peak = max([self.least, *starts])
            lower, _ = self.score_at(peak)
            if lower is not None and lower >= wanted:
                return peak
            self.at(peak)

    def __repr__(self) -> str:
        return f"Frontier(peaks {self.balance} to {self.most}, {len(self._points)} points)"

    def _check(self, peak: int) -> None:
        if peak < self.least:
            raise InvalidProblem("peak", str(peak), f"{self.least} or more: below, there is no room for all tokens")


def frontier(problem: AssignmentProblem, peaks: Iterable[int] | None = None, solver: str | None = None) -> Frontier:
    """Return the exact frontier of score against peak load, with a certificate at every point.

    Parameters
    ----------
    problem
        Its capacities play no part.
    peaks
        Peaks to solve. Default: perfect balance, plain top-K's own peak, and between them, up to 16 in all, each time
        the peak at which the bounds from what is known are furthest apart; fewer if the frontier is known everywhere
        before that.
    solver
        As in :func:`equipoise.solve`.

    Raises
    ------
    InvalidProblem
        If a peak is below ``ceil(T * K / E)`` (in the drop form: negative).
    """
    result = Frontier(problem, solver)
    if peaks is not None:
        for peak in peaks:
            result.at(int(peak))
        return result
    result.at(result.balance)
    result.at(result.most)
    while len(result.points) < POINTS and (widest := _widest(result)) is not None:
        result.at(widest)
    return result


def expert_choice_optimum(problem: AssignmentProblem, load: Any) -> Fraction:
    r"""Return the best score of given loads when a token may go to any number of experts, none included.

    ``sum over e of the load[e] largest s[:, e]``: the assignment problem without its token rows, which is what expert
    choice (arXiv 2202.09368) solves, each expert taking its top tokens.

    Parameters
    ----------
    load
        Tokens of every expert, one number or ``[E]``, at most the number of real tokens.
    """
    tokens = len(problem.tokens)
    loads = np.broadcast_to(np.asarray(load), (problem.num_experts,))
    if loads.dtype.kind not in "iu" or loads.min() < 0 or loads.max() > tokens:
        raise InvalidProblem("load", str(load)[:80], f"whole numbers, 0 to {tokens}")
    ranked = -np.sort(-problem.real_values, axis=0)
    return total(ranked[np.arange(tokens)[:, None] < loads]) * problem.grid.unit


def dropping_optimum(problem: AssignmentProblem, peak: int, assigned: int) -> Solution:
    """Return the best routing in which no load exceeds ``peak`` and at most ``assigned`` places are given in all.

    At most K experts a token: what a router that drops T K - ``assigned`` assignments may fairly be compared with. A
    limit on the total of all experts, hence still a network flow.
    """
    return solve(LimitedProblem(problem.with_capacity(peak, drop=True), [Limit(assigned)]))


def _widest(curve: Frontier) -> int | None:
    """The peak between points where the bounds are furthest apart: next to where two neighbours' tangents meet."""
    candidates = []
    for left, right in pairwise(curve.points):
        if left.slope == right.slope or right.peak - left.peak < 2:
            continue
        bend = right.objective - right.slope * right.peak - left.objective + left.slope * left.peak
        meet = bend / (left.slope - right.slope)
        candidates += [min(max(peak, left.peak + 1), right.peak - 1) for peak in (math.floor(meet), math.ceil(meet))]
    widest: int | None = None
    gap = Fraction(0)
    for peak in candidates:
        lower, upper = curve.score_at(peak)
        if lower is not None and upper - lower > gap:
            widest, gap = peak, upper - lower
    return widest
