"""Placing again and again: the placement follows the load, and the machine."""

from __future__ import annotations

from itertools import cycle

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.placer import families
from equipoise.checks.placer.quality import TWICE, dealt, hold_to_bound, settled
from equipoise.roles.placer import PlacerCase

HALF = 0.5
"""Peak beyond the bound, relative, from which a live device without any expert is one that was forgotten."""


@check("placer", families.sequences, unless=("ignores the load",))
def placer_follows_the_load(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """After the hot expert has moved, the placement is again within twice the bound of the new load.

    A placer with ``reset()`` remembers, and may take ten calls to get there.
    """
    balancer.fresh()
    for load in case.loads:
        hold_to_bound(balancer, case, settled(balancer, case, load), load)


@check("placer", families.changing_machines)
def placer_follows_the_machine(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """Where slots and devices change between calls, each answer is a placement on the machine of its own call.

    Its peak is within twice the bound, after ten calls of a placer with ``reset()``; one without answers as if it had
    seen no other machine. Runtime scale-down left tables of the old size (sglang PR 33111, rtp-llm PR 681).
    """
    calls = [(load, *machine) for load, *machine in case.calls() if balancer.takes(load, *machine)]
    remembers = balancer.capabilities & {"has reset", "stateful", "random"}
    balancer.fresh()
    answers = []
    for load, *machine in calls:
        one = PlacerCase((load,), *machine)
        answers.append(settled(balancer, one, load))
        if "ignores the load" not in balancer.capabilities:
            hold_to_bound(balancer, one, answers[-1], load)
    for number, ((load, *machine), given) in enumerate(zip(calls, answers, strict=True), 1):
        balancer.fresh()
        if not remembers and not np.array_equal(alone := settled(balancer, PlacerCase((load,), *machine), load), given):
            raise Failure(f"in call {number}, after another machine, it answers {given.tolist()}, not {alone.tolist()}")


@check("placer", families.dead_devices, needs=("takes live",))
def placer_leaves_dead_devices_empty(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """Told by ``live[G]`` which devices there are, it puts no expert on any other, and all experts on these.

    The peak on them is within twice the bound, and within one and a half times where one of them is left empty: a
    device that is back is used again. For placers that take ``live`` (sglang PR 33111).
    """
    balancer.fresh()
    width = case.num_slots // case.num_devices
    for call, (load, live) in enumerate(zip(case.loads, cycle(case.live)), 1):
        alive = int(live.sum())
        one = PlacerCase((load,), alive * width, 1, 1, alive)
        placed = settled(balancer, case, load, live=live.copy()).reshape(len(load), case.num_devices, width)
        if (held := placed[:, ~live] >= 0).any():
            layer, place, slot = np.argwhere(held)[0].tolist()
            dead = int(np.flatnonzero(~live)[place])
            better = np.full((case.num_devices, width), -1)
            even = np.bincount(np.arange(one.num_slots) % load.shape[1])
            better[live] = np.reshape(dealt(even, one.num_slots, alive), (alive, width))
            raise Failure(
                f"in call {call} it puts expert {placed[layer, dead, slot]} of layer {layer} on device {dead}, "
                f"which is dead: live = {live.tolist()}",
                better.ravel().tolist(),
            )
        if "ignores the load" not in balancer.capabilities:
            forgotten = (placed[:, live] < 0).all(axis=2).any()
            on_these = placed[:, live].reshape(len(load), -1)
            hold_to_bound(balancer, one, on_these, load, HALF if forgotten else TWICE)
