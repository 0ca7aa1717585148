"""What must not matter: the order of the experts and the unit of the loads."""

from __future__ import annotations

import numpy as np

from equipoise.checks.cases import PlacerCase
from equipoise.checks.failure import Failure
from equipoise.checks.placer import families
from equipoise.checks.placer.view import number, peaks, place
from equipoise.checks.registry import check
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject

SCALE = 1024
"""A power of two: floats carry it exactly."""


@check(
    "placer", families.tie_free, unless=("random", "depends on expert order", "ignores the load"), severity="warning"
)
def placer_ignores_the_order_of_experts(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """Renaming the experts leaves the peak as it is (no two experts with an equal load per replica).

    With ties even EPLB's peak depends on how they are sorted (EPLB issue 8).
    """
    subject.fresh()
    plain = peaks(subject, case, place(subject, case), case.load)
    renamed = np.ascontiguousarray(case.load[:, ::-1])
    subject.fresh()
    other = peaks(subject, case, place(subject, case, renamed), renamed)
    for layer, (before, after) in enumerate(zip(plain, other, strict=True)):
        if before != after:
            raise Failure(
                f"with the experts in reverse order the peak of layer {layer} is {number(after)}, not {number(before)}"
            )


@check("placer", families.flat, unless=("random", "ignores the load"), severity="warning")
def placer_ignores_the_scale(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """Loads 1,024 times as large give a peak 1,024 times as large, no other."""
    if case.load.max() * SCALE >= 2**50:
        return
    subject.fresh()
    plain = peaks(subject, case, place(subject, case), case.load)
    scaled = case.load * SCALE
    subject.fresh()
    other = peaks(subject, case, place(subject, case, scaled), scaled)
    for layer, (before, after) in enumerate(zip(plain, other, strict=True)):
        if before * SCALE != after:
            raise Failure(
                f"with all loads times {SCALE} the peak of layer {layer} is {number(after)}, "
                f"not {SCALE} times {number(before)}"
            )
