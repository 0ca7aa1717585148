"""Placers at production sizes: 58 layers of 256 experts in 288 slots of 32 devices, loads beyond 2^31 and 2^40."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.production import Sizes, production
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.placer.families import is_flat
from equipoise.checks.placer.quality import TWICE, layer_problem, place, replicas_of, settled
from equipoise.roles.placer import Integers, PlacerCase
from equipoise.solvers.placement.bounds import best_bound

DISTINCT = 4
"""Different layers; the others are copies of them."""

MACHINES = (
    (1, 256, 9, 32),
    (58, 256, 9, 32),
    (61, 384, 9, 48),
    (33, 64, 9, 8),
    (26, 64, 10, 8),
    (48, 128, 9, 16),
    (94, 128, 10, 16),
    (36, 128, 2, 72),
    (2, 127, 4, 33),
    (2, 160, 6, 33),
    (3, 257, 5, 64),
    (1, 512, 9, 64),
)
"""L, E, slots a device and G."""

LADDER = tuple((*machine, bits) for machine in MACHINES for bits in (10, 24, 32, 41))
"""And the bits of the largest load."""


@production(LADDER, lambda sizes: sizes[0] * sizes[2] * sizes[3], 350, is_flat, slow=5_000)
def machines(sizes: Sizes, random: np.random.RandomState) -> PlacerCase:
    """Skewed loads in a few different layers, over and over; the last expert's is the largest."""
    layers, experts, width, devices, bits = sizes
    load = np.floor(2.0 ** (bits * random.random_sample((min(layers, DISTINCT), experts)))).astype(np.int64)
    load[:, -1] = 2**bits - 1
    return PlacerCase((load[np.arange(layers) % DISTINCT],), width * devices, 1, 1, devices)


def _peaks(case: PlacerCase, placed: Integers) -> npt.NDArray[np.float64]:
    """Return the load of the fullest device of every layer where replicas share evenly."""
    share = case.load / replicas_of(placed, case)
    held = np.where(placed >= 0, np.take_along_axis(share, np.maximum(placed, 0), axis=1), 0.0)
    return np.asarray(held.reshape(len(held), case.num_devices, -1).sum(axis=2).max(axis=1))


@check("placer", machines)
def placer_places_every_expert_at_production_size(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """Every expert of dozens of layers has a slot among hundreds (numbers of 8 bits end at slot 255, signed at 127)."""
    place(balancer, case)


@check("placer", machines, unless=("ignores the load", "free split"))
def placer_is_near_the_bound_at_production_size(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """In all of dozens of layers the fullest device has at most twice a proved bound: the mean or a replica."""
    balancer.fresh()
    peaks = _peaks(case, settled(balancer, case, case.load))
    first = _first(case)
    bounds = {layer: float(best_bound(layer_problem(balancer, case, case.load[layer])).value) for layer in set(first)}
    for layer, peak in enumerate(peaks):
        bound = bounds[first[layer]]
        if peak > (1 + TWICE) * bound * (1 + 1e-9):
            words = f"{peak / bound:.4g} times the proved bound of {bound:.6g}"
            raise Failure(f"in layer {layer} the fullest device has {peak:.6g} tokens: {words}, allowed are 2 times")


def _first(case: PlacerCase) -> npt.NDArray[np.int64]:
    """Return for every layer the first with the same loads."""
    _, first, same = np.unique(case.load, axis=0, return_index=True, return_inverse=True)
    return first[same.ravel()]


@check("placer", machines, unless=("random", "couples layers", "ignores the load", "free split"))
def placer_treats_layers_alike_at_production_size(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """Of dozens of layers, those with the same loads get the same peak."""
    balancer.fresh()
    peaks = _peaks(case, settled(balancer, case, case.load))
    first = _first(case)
    unlike = ~np.isclose(peaks, peaks[first], rtol=1e-9)
    if unlike.any():
        layer = int(np.argmax(unlike))
        words = f"layer {first[layer]}, with the same loads, {peaks[first[layer]]:.6g}"
        raise Failure(f"the fullest device of layer {layer} has {peaks[layer]:.6g} tokens, that of {words}")
