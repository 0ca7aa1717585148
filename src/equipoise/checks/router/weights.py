"""Gate weights: they belong to the chosen experts, come from the scores, and know nothing of the bias."""

from __future__ import annotations

import numpy as np

from equipoise.checks.cases import RouterCase
from equipoise.checks.failure import Failure
from equipoise.checks.registry import check
from equipoise.checks.router.answers import sequences, single_batches
from equipoise.checks.router.quality import skewed
from equipoise.checks.router.view import route
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject


@check("router", sequences, needs=("returns weights",))
def router_weights_are_finite_and_not_negative(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """For scores in [0, 1] every gate weight is finite and not negative."""
    subject.fresh()
    for batch in case.batches:
        weights = route(subject, batch, case.top_k).weights
        if weights is not None and not (np.isfinite(weights).all() and (weights >= 0).all()):
            token, expert = np.argwhere(~(np.isfinite(weights) & (weights >= 0)))[0]
            raise Failure(f"the weight of token {token} for expert {expert} is {weights[token, expert]}")


@check("router", skewed, needs=("returns weights",), unless=("trains its scores",))
def router_weights_do_not_depend_on_the_bias(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """A token that goes to the same experts before and after the bias has moved has the same gate weights.

    The bias was added into the weights in vLLM (PR 12002) and in transformers (PR 41647).
    """
    subject.fresh()
    first = route(subject, case.scores, case.top_k)
    for _ in range(50):
        last = route(subject, case.scores, case.top_k)
    if first.weights is None or last.weights is None:
        return
    same = (first.mask == last.mask).all(axis=1)
    moved = np.abs(first.weights - last.weights).max(axis=1) > 1e-5
    if (same & moved).any():
        token = int(np.argmax(same & moved))
        before, after = (w[token][first.mask[token]].round(6).tolist() for w in (first.weights, last.weights))
        raise Failure(f"token {token} keeps its experts, but its weights go from {before} to {after} with the bias")


@check("router", single_batches, needs=("returns weights",))
def router_weights_follow_the_scores(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """Of two experts chosen for a token, the one with the higher score does not get the lower weight."""
    subject.fresh()
    routed = route(subject, case.scores, case.top_k)
    if routed.weights is None:
        return
    for token, chosen in enumerate(routed.mask):
        experts = np.flatnonzero(chosen)
        order = experts[np.argsort(case.scores[token, experts], kind="stable")]
        steps = np.diff(routed.weights[token, order])
        rises = np.diff(case.scores[token, order].astype(np.float64)) > 1e-6
        if (rises & (steps < -1e-6)).any():
            raise Failure(
                f"token {token} has scores {case.scores[token, order].tolist()} "
                f"but weights {routed.weights[token, order].round(6).tolist()} for experts {order.tolist()}"
            )
