r"""What bounds placements within few moves: standard library and NumPy, integers only, no solver.

**count**: an expert that only device g holds, and that is not moved, stays on g with all its load. So below a bound B
device g loses at least as many of these experts as, heaviest first, bring the rest of their load below B. If all
devices together lose more than M, no placement with so few moves is below B.

**weights**: p[g], b[g], t >= 0 are integers, with a positive sum of p. Suppose that every device is below B. A replica
on device g pays ``b[g]``, and t more if the device does not hold the expert now; a token on g pays ``p[g]``. All pay
less than ``B sum p + sum_g (P / G) b[g] + M t``: strictly, as the loads are below B. What expert e with load w pays,
though, is at least

* with free split: a device serves less than B of its tokens, so it has ``k = floor(w / B) + 1`` devices or more.
  Cheapest are k - 1 devices with B tokens each and one, j, with the rest: the least over j of
  ``(w - (k - 1) B) p[j] + f[j]`` and the k - 1 least of ``B p[g] + f[g]`` over the other devices, where ``f[g]`` is
  what the replica pays. More devices than k cannot make a token cheaper;
* with even split: for the cheapest number r of replicas, at least ``floor(w / B) + 1``, so that each weighs less
  than B. A device takes at most n of them, 1 where replicas lie apart, else as many as weigh less than B together;
  each pays ``w p[g] / r + b[g]``, and ``t / n`` more if it is moved. Cheapest are the cheapest devices with n each,
  then the rest.

If the experts together pay at least the limit, no placement is below B. Uniform p alone is the mean. Groups and nodes
are ignored, which keeps the bound valid. Source: our derivation (Lagrangian duality; the weights are multipliers of
loads, slots and moves, and each expert's own problem is solved exactly).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.certificates.check.placement import Sizes

Numbers = npt.NDArray[Any]


@dataclass(frozen=True)
class Migration:
    """The problem: a placement problem's loads and numbers, what devices hold now, and how many slots may move."""

    loads: list[int]
    sizes: Sizes
    held: list[list[bool]]
    most_moves: int


@dataclass(frozen=True)
class Weights:
    """Weights of tokens on devices, of their slots, and of a move, in any common unit."""

    device: list[int]
    slot: list[int]
    move: int


def moves_needed(problem: Migration, bound: Fraction) -> int:
    """Return how many experts must leave the only devices that hold them, at least, for all loads below ``bound``."""
    alone: list[list[int]] = [[] for _ in range(problem.sizes.num_devices)]
    for load, held in zip(problem.loads, problem.held, strict=True):
        if sum(held) == 1:
            alone[held.index(True)].append(load)
    needed = 0
    for loads in alone:
        left = sum(loads)
        for load in sorted(loads, reverse=True):
            if left < bound:
                break
            left -= load
            needed += 1
    return needed


def excess(problem: Migration, bound: Fraction, weights: Weights) -> int | None:
    """Return what the experts pay at least, less the limit of it, in units of 1 / the bound's denominator.

    None where some expert has no room at all below the bound.
    """
    sizes, unit, top = problem.sizes, bound.denominator, bound.numerator
    width, devices = sizes.num_slots // sizes.num_devices, sizes.num_devices
    limit = top * sum(weights.device) + unit * (width * sum(weights.slot) + problem.most_moves * weights.move)
    most = sizes.num_slots - len(problem.loads) + 1
    apart = sizes.distinct or sizes.split == "free"
    most = min(most, devices) if apart else most
    least = [load * unit // top + 1 for load in problem.loads]
    if max(least) > most:
        return None
    largest = width * most * (max(problem.loads) * unit + top) * sum(weights.device)
    largest += width * most**2 * unit * (sum(weights.slot) + weights.move)
    kind: Any = np.int64 if largest * (devices + 1) < 1 << 62 else object  # Python's integers, which never overflow
    price = np.array(weights.device, kind)
    slot = np.array(weights.slot, kind) * unit
    new = np.array([[0 if now else weights.move * unit for now in row] for row in problem.held], kind)
    load = np.array([one * unit for one in problem.loads], kind)
    if sizes.split == "free":
        return _free(load, np.array(least, kind), top, price, slot + new) - limit
    costs: list[int | None] = [None] * len(load)
    for replicas in range(min(least), most + 1):
        each = [1 if apart else min(width, (top * replicas - 1) // max(1, one)) for one in load.tolist()]
        who = [e for e, n in enumerate(each) if least[e] <= replicas <= n * devices]
        if who:
            number = np.array([each[e] for e in who], kind)[:, None]
            fixed = number * (load[who][:, None] * price + replicas * slot) + replicas * new[who]
            for e, cost in zip(who, _even(fixed, replicas, [each[e] for e in who]), strict=True):
                known = costs[e]
                costs[e] = cost if known is None else min(known, cost)
    if None in costs:
        return None
    return sum(cost for cost in costs if cost is not None) - limit


def _free(load: Numbers, least: Numbers, top: int, price: Numbers, fixed: Numbers) -> int:
    """Return the least cost of ``least - 1`` devices that serve ``top`` each, and one that serves the rest."""
    partial = (load - (least - 1) * top)[:, None] * price + fixed
    full = top * price + fixed
    order, total = np.sort(full, axis=1), 0
    for count in np.unique(least).tolist():
        who = np.flatnonzero(least == count)
        if count == 1:
            total += sum(partial[who].min(axis=1).tolist())
            continue
        chosen = order[who, : count - 1].sum(axis=1)[:, None]
        among = full[who] <= order[who, count - 2][:, None]
        others = np.where(among, chosen - full[who] + order[who, count - 1][:, None], chosen)
        total += sum((partial[who] + others).min(axis=1).tolist())
    return total


def _even(fixed: Numbers, replicas: int, each: list[int]) -> list[int]:
    """Return the least cost of so many replicas of each expert, ``each`` on a device at most, rounded down."""
    order = np.sort(fixed, axis=1)
    costs = [0] * len(each)
    for number in set(each):
        who = [e for e, one in enumerate(each) if one == number]
        full, rest = divmod(replicas, number)
        paid = number * order[who, :full].sum(axis=1) + (rest * order[who, full] if rest else 0)
        for e, cost in zip(who, paid.tolist(), strict=True):
            costs[e] = cost // (replicas * number)
    return costs
