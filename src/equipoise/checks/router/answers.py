"""A router gives K distinct experts to every token, weights that fit them, and minds padding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.router import families
from equipoise.checks.router.families import plain_top_k, shown
from equipoise.roles.router import RouterCase

K_EXPERTS = ("drops", "any number")
"""What a router declares that need not give every token exactly K experts."""


def _k_distinct(balancer: Balancer, case: RouterCase) -> None:
    balancer.fresh()
    for batch in case.batches:
        taken = balancer.ask(batch, case.top_k).mask.sum(axis=1)
        if (taken != case.top_k).any():
            token = int(np.argmax(taken != case.top_k))
            better = shown(plain_top_k(RouterCase((batch,), case.top_k)))
            raise Failure(f"token {token} gets {int(taken[token])} experts, not {case.top_k}", better)


@check("router", families.single_batches, unless=K_EXPERTS)
def router_gives_k_experts(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Every token gets exactly K experts, unless the router declares "drops" or "any number"."""
    _k_distinct(balancer, case)


@check("router", families.all_experts, unless=K_EXPERTS)
def router_takes_all_when_k_is_e(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """With K = E every expert is chosen; a cut-off below the E-th score does not exist (PaddleFleet PR 1775)."""
    _k_distinct(balancer, case)


@check("router", families.single_expert, unless=K_EXPERTS)
def router_works_with_one_expert(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """With one expert every token goes there."""
    _k_distinct(balancer, case)


@check("router", families.few_tokens, unless=K_EXPERTS)
def router_works_with_few_tokens(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Fewer assignments than experts are no special case (DeepSpeed issue 1658: capacity beyond the tokens)."""
    _k_distinct(balancer, case)


@check("router", families.indivisible, unless=K_EXPERTS)
def router_works_when_nothing_divides(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """T * K need not be a multiple of E (asserted by Megatron-LM's quantile balancing)."""
    _k_distinct(balancer, case)


@check("router", families.tied, unless=K_EXPERTS)
def router_breaks_ties(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Equal scores still give K distinct experts per token."""
    _k_distinct(balancer, case)


@check("router", families.extreme, unless=K_EXPERTS)
def router_survives_extreme_scores(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Finite scores of any size, negative ones too, still give K experts per token."""
    _k_distinct(balancer, case)


@check("router", families.single_batches, needs=("takes mask",))
def router_sends_padding_nowhere(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Tokens with ``mask`` false get no expert (prime-rl PR 1332: MaxVio inflated by padding)."""
    balancer.fresh()
    mask = padding(len(case.scores))
    taken = balancer.ask(case.scores, case.top_k, mask=mask).mask.sum(axis=1)
    if taken[~mask].any():
        token = int(np.flatnonzero(~mask)[np.argmax(taken[~mask])])
        raise Failure(f"padding token {token} is sent to {int(taken[token])} experts")


def padding(tokens: int) -> npt.NDArray[np.bool_]:
    """Return which tokens are real: every third is padding, from the second on."""
    real: npt.NDArray[np.bool_] = np.arange(tokens) % 3 != 1
    return real


@check("router", families.sequences, needs=("returns weights",))
def router_weights_are_finite_and_not_negative(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """For scores in [0, 1] every gate weight is finite and not negative."""
    balancer.fresh()
    for batch in case.batches:
        weights = balancer.ask(batch, case.top_k).weights
        if weights is not None and not (np.isfinite(weights).all() and (weights >= 0).all()):
            token, expert = np.argwhere(~(np.isfinite(weights) & (weights >= 0)))[0]
            raise Failure(f"the weight of token {token} for expert {expert} is {weights[token, expert]}")


@check("router", families.single_batches, needs=("returns weights",))
def router_weights_follow_the_scores(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Of two experts chosen for a token, the one with the higher score does not get the lower weight."""
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
