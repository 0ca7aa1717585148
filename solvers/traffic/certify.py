"""From claimed flows to proved ones: device prices are shortest distances on the devices.

``w[g, h]`` is the least change of cost when one token moves from g to h, and node G stands for unused room:

    w[g, h] = min { cost[s, h] - cost[s, g] : f[s, e, g] > 0, h in H(e) },   w[G, g] = 0,   w[g, G] = 0 where g has room

Flows are optimal iff no circle is negative; then prices are distances, ``p[g] <= p[h] + w[g, h]`` (Ahuja, Magnanti,
Orlin, Network Flows, ch. 9). Engines here are exact, so nothing is mended: a negative circle is a wrong engine.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.arrays import frozen
from equipoise.certificates.kinds.traffic import TrafficCertificate
from equipoise.problems import TrafficProblem
from equipoise.solution import Solution
from equipoise.solvers.traffic.claim import Claim

Integers = npt.NDArray[np.int64]

_NO_MOVE = np.int64(2**50)
"""Weight of a move that no token can make: more than any chain of real ones costs."""


def certify(problem: TrafficProblem, claim: Claim, solver: str, deadline: float | None = None) -> Solution:
    """Turn ``claim`` into a :class:`Solution`: "optimal" only if the certificate was accepted."""
    del deadline
    solution = Solution("unknown", solver, raw_objective=claim.objective, raw_status=claim.message or claim.status)
    if claim.flows is None:
        return replace(solution, status="infeasible") if claim.status == "infeasible" else solution
    prices = device_prices(problem, claim.flows)
    proof = np.zeros(problem.num_devices, np.int64) if prices is None else prices
    certificate = TrafficCertificate.of(problem, claim.flows, proof)
    verdict = certificate.verify()
    if verdict.upper is None:
        return replace(solution, lower=verdict.lower, repairs=(f"refused: {verdict.reason}",))
    return replace(
        solution,
        status="optimal" if verdict.valid else "bounded",
        evidence="certified" if verdict.valid else "claimed",
        objective=verdict.upper,
        lower=verdict.lower,
        upper=verdict.upper,
        split=frozen(claim.flows.sum(axis=0)),
        flows=frozen(claim.flows),
        certificate=certificate if verdict.valid else None,
    )


def device_prices(problem: TrafficProblem, flows: Integers) -> Integers | None:
    """Return ``[G]`` prices >= 0 that prove ``flows`` cheapest; None if a negative circle proves that they are not."""
    devices = problem.num_devices
    weight = np.full((devices + 1, devices + 1), _NO_MOVE, np.int64)
    weight[devices, :devices] = 0
    weight[:devices, devices] = np.where(flows.sum(axis=(0, 1)) < problem.limit, 0, _NO_MOVE)
    for source, expert, device in np.argwhere(flows):
        targets = np.flatnonzero(problem.hosts[expert])
        change = problem.cost[source, targets] - problem.cost[source, device]
        weight[device, targets] = np.minimum(weight[device, targets], change)
    price = np.zeros(devices + 1, np.int64)
    for _ in range(devices + 2):
        lower = np.minimum(price, (weight + price).min(axis=1))
        if (lower == price).all():
            relative: Integers = price[:devices] - price[devices]
            return relative
        price = lower
    return None


def total_cost(problem: TrafficProblem, flows: Integers) -> Fraction:
    """``sum c[s, g] f[s, e, g]``, exactly."""
    moved = flows.astype(object).sum(axis=1)
    return Fraction(int((problem.cost.astype(object) * moved).sum()))
