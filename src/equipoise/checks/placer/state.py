"""Placing again and again: the placement follows the load, and only a placer with reset() remembers."""

from __future__ import annotations

import numpy as np

from equipoise.checks.cases import PlacerCase
from equipoise.checks.failure import Failure
from equipoise.checks.placer import families
from equipoise.checks.placer.quality import hold_to_bound
from equipoise.checks.placer.view import number, peaks, place, settled
from equipoise.checks.registry import check
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject


@check("placer", families.sequences, unless=("ignores the load",))
def placer_follows_the_load(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """After the hot expert has moved, the placement is again within twice the bound of the new load.

    A placer with ``reset()`` remembers, and may take ten calls to get there.
    """
    subject.fresh()
    for load in case.loads:
        hold_to_bound(subject, case, settled(subject, case, load), load)


@check("placer", families.sequences, unless=("random", "has reset"))
def placer_without_reset_remembers_nothing(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """Without ``reset()`` a placer has no memory: the first loads, asked for again at last, have the same peaks."""
    subject.fresh()
    first = peaks(subject, case, place(subject, case), case.load)
    for load in case.loads:
        place(subject, case, load)
    last = place(subject, case)
    for layer, (before, after) in enumerate(zip(first, peaks(subject, case, last, case.load), strict=True)):
        if before != after:
            raise Failure(
                f"asked again, it gives the first load another peak: {number(after)} in layer {layer}, "
                f"{number(before)} at first"
            )


@check("placer", families.sequences, needs=("has reset",))
def placer_reset_forgets(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """After a reset the placer is as good as new."""
    subject.fresh()
    first = [place(subject, case, load).slots for load in case.loads]
    subject.reset()
    again = [place(subject, case, load).slots for load in case.loads]
    for step, (one, other) in enumerate(zip(first, again, strict=True), 1):
        if not np.array_equal(one, other):
            raise Failure(f"load {step} is placed {other.tolist()} after reset(), {one.tolist()} when new")
