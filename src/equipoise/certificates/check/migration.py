r"""The check of a migration certificate: standard library and NumPy, integers and Fractions only, no solver.

A certificate is a placement, as :mod:`equipoise.certificates.check.placement` takes it, and a lower bound B on the peak
of every placement that moves at most M slots. Either an argument of that module proves B for all placements, or
**weights** do, or **count** does, see :mod:`equipoise.certificates.check.moves`.
"""

from __future__ import annotations

from fractions import Fraction

from equipoise.certificates.check import placement
from equipoise.certificates.check.moves import Migration, Weights, excess, moves_needed
from equipoise.certificates.check.placement import Sizes, check_placement
from equipoise.certificates.check.verdict import Verdict

ARGUMENTS = ("count", "weights", *placement.ARGUMENTS)


def held_by(loads: list[int], sizes: Sizes, slots: list[int]) -> list[list[bool]]:
    """Return ``[E][G]``: which device holds which expert in a placement."""
    width = sizes.num_slots // sizes.num_devices
    held = [[False] * sizes.num_devices for _ in loads]
    for slot, expert in enumerate(slots):
        if expert >= 0:
            held[expert][slot // width] = True
    return held


def check_migration(
    problem: Migration,
    slots: list[int],
    split: list[list[int]] | None,
    denominator: int,
    bound: Fraction,
    argument: str,
    weights: Weights,
) -> Verdict:
    """Decide whether a placement is proved the best with so few moves.

    Parameters
    ----------
    problem
        What is solved.
    slots, split, denominator
        The placement, as :func:`equipoise.certificates.check.placement.check_placement` takes it.
    bound, argument, weights
        The lower bound, which argument proves it, and the weights of "weights".
    """
    proved = is_lower_bound(problem, bound, argument, weights)
    lower = bound if proved else None
    own = check_placement(problem.loads, problem.sizes, slots, split, denominator, Fraction(0), "mean")
    if own.upper is None:
        return Verdict(False, own.reason, lower)
    after = held_by(problem.loads, problem.sizes, slots)
    rows = zip(after, problem.held, strict=True)
    moves = sum(new and not old for row, before in rows for new, old in zip(row, before, strict=True))
    if moves > problem.most_moves:
        return Verdict(False, f"the placement moves {moves} slots, more than {problem.most_moves}", lower)
    if not proved:
        return Verdict(False, f"no {argument} argument proves {bound}", None, own.upper)
    if lower != own.upper:
        return Verdict(
            False, f"the {argument} argument proves {bound}, the placement's peak is {own.upper}", lower, own.upper
        )
    return Verdict(True, f"the placement is feasible and its peak is the {argument} bound", lower, own.upper)


def is_lower_bound(problem: Migration, bound: Fraction, argument: str, weights: Weights) -> bool:
    """Whether ``argument`` proves that no placement with so few moves has a peak below ``bound``."""
    if argument == "count":
        return bound == 0 or (bound > 0 and moves_needed(problem, bound) > problem.most_moves)
    if argument != "weights":
        return placement.is_lower_bound(problem.loads, problem.sizes, bound, argument)
    devices = problem.sizes.num_devices
    if bound <= 0:
        return bound == 0
    if len(weights.device) != devices or len(weights.slot) != devices or sum(weights.device) <= 0:
        return False
    if min(*weights.device, *weights.slot, weights.move) < 0:
        return False
    paid = excess(problem, bound, weights)
    return paid is None or paid >= 0
