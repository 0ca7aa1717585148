"""A metric says what its formula says, between its bounds, from balance to collapse."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.metric import families
from equipoise.exact_metrics import exact
from equipoise.roles.metric import LOSSES, OF_LOADS, SAMPLE, MetricCase, kind_of

Floats = npt.NDArray[np.float64]

LOADS = "|".join(OF_LOADS)
LOSS = "|".join(LOSSES)
BALANCE_LOSS = "aux-loss|sequence-loss|global-loss"


def ask(balancer: Balancer, given: tuple[Any, ...], **keywords: Any) -> Floats:
    """Return what a fresh metric returns, without the constant of one that is scaled."""
    balancer.fresh()
    value: Floats = balancer.ask(*given, **keywords)
    return value / constant(balancer)


def constant(balancer: Balancer) -> float:
    """Return the constant that the loss is scaled with; 1 unless it declares one."""
    if "scaled" not in balancer.capabilities:
        return 1.0
    (given,) = balancer.calls(SAMPLE)
    return float(balancer.ask(*given)) / float(_exact(balancer, given)[0]) or 1.0


def value(balancer: Balancer, case: MetricCase) -> Floats:
    """Return the value of a case."""
    return ask(balancer, balancer.calls(case)[0])


def wanted(balancer: Balancer, given: tuple[Any, ...], got: Floats, **keywords: Any) -> Floats:
    """Return the exact value, in the form of the one that it gave: of all rows their mean, or one a row.

    Raises
    ------
    Failure
        If it gave another number of values.
    """
    found = _exact(balancer, given, **keywords)
    if kind_of(balancer.capabilities) in OF_LOADS and got.ndim == 0:
        return np.asarray(float(sum(found, Fraction(0)) / len(found)))
    if got.size != len(found):
        some = f"one number or {len(found)}, one a row" if len(found) > 1 else "one number"
        raise Failure(f"it returns {got.size} numbers; allowed: {some}")
    return np.array([float(one) for one in found]).reshape(got.shape)


def compare(got: Floats, right: Floats, when: str, tolerance: float = families.TOLERANCE) -> None:
    """Fail if a value is off by more than 2e-5 of the larger of it and 1."""
    if not families.near(got, right, tolerance):
        raise Failure(f"{when} it is {_said(got)}, not {_said(right)}", better=right.tolist())


def _said(numbers: Floats) -> str:
    shown = [f"{number:.6g}" for number in np.atleast_1d(numbers).tolist()]
    return shown[0] if numbers.ndim == 0 else f"[{', '.join(shown)}]"


def _exact(balancer: Balancer, given: tuple[Any, ...], **keywords: Any) -> list[Fraction]:
    return exact(kind_of(balancer.capabilities), balancer.capabilities, given, **keywords)


def _check(balancer: Balancer, case: MetricCase, when: str) -> None:
    (given,) = balancer.calls(case)
    got = ask(balancer, given)
    compare(got, wanted(balancer, given, got), when)


@check("metric", families.anything)
def metric_value_is_exact(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """It is what its formula gives in rational numbers, but for 2e-5 of the larger of that and 1.

    vLLM logged a balancedness over layers, 0.517 where 0.876 is true (PRs 36305, 39178, 51784); transformers' losses
    counted K times (43775).
    """
    _check(balancer, case, "here")


@check("metric", families.large_loads, needs=(LOADS,))
def metric_is_exact_for_large_loads(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """Loads of a long run, up to 2^44 tokens, are measured as others are: sums in 32 bits overflow."""
    _check(balancer, case, "for loads this large")


@check("metric", families.other_experts, needs=(BALANCE_LOSS,), unless=("picks experts",))
def metric_counts_the_experts_it_is_given(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """A loss counts where tokens went, not where the scores alone would send them: a bias or groups decide too."""
    _check(balancer, case, "where tokens are not at the experts of their best scores")


@check("metric", families.with_drops, needs=("expert-load|dropped",))
def metric_leaves_out_what_is_dropped(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """An assignment -1 is nobody's: as an index, it would be the last expert's."""
    _check(balancer, case, "where assignments are dropped")


def bounds(balancer: Balancer, case: MetricCase) -> tuple[float, float]:
    """Return what the value of any such case lies between."""
    columns = (case.load if case.load.size else case.logits).shape[-1]
    top_k = case.experts.shape[-1]
    kind = kind_of(balancer.capabilities)
    fullest = columns if "counts K times" in balancer.capabilities else columns / max(1, top_k)
    known = {
        "balancedness": (1 / columns, 1.0),
        "imbalance": (1.0, float(columns)),
        "max-vio": (0.0, columns - 1.0),
        "min-vio": (-1.0, 0.0),
        "cv": (0.0, math.sqrt(columns - 1)),
        "expert-load": (0.0, float(case.experts.size)),
        "dropped": (0.0, 1.0),
    }
    return known.get(kind, (0.0, math.inf if kind == "z-loss" else fullest))


def _within(balancer: Balancer, case: MetricCase, got: Floats, low: float, high: float) -> None:
    slack = families.TOLERANCE * max(1.0, abs(low), high if high < math.inf else 1.0)
    if (bad := (got < low - slack) | (got > high + slack)).any():
        outside = float(np.atleast_1d(got)[np.atleast_1d(bad)][0])
        what = f"at least {low:.6g}" if high == math.inf else f"between {low:.6g} and {high:.6g}"
        raise Failure(f"its value is {outside:.6g}, and every {kind_of(balancer.capabilities)} is {what}")


@check("metric", families.anything)
def metric_stays_within_its_bounds(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """Balancedness is in [1 / N, 1], MaxVio in [0, N - 1], MinVio in [-1, 0], a balance loss in [0, E / K]."""
    _within(balancer, case, value(balancer, case), *bounds(balancer, case))


@check("metric", families.without_load, needs=(LOADS,))
def metric_is_finite_without_load(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """A layer without a token is no reason for a NaN, which a mean over layers would spread; nor for what is no value.

    What the value is there is a convention, so it need only lie between the bounds, or be 0.
    """
    low, high = bounds(balancer, case)
    _within(balancer, case, value(balancer, case), min(0.0, low), high)


BALANCED = {"balancedness": 1, "imbalance": 1, "aux-loss": 1, "sequence-loss": 1, "global-loss": 1}
"""What a metric is at balance; 0 where nothing is said."""


@check("metric", families.balanced, needs=(f"{LOADS}|{LOSS}",))
def metric_knows_balance(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """At perfect balance it has its constant: balancedness and balance losses 1, MaxVio 0, a z-loss log(E)^2.

    A loss that is K there counts every token K times (transformers issue 43775) and declares "counts K times".
    """
    kind, experts = kind_of(balancer.capabilities), case.logits.shape[-1]
    right = math.log(experts) ** 2 if kind == "z-loss" else float(BALANCED.get(kind, 0))
    if "counts K times" in balancer.capabilities:
        right *= case.experts.shape[-1]
    got = value(balancer, case)
    compare(got, np.full(got.shape, right), "at perfect balance")


@check("metric", families.collapsed, needs=(f"{LOADS}|{LOSS}",))
def metric_knows_collapse(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """With all load in one of N places it is at its other end: balancedness 1 / N, MaxVio N - 1, a balance loss E / K.

    A loss that applies the softmax twice never gets there (transformers issue 45120).
    """
    low, high = bounds(balancer, case)
    kind = kind_of(balancer.capabilities)
    right = low if kind in ("balancedness", "min-vio") else high
    if kind == "min-vio" and case.load.shape[-1] == 1:
        right = 0.0
    if kind == "z-loss":
        right = (families.FAVOURED + math.log(case.experts.shape[-1])) ** 2
    got = value(balancer, case)
    compare(got, np.full(got.shape, right), "with all load in one place")
