"""What must not matter: the order of the experts, the unit and the type of the loads, the loads of other layers."""

from __future__ import annotations

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.placer import families
from equipoise.checks.placer.quality import asked, fresh_peaks, hold_to_bound, number, settled
from equipoise.roles.placer import PlacerCase

SCALE = 1024
"""A power of two: floats carry it exactly."""


@check(
    "placer", families.tie_free, unless=("random", "depends on expert order", "ignores the load"), severity="warning"
)
def placer_ignores_the_order_of_experts(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """Renaming the experts leaves the peak as it is (no two experts with an equal load per replica).

    With ties even EPLB's peak depends on how they are sorted (EPLB issue 8).
    """
    plain = fresh_peaks(balancer, case, case.load)
    other = fresh_peaks(balancer, case, np.ascontiguousarray(case.load[:, ::-1]))
    for layer, (before, after) in enumerate(zip(plain, other, strict=True)):
        if before != after:
            raise Failure(
                f"with the experts in reverse order the peak of layer {layer} is {number(after)}, not {number(before)}"
            )


@check("placer", families.flat, unless=("random", "ignores the load"), severity="warning")
def placer_ignores_the_scale(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """Loads 1,024 times as large, but below 2^50, give a peak 1,024 times as large, no other."""
    if case.load.max() * SCALE >= 2**50:
        return
    plain, other = fresh_peaks(balancer, case, case.load), fresh_peaks(balancer, case, case.load * SCALE)
    for layer, (before, after) in enumerate(zip(plain, other, strict=True)):
        if before * SCALE != after:
            raise Failure(
                f"with all loads times {SCALE} the peak of layer {layer} is {number(after)}, "
                f"not {SCALE} times {number(before)}"
            )


@check("placer", families.several_layers, unless=("random", "couples layers"))
def placer_places_layers_apart(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """A layer's peak does not depend on the loads of other layers, unless the placer declares "couples layers"."""
    before = fresh_peaks(balancer, case, case.load)
    for kept in (0, len(case.load) - 1):
        others = np.arange(len(case.load)) != kept
        load = case.load.copy()
        load[others] = 0
        after = fresh_peaks(balancer, case, load)
        if before[kept] != after[kept]:
            raise Failure(
                f"the peak of layer {kept} goes from {number(before[kept])} to {number(after[kept])} "
                "when the other layers lose their load"
            )


@check("placer", families.sequences, needs=("takes rank",))
def placer_decides_alike_on_every_rank(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """Asked as on rank r by the keyword ``rank``, it gives the same placements on every rank: the map is shared.

    Each rank works it out for itself; where two differ, tokens go to replicas that are not there (sglang PR 32962).
    Not even a placer that is "random" may differ here: ranks share its seed.
    """
    answers = []
    for rank in range(case.num_devices):
        balancer.fresh()
        answers.append([asked(balancer, case, load, rank=rank) for load in case.loads])
    for rank, given in enumerate(answers):
        for call, (first, other) in enumerate(zip(answers[0], given, strict=True), 1):
            if not np.array_equal(first, other):
                raise Failure(
                    f"in call {call} rank {rank} decides for {other.tolist()}, rank 0 for {first.tolist()}",
                    first.tolist(),
                )


@check("placer", families.flat)
def placer_takes_any_number_type(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """The same whole numbers as int32, int64, float32 and float64 all give a placement, and no poor one.

    Frameworks hand over counts as well as moving averages.
    """
    for dtype in (np.int32, np.int64, np.float32, np.float64):
        if dtype == np.int32 and case.load.max() >= 2**31:
            continue
        balancer.fresh()
        load = case.load.astype(dtype)
        placed = settled(balancer, case, load)
        if "ignores the load" not in balancer.capabilities:
            hold_to_bound(balancer, case, placed, load)
