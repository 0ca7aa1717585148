"""Gate weights: finite, in the order of the scores, of the token alone, and as their declared formula says."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.router import domains
from equipoise.checks.router.domains import described, outside
from equipoise.checks.router.families import from_a_gate
from equipoise.roles.role import with_any_number
from equipoise.roles.router import UNIT, RouterCase

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

RAW, NORMALISED, SCALED = "weights: raw scores", "weights: normalised", "weights: scaled by N"
SIGMOID, SOFTMAX, OF_CHOSEN = "weights: sigmoid", "weights: softmax", "weights: softmax of the chosen"
FORMULA = (RAW, SIGMOID, SOFTMAX, OF_CHOSEN, NORMALISED, SCALED)
"""The steps of a formula, in the order in which those that are declared are taken."""


SMALL = 2.0**-10
"""Scores whose sum is smaller may vanish beside the small number that keeps a division from being one by zero."""

ALONE = 2
"""Tokens of a batch that are asked for alone."""


def _applies_a_gate(balancer: Balancer) -> bool:
    """Whether the router declares that it takes logits, or which gate it applies to its scores."""
    return bool(balancer.capabilities & {"logits", SIGMOID, SOFTMAX, OF_CHOSEN})


def formula(scores: npt.NDArray[Any], chosen: Mask, declared: frozenset[str]) -> Floats:
    """Return the weights ``[T, E]`` that the declared steps make of small scores; NaN where they divide by zero."""
    values = scores.astype(np.float64)
    if SIGMOID in declared:
        values = 0.5 * (1 + np.tanh(values / 2))
    for step, among in ((SOFTMAX, np.ones_like(chosen)), (OF_CHOSEN, chosen)):
        if step in declared:
            values = _shares(np.where(among, np.exp(values), 0))
    values = np.where(chosen, values, 0)
    if NORMALISED in declared:
        values = _shares(values)
    return values * _scale(declared)


def _scale(declared: frozenset[str]) -> float:
    """Return what the declared weights are multiplied by."""
    factors = [float(name.rpartition(" ")[2]) for name in declared if with_any_number(name) == SCALED != name]
    return float(np.prod(factors))


def _row(values: Any, token: int, experts: npt.NDArray[np.int64]) -> list[float]:
    return [float(f"{value:.6g}") for value in values[token, experts]]


def _shares(values: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(values / values.sum(axis=1, keepdims=True))


def close(given: Floats, wanted: Floats, tolerance: float | None = None) -> Mask:
    """Return which tokens have the wanted weights, up to a part of their largest one.

    Without a tolerance it is that of the coarsest float type that holds all given weights: bfloat16, float16, float32.
    """
    if tolerance is None:
        tolerance = 2.0**-13
        with np.errstate(over="ignore"):
            if np.array_equal(given, given.astype(np.float16)):
                tolerance = 2.0**-8
            if not (np.ascontiguousarray(given, np.float32).view(np.uint32) & 0xFFFF).any():
                tolerance = 2.0**-5
    largest = np.maximum(np.abs(given), np.abs(wanted)).max(axis=1, initial=0, keepdims=True)
    return np.asarray((np.abs(given - wanted) <= tolerance * largest).all(axis=1))


@check("router", domains.gate_or_two_bands, needs=("returns weights",))
def router_weights_are_finite_and_not_negative(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Every gate weight is finite; for scores in [0, 1], and of routers that apply a gate, it is not negative.

    Scores of any size and sign are tried, unless the router declares "scores in [0, 1]".
    """
    if outside(balancer, case):
        return
    signed = not from_a_gate(case) and (RAW in balancer.capabilities or not _applies_a_gate(balancer))
    balancer.fresh()
    for batch in case.batches:
        weights = balancer.ask(batch, case.top_k).weights
        if weights is None:
            return
        wrong = ~np.isfinite(weights) | ((weights < 0) & (not signed))
        if wrong.any():
            token, expert = np.argwhere(wrong)[0]
            raise Failure(
                f"{described(batch)} the weight of token {token} for expert {expert} is {weights[token, expert]}"
            )


