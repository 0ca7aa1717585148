r"""The check of a scheduling certificate: standard library and NumPy, integers and Fractions only, no solver.

A certificate is a split x (integers over one denominator d; d = 1 in the integral form) and a set S of devices. The
experts hosted inside S alone have nowhere else to go, so at any peak m that is possible

    load(experts with H(e) inside S) + base(S)  <=  sum_{g in S} m v_g                (tokens may be divided)
    load(experts with H(e) inside S) + base(S)  <=  sum_{g in S} floor(m v_g)         (whole tokens)

which bounds m from below (the easy half of max-flow min-cut; MicroMoE, arXiv 2511.16947, states it for unit speeds).
A split whose peak meets the bound is optimal.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.certificates.check.verdict import Verdict

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


def check_schedule(
    load: Integers,
    hosts: Booleans,
    base: Integers,
    speed: Integers,
    fractional: bool,
    split: Integers,
    denominator: int,
    devices: Booleans,
) -> Verdict:
    """Decide whether ``split / denominator`` is proved optimal by the set ``devices``.

    Parameters
    ----------
    load, hosts, base, speed, fractional
        The problem, as in :class:`equipoise.SchedulingProblem`: ``[E]``, ``[E, G]``, ``[G]``, ``[G]``.
    split
        ``[E, G]`` integers.
    denominator
        Positive; 1 unless tokens may be divided.
    devices
        ``[G]`` booleans, the bottleneck set S.
    """
    reason = _malformed(load, hosts, base, speed, fractional, split, denominator, devices)
    if reason is not None:
        return Verdict(False, reason)
    lower = bottleneck(load, hosts, base, speed, fractional, devices) if devices.any() else None
    infeasible = _infeasible(load, hosts, split, denominator)
    if infeasible is not None:
        return Verdict(False, infeasible, lower)
    upper = peak_of(base, speed, split, denominator)
    if lower is None:
        return Verdict(False, "the device set is empty and bounds nothing", None, upper)
    if lower != upper:
        return Verdict(False, f"the device set proves {lower}, the split has a peak of {upper}", lower, upper)
    return Verdict(True, "the split serves all load and its peak equals the bound of the device set", lower, upper)


def peak_of(base: Integers, speed: Integers, split: Integers, denominator: int = 1) -> Fraction:
    """``max_g (b[g] + sum_e x[e,g]) / v[g]``, exactly."""
    columns = [sum(column) for column in split.T.tolist()]
    return max(
        (Fraction(b * denominator + x, denominator * v))
        for b, x, v in zip(base.tolist(), columns, speed.tolist(), strict=True)
    )


def bottleneck(
    load: Integers, hosts: Booleans, base: Integers, speed: Integers, fractional: bool, devices: Booleans
) -> Fraction:
    """Return the least peak at which the devices of one set can serve what only they can serve."""
    inside = ~(hosts & ~devices).any(axis=1)
    demand = sum(load[inside].tolist()) + sum(base[devices].tolist())
    speeds = speed[devices].tolist()
    return Fraction(demand, sum(speeds)) if fractional else least_peak(demand, speeds)


def least_peak(demand: int, speeds: list[int]) -> Fraction:
    """Smallest m with ``sum_g floor(m v_g) >= demand``; for unit speeds ``ceil(demand / G)``.

    At ``m = demand / sum(v)`` fewer than G tokens are missing; each step adds the one that is cheapest.
    """
    total = sum(speeds)
    counts = [demand * v // total for v in speeds]
    peak = max((Fraction(k, v) for k, v in zip(counts, speeds, strict=True)), default=Fraction(0))
    while sum(counts) < demand:
        peak = min(Fraction(k + 1, v) for k, v in zip(counts, speeds, strict=True))
        counts = [peak.numerator * v // peak.denominator for v in speeds]
    return peak


def _malformed(
    load: Integers,
    hosts: Booleans,
    base: Integers,
    speed: Integers,
    fractional: bool,
    split: Integers,
    denominator: int,
    devices: Booleans,
) -> str | None:
    experts, count = hosts.shape
    for name, array, kind, shape in (
        ("load", load, "i", (experts,)),
        ("hosts", hosts, "b", (experts, count)),
        ("base", base, "i", (count,)),
        ("speed", speed, "i", (count,)),
        ("split", split, "i", (experts, count)),
        ("devices", devices, "b", (count,)),
    ):
        if array.dtype.kind != kind or array.shape != shape:
            return f"{name} is {array.dtype} of shape {array.shape}, which is not the problem's"
    if count == 0 or (load < 0).any() or (base < 0).any() or (speed < 1).any():
        return "there is no device, a load is negative or a speed is not positive"
    if denominator < 1 or (denominator > 1 and not fractional):
        return f"the denominator is {denominator}; tokens " + ("may be divided" if fractional else "are whole")
    return None


def _infeasible(load: Integers, hosts: Booleans, split: Integers, denominator: int) -> str | None:
    if (split < 0).any():
        return f"expert {int(np.argwhere(split < 0)[0][0])} has a negative share"
    if (split[~hosts] != 0).any():
        expert, device = np.argwhere((split != 0) & ~hosts)[0].tolist()
        return f"expert {expert} has tokens on device {device}, which does not host it"
    for expert, (row, want) in enumerate(zip(split.tolist(), load.tolist(), strict=True)):
        if sum(row) != want * denominator:
            return f"expert {expert} gets {Fraction(sum(row), denominator)} of {want} tokens"
    return None
