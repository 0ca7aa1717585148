"""Which balancers train, at which sizes and seeds, in which order. Needs no torch.

The sigmoid gate is used by all: the update rate u of Loss-Free Balancing and the trained bias of quantile balancing
are stated for it, multiplicative factors need its positive scores, and one gate makes the scores comparable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import equipoise
from equipoise import AssignmentProblem
from equipoise.reference.routing.bip import BIP
from equipoise.reference.routing.loss_free import LossFree
from equipoise.reference.routing.loss_free_multiplicative import LossFreeMultiplicative
from equipoise.reference.routing.memory import KeepsPrices
from equipoise.reference.routing.midpoint import Midpoint
from equipoise.reference.routing.quantile import QuantileBalancing
from equipoise.reference.routing.topk import routed, topk
from equipoise.roles.router import Router
from equipoise.routing import Routing

STEPS = 200
GATE = "sigmoid"
AUX_WEIGHT = 1e-3
FINISHED = "metrics.npz"


class Optimum(KeepsPrices):
    """The certified optimum of every batch as router; between batches it keeps the certificate's prices."""

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route one batch; RuntimeError if its optimum is not certified."""
        solution = equipoise.solve(AssignmentProblem(scores, top_k), solver="ortools-flow")
        if solution.evidence != "certified" or solution.experts is None or solution.certificate is None:
            raise RuntimeError(f"the optimum of a batch is not certified: {solution.status}, {solution.raw_status}")
        certificate: Any = solution.certificate
        self.prices = np.ldexp(certificate.prices.astype(np.float64), -certificate.exponent)
        return routed(scores, solution.experts)


@dataclass(frozen=True)
class Method:
    """A balancer in the loop: ``router`` makes one for a layer, ``aux_weight`` is alpha of the balance loss."""

    label: str
    router: Callable[[], Router]
    aux_weight: float = 0.0


METHODS = {
    "none": Method("none", lambda: topk),
    "loss-controlled": Method(f"loss-controlled, alpha = {AUX_WEIGHT:g}", lambda: topk, AUX_WEIGHT),
    **{f"loss-free-{u:g}": Method(f"Loss-Free, u = {u:g}", partial(LossFree, u)) for u in (0.01, 0.001, 0.0001)},
    **{
        f"loss-free-multiplicative-{u:g}": Method(
            f"Loss-Free, multiplicative, u = {u:g}", partial(LossFreeMultiplicative, u)
        )
        for u in (0.01, 0.001, 0.0001)
    },
    **{f"bip-{sweeps}": Method(f"BIP, T = {sweeps}", partial(BIP, sweeps)) for sweeps in (2, 4, 8, 14)},
    "quantile": Method("quantile balancing", QuantileBalancing),
    "midpoint": Method("midpoint sweep, 4 a batch", Midpoint),
    "optimum": Method("certified optimum", Optimum),
}

AT_64 = ("none", "loss-controlled", "loss-free-0.001", "bip-4", "quantile", "optimum")


@dataclass(frozen=True)
class Run:
    """One training run: E, the balancer, the seed of the weights and of the batches."""

    experts: int
    method: str
    seed: int
    steps: int = STEPS

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"E{self.experts}-{self.method}-seed{self.seed}"


def plan(steps: int = STEPS) -> dict[str, Run]:
    """All runs by name, in the order in which they run: seed by seed, every method at E = 16, then those at 64."""
    runs = []
    for seed in (0, 1, 2):
        runs += [Run(16, method, seed, steps) for method in METHODS]
        runs += [Run(64, method, seed, steps) for method in AT_64 if seed < 2]
    return {run.name: run for run in runs}


def unfinished(folder: Path, runs: dict[str, Run]) -> list[Run]:
    """Return those of ``runs`` that have no measurements in ``folder`` yet, in their order."""
    return [run for name, run in runs.items() if not (folder / name / FINISHED).exists()]
