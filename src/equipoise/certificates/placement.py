r"""The check of a placement certificate: standard library and NumPy, integers and Fractions only, no solver.

A certificate is a placement (with a split of the load, where tokens are scheduled freely) and a lower bound B on the
peak of every placement, by one of three arguments:

* **mean**: ``B = sum(load) / G``.
* **replica**: below B, expert e needs ``floor(w_e / B) + 1`` replicas, each a device of its own or a slot; together
  they need more than P slots, or one expert needs more than G devices (least counts: Adams' apportionment).
* **component**: with free split, see :mod:`equipoise.certificates.components`.
* **deal**: with even split, see :mod:`equipoise.certificates.deals`.

The first three ignore groups and nodes, so they bound the hierarchical form too. A placement whose peak is B is
optimal; otherwise the verdict still carries both bounds.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.certificates.components import no_partition_below
from equipoise.certificates.deals import GivenUp, deal_below
from equipoise.certificates.verdict import Verdict
from equipoise.problems import PlacementProblem

Integers = npt.NDArray[np.int64]

ARGUMENTS = ("mean", "replica", "component", "deal")


def check_placement(
    problem: PlacementProblem,
    physical_to_logical: Integers,
    split: Integers | None,
    denominator: int,
    bound: Fraction,
    argument: str,
) -> Verdict:
    """Decide whether a placement is proved optimal by ``bound``.

    Parameters
    ----------
    problem
        As stated; only its numbers are used.
    physical_to_logical
        ``[P]`` experts, -1 for an empty slot.
    split, denominator
        ``[E, G]`` integers over a positive denominator, where ``problem.split`` is "free"; else None and 1.
    bound, argument
        The lower bound, and which of the four arguments proves it.
    """
    proved = is_lower_bound(problem, bound, argument)
    lower = bound if proved else None
    if (reason := problem.violation(physical_to_logical)) is not None:
        return Verdict(False, reason, lower)
    if problem.split == "even":
        upper = problem.even_peak(physical_to_logical)
    else:
        reason = _split_violation(problem, physical_to_logical, split, denominator)
        if reason is not None or split is None:
            return Verdict(False, reason or "the split is missing", lower)
        upper = Fraction(max(sum(column) for column in split.T.tolist()), denominator)
    if not proved:
        return Verdict(False, f"no {argument} argument proves {bound}", None, upper)
    if lower != upper:
        reason = f"the {argument} argument proves {bound}, the placement has a peak of {upper}"
        return Verdict(False, reason, lower, upper)
    return Verdict(True, f"the placement is feasible and its peak is the {argument} bound", lower, upper)


def is_lower_bound(problem: PlacementProblem, bound: Fraction, argument: str) -> bool:
    """Whether ``argument`` proves that no placement has a peak below ``bound``."""
    loads = problem.load.tolist()
    if argument not in ARGUMENTS or bound < 0:
        return False
    if bound == 0 or bound * problem.num_devices <= sum(loads):
        return True
    if argument == "replica":
        needed = [w * bound.denominator // bound.numerator + 1 for w in loads]
        too_many = problem.distinct or problem.split == "free"
        return sum(needed) > problem.num_slots or (too_many and max(needed) > problem.num_devices)
    if argument == "component" and problem.split == "free":
        return no_partition_below(loads, problem.num_slots, problem.num_devices, bound)
    if argument == "deal" and problem.split == "even":
        sizes = (problem.num_slots, problem.num_devices)
        try:
            return deal_below(loads, *sizes, problem.distinct, bound, problem.num_groups, problem.num_nodes) is None
        except GivenUp:
            return False
    return False


def _split_violation(
    problem: PlacementProblem, physical_to_logical: Integers, split: Integers | None, denominator: int
) -> str | None:
    shape = (problem.num_experts, problem.num_devices)
    if split is None or split.dtype.kind != "i" or split.shape != shape or denominator < 1:
        return f"the split is not integers of shape {shape} over a positive denominator"
    if (split < 0).any() or split[problem.counts(physical_to_logical) == 0].any():
        return "the split is negative somewhere, or uses a device that does not host the expert"
    for expert, (row, load) in enumerate(zip(split.tolist(), problem.load.tolist(), strict=True)):
        if sum(row) != load * denominator:
            return f"expert {expert} gets {Fraction(sum(row), denominator)} of {load} tokens"
    return None