@check("router", domains.gate_or_logits, needs=("returns weights",))
def router_weights_follow_the_scores(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Of two experts chosen for a token, the one with the higher score does not get the lower weight.

    Scores outside [0, 1] are tried where the router declares that it applies a gate.
    """
    if not from_a_gate(case) and not _applies_a_gate(balancer):
        return
    balancer.fresh()
    routed = balancer.ask(case.scores, case.top_k)
    weights = routed.weights
    if weights is None:
        return
    for token, chosen in enumerate(routed.mask):
        experts = np.flatnonzero(chosen)
        order = experts[np.argsort(case.scores[token, experts], kind="stable")]
        steps = np.diff(weights[token, order])
        rises = np.diff(case.scores[token, order].astype(np.float64)) > 1e-6
        if (rises & (steps < -1e-6)).any():
            raise Failure(
                f"token {token} has scores {case.scores[token, order].tolist()} "
                f"but weights {weights[token, order].round(6).tolist()} for experts {order.tolist()}"
            )


@check("router", domains.gate_or_logits, needs=("returns weights", "|".join(FORMULA)))
def router_weights_follow_the_declared_formula(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Gate weights are what the declared steps make of the scores of the chosen experts.

    Where there is next to nothing to normalise (all scores zero) they sum to what is declared or to less. Of a router
    that declares "logits" and no gate only the sum is known. A token that lost an expert is not judged.
    """
    declared = balancer.capabilities
    plain = NORMALISED in declared and not declared & {"logits", SIGMOID, SOFTMAX, OF_CHOSEN}
    if outside(balancer, case) or (plain and not from_a_gate(case)):
        return
    balancer.fresh()
    routed = balancer.ask(case.scores, case.top_k)
    given = routed.weights
    if given is None:
        return
    total = _scale(declared)
    sums = close(given.sum(axis=1, keepdims=True), np.array([[total]]))
    if "logits" in declared and not declared & {RAW, SIGMOID, SOFTMAX, OF_CHOSEN}:
        right = sums | (NORMALISED not in declared)
        wanted = None
    else:
        wanted = formula(case.scores, routed.mask, declared)
        small = np.where(routed.mask, case.scores, 0).sum(axis=1) < SMALL
        known = np.isfinite(wanted).all(axis=1) & ~(plain & small)
        right = np.where(known, close(given, wanted), sums | (given.sum(axis=1) <= total))
    taken = routed.mask.sum(axis=1)
    wrong = ~right & (taken > 0) & ((taken >= case.top_k) | ("any number" in declared))
    if wrong.any():
        token = int(np.argmax(wrong))
        experts = np.flatnonzero(routed.mask[token])
        defined = wanted is not None and bool(np.isfinite(wanted[token]).all())
        sentence = (
            f"their formula gives {_row(wanted, token, experts)}" if defined else f"which do not sum to {total:g}"
        )
        raise Failure(
            f"token {token} has scores {_row(case.scores, token, experts)} for its experts {experts.tolist()} "
            f"and weights {_row(given, token, experts)}, {sentence}"
        )


@check("router", domains.with_neighbours, needs=("returns weights",), unless=("random", "trains its scores"))
def router_weights_are_a_token_s_own(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """A token that goes to the same experts alone, or in the same batch in reverse order, has the same gate weights.

    Weights of one token alone were wrong in megablocks (PR 87). A softmax over the tokens and weights of the batch
    before fail too.
    """
    balancer.fresh()
    batch = balancer.ask(case.scores, case.top_k)
    everybody = np.arange(len(case.scores))
    alone = [("alone", everybody[[token]]) for token in range(min(len(case.scores), ALONE))]
    for words, tokens in [("in the same batch in reverse order", everybody[::-1]), *alone]:
        if not balancer.takes(case.scores[tokens], case.top_k):
            continue
        other = balancer.ask(case.scores[tokens], case.top_k)
        if batch.weights is None or other.weights is None:
            return
        moved = (other.mask == batch.mask[tokens]).all(axis=1) & ~close(other.weights, batch.weights[tokens])
        if moved.any():
            place = int(np.argmax(moved))
            token = int(tokens[place])
            experts = np.flatnonzero(batch.mask[token])
            raise Failure(
                f"{words} token {token} has the weights {_row(other.weights, place, experts)} "
                f"for experts {experts.tolist()}, in its batch {_row(batch.weights, token, experts)}"
            )


@check("router", domains.unlike_tokens, needs=("returns weights",), unless=(NORMALISED, OF_CHOSEN))
def router_weights_at_k_1_depend_on_the_scores(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """With K = 1 the gate weight is no constant, unless declared "weights: normalised" or "softmax of the chosen".

    Divided by itself a weight is 1 whatever the scores, and no gradient reaches the gate (minimind issue 858).
    """
    balancer.fresh()
    routed = balancer.ask(case.scores, case.top_k)
    if routed.weights is None:
        return
    best = (routed.mask & (case.scores == case.scores.max(axis=1, keepdims=True))).any(axis=1)
    scores = case.scores.max(axis=1)[best].astype(np.float64)
    weights = routed.weights.sum(axis=1)[best]
    if best.sum() >= 2 and np.ptp(scores) > 0.1 and np.ptp(weights) <= 1e-6:
        raise Failure(f"tokens with scores of {scores.min():g} to {scores.max():g} all have the weight {weights[0]:g}")


@check("router", domains.one_far_above, needs=("returns weights",), unless=FORMULA)
def router_weights_tell_experts_far_apart(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """A score far above another gets more than three times its weight, unless a formula is declared.

    Behind a second softmax (transformers issue 45120), or a softmax of what a gate gave, no weight is more than e times
    another. Logits are tried; of a router that declares "scores in [0, 1]", scores from a gate.
    """
    unit = UNIT in balancer.capabilities and "logits" not in balancer.capabilities
    if outside(balancer, case) or from_a_gate(case) != unit:
        return
    balancer.fresh()
    routed = balancer.ask(case.scores, case.top_k)
    if routed.weights is None:
        return
    for token, chosen in enumerate(routed.mask):
        best = int(np.argmax(case.scores[token]))
        others = np.flatnonzero(chosen & (np.arange(len(chosen)) != best))
        high = routed.weights[token, best]
        low = float(routed.weights[token, others].max(initial=-np.inf))
        if chosen[best] and len(others) and not high > 3 * low:
            values = f"{case.scores[token, best]:g} and {case.scores[token, others].max():g}"
            raise Failure(
                f"{described(case.scores)} token {token} has experts with scores of {values}, "
                f"and their weights are {high:.4g} and {low:.4g}"
            )
