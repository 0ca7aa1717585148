r"""The check of a communication certificate: standard library only, integers and Fractions, no solver.

A certificate is a split and multipliers per device: ``load``, adding up to 1, and ``send`` and ``receive``, adding up
to alpha; none negative. The objective is at least the sum over devices of

    load[g] * sum_e x[e,g]  +  send[g] * (may_send[g] - local[g])  +  receive[g] * (sum_e x[e,g] - local[g])

and that, for each expert alone, is a cost per token on g of ``load[g] - send[g]`` up to ``source[g][e]`` tokens and
``load[g] + receive[g]`` beyond. Filling the cheapest first gives its exact minimum over all splits: a lower bound. For
whole tokens the objective is a multiple of ``1 / denominator of alpha``, so the bound may be rounded up to one.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from equipoise.certificates.check.verdict import Verdict


@dataclass(frozen=True)
class Multipliers:
    """Fractions per device."""

    load: list[Fraction]
    send: list[Fraction]
    receive: list[Fraction]


@dataclass(frozen=True)
class Statement:
    """The problem: ``source[g][e]``, hosts of each expert, what each device sends unless it stays, alpha and form."""

    source: list[list[int]]
    hosts: list[list[int]]
    may_send: list[int]
    alpha: Fraction
    fractional: bool


def check_communication(
    statement: Statement, split: list[list[int]], denominator: int, multipliers: Multipliers
) -> Verdict:
    """Decide whether ``split[e][g] / denominator`` is proved optimal by ``multipliers``."""
    lower = lower_bound(statement, multipliers)
    devices, experts = len(statement.source), len(statement.hosts)
    if denominator < 1 or (denominator > 1 and not statement.fractional):
        return Verdict(False, f"the denominator is {denominator}", lower)
    if len(split) != experts or any(len(row) != devices for row in split):
        return Verdict(False, "the split does not have the problem's shape", lower)
    for expert, row in enumerate(split):
        allowed = set(statement.hosts[expert])
        if any(x < 0 or (x > 0 and g not in allowed) for g, x in enumerate(row)):
            return Verdict(False, f"expert {expert} has a negative share, or one on a device that is no host", lower)
        if sum(row) != denominator * sum(start[expert] for start in statement.source):
            return Verdict(False, f"expert {expert} is not served exactly once", lower)
    held = [sum(row[g] for row in split) for g in range(devices)]
    local = [
        sum(min(split[e][g], statement.source[g][e] * denominator) for e in range(experts)) for g in range(devices)
    ]
    sent = [statement.may_send[g] * denominator - local[g] for g in range(devices)]
    received = [held[g] - local[g] for g in range(devices)]
    upper = (max(held) + statement.alpha * max(*sent, *received)) / denominator
    if lower is None:
        return Verdict(False, "the multipliers are negative somewhere, or add up to something else", None, upper)
    if lower != upper:
        return Verdict(False, f"the multipliers prove {lower}, the split costs {upper}", lower, upper)
    return Verdict(True, "the split is feasible and costs no more than the multipliers prove", lower, upper)


def lower_bound(statement: Statement, multipliers: Multipliers) -> Fraction | None:
    """Return what the multipliers prove; None if they are none."""
    load, send, receive = multipliers.load, multipliers.send, multipliers.receive
    devices = range(len(statement.source))
    if any(len(row) != len(devices) for row in (load, send, receive)) or min(*load, *send, *receive) < 0:
        return None
    if sum(load) != 1 or sum(send) + sum(receive) != statement.alpha:
        return None
    total = sum((send[g] * statement.may_send[g] for g in devices), Fraction(0))
    for expert, hosts in enumerate(statement.hosts):
        left = sum(statement.source[g][expert] for g in devices)
        near = [(load[g] - send[g], statement.source[g][expert]) for g in hosts]
        far = [(load[g] + receive[g], left) for g in hosts]
        for cost, room in sorted(near + far):
            total += cost * min(room, left)
            left -= min(room, left)
    if statement.fractional:
        return total
    return Fraction(ceil(total * statement.alpha.denominator), statement.alpha.denominator)
