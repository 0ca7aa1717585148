"""From loads to time: an estimate, by a model that is stated and can be changed; nothing here is measured.

    compute  = 3 * ceil(load / tile) * tile * 6 * hidden * width / (teraflops * 10^12)
    transfer = 2 * 2 * load * hidden * bytes_per_value / (gigabytes_per_second * 10^9)
    step     = layers * (compute + transfer),   load = imbalance * tokens * top_k / devices

The busiest device sets the pace. ``load`` is what it receives if its share of ``tokens`` is ``imbalance`` = peak over
mean times the even one. Three matrix products of ``hidden x width`` make an expert (gate, up, down): 6 * hidden * width
operations a token forward, and twice that backward. A grouped matrix product works on whole tiles of tokens. Every
token goes to its expert and back (all-to-all), and its gradient too; the busiest device's link is the bottleneck.
Attention, overlap of transfer and compute, and latency are left out. (Our model.)
"""

from __future__ import annotations

import math
from typing import Annotated

from msgspec import Meta, Struct

Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]

COMPUTED, SENT = 3, 2
"""Work forward and backward in units of the work forward."""


class StepTime(Struct, frozen=True, forbid_unknown_fields=True):
    """The model's parameters; the defaults are of the order of a large model on current accelerators.

    Attributes
    ----------
    tokens
        Tokens of a step that one expert-parallel group routes together.
    top_k, devices
        Experts per token, and devices of the group.
    tile
        Tokens per tile of the grouped matrix product.
    hidden, width, layers
        Model width, hidden width of an expert, MoE layers.
    teraflops
        Sustained rate of a device, 10^12 operations a second.
    gigabytes_per_second
        All-to-all bandwidth of a device, each way.
    bytes_per_value
        Of what is sent.
    """

    tokens: Count = 131072
    top_k: Count = 8
    devices: Count = 32
    tile: Count = 128
    hidden: Count = 4096
    width: Count = 1536
    layers: Count = 32
    teraflops: Positive = 400.0
    gigabytes_per_second: Positive = 50.0
    bytes_per_value: Positive = 2.0

    def load(self, imbalance: float) -> float:
        """Tokens that the busiest device receives."""
        return imbalance * self.tokens * self.top_k / self.devices

    def compute(self, imbalance: float) -> float:
        """Seconds of matrix products in one layer on the busiest device."""
        tiled = math.ceil(self.load(imbalance) / self.tile) * self.tile
        return COMPUTED * tiled * 6 * self.hidden * self.width / (self.teraflops * 1e12)

    def transfer(self, imbalance: float) -> float:
        """Seconds of all-to-all in one layer on the busiest device: to the experts and back."""
        sent = 2 * self.load(imbalance) * self.hidden * self.bytes_per_value
        return SENT * sent / (self.gigabytes_per_second * 1e9)

    def step(self, imbalance: float) -> float:
        """Seconds of all MoE layers in one step."""
        return self.layers * (self.compute(imbalance) + self.transfer(imbalance))
