r"""The check of a traffic certificate: standard library and NumPy, integers only, no solver.

A certificate is a flow f and one price per device, whole numbers >= 0. For all such prices

    D(p) = sum_{s,e} source[s,e] * min_{g in H(e)} (cost[s,g] + p[g]) - sum_g limit[g] p[g]

is at most the cost of any feasible flow (weak duality). A feasible flow that costs D(p) is optimal.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.certificates.check.verdict import Verdict

Integers = npt.NDArray[np.int64]

_LARGEST = 2**60


def check_traffic(
    source: Integers, hosts: npt.NDArray[np.bool_], limit: Integers, cost: Integers, flows: Integers, prices: Integers
) -> Verdict:
    """Decide whether ``flows`` is proved to be the cheapest by ``prices``.

    Parameters
    ----------
    source, hosts, limit, cost
        The problem, as in :class:`equipoise.problems.TrafficProblem`: ``[G, E]``, ``[E, G]``, ``[G]``, ``[G, G]``.
    flows
        ``[G, E, G]`` integers.
    prices
        ``[G]`` integers.
    """
    experts, devices = hosts.shape
    shapes = {"source": (devices, experts), "limit": (devices,), "cost": (devices, devices), "prices": (devices,)}
    shapes["flows"] = (devices, experts, devices)
    given = {"source": source, "limit": limit, "cost": cost, "prices": prices, "flows": flows}
    for name, array in given.items():
        if array.dtype.kind != "i" or array.shape != shapes[name]:
            return Verdict(False, f"{name} is {array.dtype} of shape {array.shape}, which is not the problem's")
        if array.size and (int(array.min()) < -_LARGEST or int(array.max()) > _LARGEST):
            return Verdict(False, f"{name} goes beyond 2^60")
    lower = None if (prices < 0).any() else _dual(source, hosts, limit, cost, prices)
    infeasible = _infeasible(source, hosts, limit, flows)
    if infeasible is not None:
        return Verdict(False, infeasible, lower)
    upper = Fraction(_dot(cost, flows.astype(object).sum(axis=1)))
    if lower is None:
        return Verdict(False, f"the price of device {int(np.argmax(prices < 0))} is negative", None, upper)
    if lower != upper:
        return Verdict(False, f"the prices prove {lower}, the flow costs {upper}", lower, upper)
    return Verdict(True, "the flow is feasible and its cost equals the dual bound", lower, upper)


def _dual(
    source: Integers, hosts: npt.NDArray[np.bool_], limit: Integers, cost: Integers, prices: Integers
) -> Fraction | None:
    total = -_dot(limit, prices)
    for expert in range(len(hosts)):
        if source[:, expert].any():
            if not hosts[expert].any():
                return None
            total += _dot(source[:, expert], (cost + prices)[:, hosts[expert]].min(axis=1))
    return Fraction(total)


def _infeasible(source: Integers, hosts: npt.NDArray[np.bool_], limit: Integers, flows: Integers) -> str | None:
    if (flows < 0).any():
        return "a flow is negative"
    if flows.transpose(0, 2, 1)[:, ~hosts.T].any():
        return "tokens go to a device that does not host their expert"
    exact = flows.astype(object)
    if (wrong := exact.sum(axis=2) != source).any():
        device, expert = np.argwhere(wrong)[0].tolist()
        return f"not all tokens of expert {expert} that start on device {device} are served once"
    if (full := exact.sum(axis=(0, 1)) > limit).any():
        return f"device {int(np.argmax(full))} serves more than its limit"
    return None


def _dot(left: npt.NDArray[np.generic], right: npt.NDArray[np.generic]) -> int:
    return sum(int(a) * int(b) for a, b in zip(left.ravel().tolist(), right.ravel().tolist(), strict=True))
