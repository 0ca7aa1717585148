"""Which balancers train, at which sizes and seeds, in which order. Needs no torch.

The sigmoid gate is used by all but one: the update rate u of Loss-Free Balancing and the trained bias of quantile
balancing are stated for it, multiplicative factors need its positive scores, and one gate makes the scores comparable.
BIP is stated for the softmax and is also run on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

import equipoise
from equipoise import AssignmentProblem
from equipoise.reference.routing.bip import BIP
from equipoise.reference.routing.loss_free import LossFree
from equipoise.reference.routing.loss_free_multiplicative import LossFreeMultiplicative
from equipoise.reference.routing.memory import KeepsPrices
from equipoise.reference.routing.midpoint import Midpoint, midpoint_sweep
from equipoise.reference.routing.quantile import QuantileBalancing
from equipoise.reference.routing.smebu import SMEBU
from equipoise.reference.routing.topk import routed, top_k_experts, topk
from equipoise.roles.router import Router
from equipoise.routing import Routing

STEPS = {16: 600, 64: 400}
FIRST_STEPS = 200
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


class QuantileMidpoint(KeepsPrices):
    """Quantile balancing with the middle in place of the lower end: one sweep on every batch after it is routed."""

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route this batch by the prices learnt so far, then learn from it."""
        scores = np.asarray(scores, np.float64)
        prices = self.kept(scores.shape[1])
        self.prices = midpoint_sweep(scores, prices, top_k)
        return routed(scores, top_k_experts(scores - prices, top_k))


@dataclass(frozen=True)
class Method:
    """A balancer in the loop: ``router`` makes one for a layer, ``aux_weight`` is alpha of the balance loss."""

    label: str
    router: Callable[[], Router]
    aux_weight: float = 0.0
    gate: Literal["softmax", "sigmoid"] = "sigmoid"


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
    "bip-4-softmax": Method("BIP, T = 4, softmax gate", partial(BIP, 4), gate="softmax"),
    "quantile": Method("quantile balancing, 1 after", QuantileBalancing),
    "quantile-midpoint": Method("quantile balancing from midpoints, 1 after", QuantileMidpoint),
    "midpoint": Method("midpoint sweep, 4 before", Midpoint),
    "smebu": Method("SMEBU", SMEBU),
    "optimum": Method("certified optimum", Optimum),
}

AT_16 = (
    *("none", "loss-controlled", "loss-free-0.001", "bip-4", "quantile", "quantile-midpoint", "midpoint", "smebu"),
    *("optimum", "bip-4-softmax"),
)
AT_64 = ("none", "loss-free-0.001", "bip-4", "quantile", "midpoint")
FIRST_AT_16 = tuple(name for name in METHODS if name not in ("bip-4-softmax", "quantile-midpoint", "smebu"))
FIRST_AT_64 = ("none", "loss-controlled", "loss-free-0.001", "bip-4", "quantile", "optimum")


@dataclass(frozen=True)
class Run:
    """One training run: E, the balancer, the seed of the weights and of the batches."""

    experts: int
    method: str
    seed: int
    steps: int

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"E{self.experts}-{self.method}-seed{self.seed}"


def plan(steps: int | None = None) -> dict[str, Run]:
    """All runs by name, in the order in which they run: every method at E = 16, those at 64, then E = 16 again."""
    order = [(16, AT_16, 0), (64, AT_64, 0), (16, AT_16, 1)]
    return _named(Run(size, name, seed, steps or STEPS[size]) for size, methods, seed in order for name in methods)


def first_plan(steps: int | None = None) -> dict[str, Run]:
    """The plan of the table of the first 200 steps, with more values of u and T."""
    order = [
        (16, FIRST_AT_16, 0),
        (64, FIRST_AT_64, 0),
        (16, FIRST_AT_16, 1),
        (64, FIRST_AT_64, 1),
        (16, FIRST_AT_16, 2),
    ]
    return _named(Run(size, name, seed, steps or FIRST_STEPS) for size, methods, seed in order for name in methods)


PLANS = {"all": plan, "first": first_plan}


def _named(runs: Iterable[Run]) -> dict[str, Run]:
    return {run.name: run for run in runs}


def unfinished(folder: Path, runs: dict[str, Run]) -> list[Run]:
    """Return those of ``runs`` that have no measurements in ``folder`` yet, in their order."""
    return [run for name, run in runs.items() if not (folder / name / FINISHED).exists()]
