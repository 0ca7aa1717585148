"""What training sees of a loss: its slope, as its value has it, and as its gradient says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.metric import families
from equipoise.checks.metric.answers import LOSS, ask, constant
from equipoise.errors import TargetError
from equipoise.exact_metrics import exact
from equipoise.roles.metric import LOGITS, NO_VALUE, MetricCase, kind_of

Floats = npt.NDArray[np.float64]

STEP = 2.0**-6
"""Of differences of the metric's own value: small for the curvature of a loss, large for the rounding of float32."""

FINE = 2.0**-20
"""Of differences of the exact value, which is not rounded: they are right to 1e-11."""

TOLERANCE = 0.01
"""By how much a slope may be off, over the largest there is; where that is below 0.01, over 0.01."""


def _given(balancer: Balancer, case: MetricCase) -> tuple[Any, ...]:
    """Return what the loss is called with, scores or logits as float64."""
    scores, *rest = balancer.calls(case)[0]
    return (scores.astype(np.float64), *rest)


def _unit(balancer: Balancer, given: tuple[Any, ...]) -> Floats:
    """Return ``[.., 1]``, what is a small step for a token: the sum of its scores, 1 for logits."""
    scores: Floats = given[0]
    is_logits = LOGITS in balancer.capabilities or kind_of(balancer.capabilities) == "z-loss"
    return np.ones((*scores.shape[:-1], 1)) if is_logits else scores.sum(axis=-1, keepdims=True)


def _gradient(balancer: Balancer, given: tuple[Any, ...]) -> Floats:
    """Return the gradient that the loss says, per unit."""
    balancer.fresh()
    found = balancer.call(*given, gradient=True).value
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f" or found.shape != given[0].shape:
        shape = f"of shape {found.shape}" if isinstance(found, np.ndarray) else f"a {type(found).__name__}"
        raise TargetError(f"its gradient is {shape}; allowed: floats of shape {given[0].shape}", NO_VALUE)
    if not np.isfinite(found).all():
        raise TargetError("its gradient is not finite", NO_VALUE)
    return found.astype(np.float64) / constant(balancer) * _unit(balancer, given)


def _differences(given: tuple[Any, ...], units: Floats, step: float, of: Callable[[tuple[Any, ...]], float]) -> Floats:
    """Return the central difference of a value by every entry of what is given first, per unit."""
    found = np.zeros(given[0].shape)
    for place in np.ndindex(found.shape):
        ends = []
        for sign in (1, -1):
            moved = given[0].copy()
            moved[place] += sign * step * units[(*place[:-1], 0)]
            ends.append(of((moved, *given[1:])))
        found[place] = (ends[0] - ends[1]) / (2 * step)
    return found


def _exact_gradient(balancer: Balancer, given: tuple[Any, ...]) -> Floats:
    """Return the derivative of the exact value, per unit."""
    kind, declared = kind_of(balancer.capabilities), balancer.capabilities
    scale = 2**80  # differences of rational numbers are exact, of their floats they are not
    middle = exact(kind, declared, given)[0]
    return (
        _differences(
            given, _unit(balancer, given), FINE, lambda moved: float((exact(kind, declared, moved)[0] - middle) * scale)
        )
        / scale
    )


def _seen(balancer: Balancer, slopes: Floats) -> Floats:
    """Return what of a slope a softmax passes on: of scores, not what is the same for all experts of a token."""
    softened = kind_of(balancer.capabilities) in ("aux-loss", "global-loss") and LOGITS not in balancer.capabilities
    return slopes - slopes.mean(axis=-1, keepdims=True) if softened else slopes


def _off(got: Any, right: Any, largest: float) -> Any:
    return np.abs(got - right) > TOLERANCE * max(TOLERANCE, largest)


def _compare(got: Floats, right: Floats, what: str) -> None:
    if (off := _off(got, right, float(np.abs(right).max()))).any():
        place = tuple(np.argwhere(off)[0].tolist())
        numbers = f"{got[place]:.6g}, not {right[place]:.6g}"
        raise Failure(f"at {list(place)} of what it is given, {what} {numbers}", better=right.tolist())


@check("metric", families.few_tokens, needs=(LOSS,))
def metric_falls_as_its_formula_does(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """Moved a little between the experts, scores change the value by as much as they change the exact one.

    A loss of counts alone does not move at all, and trains nothing.
    """
    given = _given(balancer, case)
    right = _seen(balancer, _exact_gradient(balancer, given))
    along = _seen(balancer, np.sign(right))
    moves = [given[0] + sign * STEP * along * _unit(balancer, given) for sign in (1, -1)]
    ends = [float(ask(balancer, (moved, *given[1:]))) for moved in moves]
    got, slope = (ends[0] - ends[1]) / (2 * STEP), float((along * right).sum())
    if _off(got, slope, abs(slope)):
        raise Failure(f"its slope along the exact gradient is {got:.6g}, not {slope:.6g}", better=right.tolist())


@check("metric", families.few_tokens, needs=("takes gradient", LOSS), unless=("no gradient",))
def metric_sends_a_gradient(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """Where the exact loss has a slope, the gradient is not zero.

    A loss that is added up beside the graph trains nothing (NeMo-Automodel issue 1408); one that is only logged
    declares "no gradient".
    """
    given = _given(balancer, case)
    right = _seen(balancer, _exact_gradient(balancer, given))
    largest = float(np.abs(right).max())
    if largest > TOLERANCE and not _seen(balancer, _gradient(balancer, given)).any():
        raise Failure(f"its gradient is zero, and the largest slope {largest:.6g}", better=right.tolist())


@check("metric", families.few_tokens, needs=("takes gradient", LOSS), unless=("no gradient",))
def metric_gradient_is_that_of_its_formula(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """Its gradient is the derivative of the exact value, counts held fixed.

    By scores of a softmax, only differences between the experts of a token count, for the softmax passes on no others.
    """
    given = _given(balancer, case)
    right = _seen(balancer, _exact_gradient(balancer, given))
    _compare(_seen(balancer, _gradient(balancer, given)), right, "the gradient is")


@check("metric", families.few_tokens_elsewhere, needs=("takes gradient", LOSS), unless=("no gradient",))
def metric_gradient_is_that_of_its_value(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """Its gradient says by how much its own value changes, entry by entry: what is trained is what is logged."""
    given = _given(balancer, case)
    slopes = _differences(given, _unit(balancer, given), STEP, lambda moved: float(ask(balancer, moved)))
    _compare(_gradient(balancer, given), slopes, "the gradient is")
