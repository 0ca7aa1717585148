r"""The check of a replication certificate: standard library and NumPy, integers only, no solver.

A certificate is an answer (copies and a split) and a lower bound B on the peak of every answer. With limit m = B - 1,
nothing keeps every device at or below m, by one of two arguments:

* **dual**: any weights p[g], b[g], c[e], t >= 0, integers. A token of expert e costs ``p[home]`` at home, and on
  another device of its domain ``p[g] + (b[g] + c[e] + t) / u[e]``, with ``u[e] = min(load[e], m)``, the most tokens
  that a copy serves. An answer of peak m costs at most ``m sum p + sum slots b + copies_per_expert sum c + most t``.
  If all tokens, each where it is cheapest, cost more, there is none (weak duality of the linear relaxation). Uniform
  p alone is the mean.
* **partition**: join devices by copies. Tokens stay inside a component, so each has a mean home load of at most m; k
  copies leave at least G - k components, so ``k >= G - parts(m)``, where parts(m) is the largest number of parts in a
  partition of the devices with a mean of at most m each. Up to 16 devices it is found by dynamic programming over
  subsets; beyond, parts(m) is at most the number of devices with home load <= m, as each part holds one.

Source: our derivation.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from equipoise.certificates.check.partition import parts
from equipoise.certificates.check.verdict import Verdict

ARGUMENTS = ("dual", "partition")


@dataclass(frozen=True)
class Replication:
    """The problem; names as in :class:`equipoise.ReplicationProblem`."""

    load: list[int]
    home: list[int]
    slots: list[int]
    domain: list[list[bool]]
    floor: int
    copies_per_expert: int
    most_copies: int

    @property
    def home_load(self) -> list[int]:
        """Tokens of the experts that live on each device."""
        held = [0] * len(self.slots)
        for load, device in zip(self.load, self.home, strict=True):
            held[device] += load
        return held


@dataclass(frozen=True)
class Weights:
    """Weights of the argument "dual", in any common unit: of devices, of slots, of experts' copies, of all copies."""

    device: list[int]
    slot: list[int]
    expert: list[int]
    total: int


def check_replication(
    problem: Replication, copies: list[list[bool]], split: list[list[int]], bound: int, argument: str, weights: Weights
) -> Verdict:
    """Decide whether an answer is proved optimal by ``bound``.

    Parameters
    ----------
    problem
        What is solved.
    copies, split
        ``[E][G]`` copies, and tokens served.
    bound, argument, weights
        The lower bound, which argument proves it, and the weights of "dual".
    """
    proved = is_lower_bound(problem, bound, argument, weights)
    lower = Fraction(bound) if proved else None
    if (reason := _violation(problem, copies, split)) is not None:
        return Verdict(False, reason, lower)
    upper = Fraction(max(sum(row[g] for row in split) for g in range(len(problem.slots))))
    if not proved:
        return Verdict(False, f"no {argument} argument proves {bound}", None, upper)
    if lower != upper:
        return Verdict(False, f"the {argument} argument proves {bound}, the answer has a peak of {upper}", lower, upper)
    return Verdict(True, f"the answer is feasible and its peak is the {argument} bound", lower, upper)


def is_lower_bound(problem: Replication, bound: int, argument: str, weights: Weights) -> bool:
    """Whether ``argument`` proves that no answer has a peak below ``bound``."""
    if argument not in ARGUMENTS or bound < 0:
        return False
    if bound == 0:
        return True
    if argument == "partition":
        return len(problem.slots) - parts(problem.home_load, bound - 1) > min(problem.most_copies, sum(problem.slots))
    return _excess(problem, bound - 1, weights) > 0


def _excess(problem: Replication, limit: int, weights: Weights) -> int:
    """What all tokens cost at least, less what an answer of peak ``limit`` can cost; rounded down."""
    devices, experts = len(problem.slots), len(problem.load)
    if len(weights.device) != devices or len(weights.slot) != devices or len(weights.expert) != experts:
        return 0
    if min(*weights.device, *weights.slot, *weights.expert, weights.total) < 0:
        return 0
    paid = limit * sum(weights.device) + sum(s * b for s, b in zip(problem.slots, weights.slot, strict=True))
    paid += problem.copies_per_expert * sum(weights.expert) + problem.most_copies * weights.total
    cost = 0
    for load, home, allowed, own in zip(problem.load, problem.home, problem.domain, weights.expert, strict=True):
        most = min(load, limit)  # tokens that a copy can serve
        cheapest = load * weights.device[home]
        for device in range(devices) if most else ():
            if allowed[device] and device != home:
                copy = weights.slot[device] + own + weights.total
                cheapest = min(cheapest, load * (weights.device[device] * most + copy) // most)
        cost += cheapest
    return cost - paid


def _violation(problem: Replication, copies: list[list[bool]], split: list[list[int]]) -> str | None:
    devices, experts = len(problem.slots), len(problem.load)
    for table in (copies, split):
        if len(table) != experts or any(len(row) != devices for row in table):
            return "copies or split do not have the problem's shape"
    for expert, (held, served) in enumerate(zip(copies, split, strict=True)):
        if sum(served) != problem.load[expert]:
            return f"{sum(served)} of the {problem.load[expert]} tokens of expert {expert} are served"
        if sum(held) > problem.copies_per_expert:
            return f"expert {expert} has {sum(held)} copies"
        for device, tokens in enumerate(served):
            at_home = device == problem.home[expert]
            if held[device] and (at_home or not problem.domain[expert][device] or tokens < problem.floor):
                return f"the copy of expert {expert} on device {device} is not allowed"
            if tokens < 0 or (tokens and not held[device] and not at_home):
                return f"device {device} may not serve expert {expert}"
    for device in range(devices):
        if sum(row[device] for row in copies) > problem.slots[device]:
            return f"device {device} has too many copies"
    if sum(map(sum, copies)) > problem.most_copies:
        return f"there are {sum(map(sum, copies))} copies"
    return None
