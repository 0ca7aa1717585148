"""What a traffic problem makes of a claim: the flows as they stand, and device prices that are shortest distances.

``w[g, h]`` is the least change of cost when one token moves from g to h, and node G stands for unused room:

    w[g, h] = min { cost[s, h] - cost[s, g] : f[s, e, g] > 0, h in H(e) },   w[G, g] = 0,   w[g, G] = 0 where g has room

Flows are optimal iff no circle is negative; then prices are distances, ``p[g] <= p[h] + w[g, h]`` (Ahuja, Magnanti,
Orlin, Network Flows, ch. 9). Engines here are exact, so nothing is mended: a negative circle is a wrong engine.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from equipoise.arrays import frozen
from equipoise.certificates.kinds.traffic import TrafficCertificate
from equipoise.problems import TrafficProblem
from equipoise.solvers.claim import Candidate, Claim

Integers = npt.NDArray[np.int64]

_NO_MOVE = np.int64(2**50)
"""Weight of a move that no token can make: more than any chain of real ones costs."""


def certify(problem: TrafficProblem, claim: Claim, deadline: float | None) -> Iterator[Candidate]:
    """Price the claimed flows; without any, prices of zero bound the cost."""
    del deadline
    flows, free = claim.answer, np.zeros(problem.num_devices, np.int64)
    if flows is None:
        nothing = np.zeros((problem.num_devices, *problem.hosts.shape), np.int64)
        infeasible = claim.status == "infeasible"
        certificate = None if infeasible else TrafficCertificate.of(problem, nothing, free)
        yield Candidate(certificate, infeasible=infeasible)
        return
    prices = device_prices(problem, flows)
    answer = {"split": frozen(flows.sum(axis=0)), "flows": frozen(flows)}
    yield Candidate(TrafficCertificate.of(problem, flows, free if prices is None else prices), answer)


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
