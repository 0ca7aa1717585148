"""What a router remembers: the bias moves against overload and not into the weights, evaluation changes nothing."""

from __future__ import annotations

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.router import families
from equipoise.checks.router.families import plain_top_k
from equipoise.roles.router import RouterCase


def _bias(balancer: Balancer, experts: int) -> np.ndarray[tuple[int], np.dtype[np.float64]] | None:
    found = balancer.attribute("bias")
    if not isinstance(found, np.ndarray) or found.shape != (experts,):
        return None
    return found.astype(np.float64)


@check("router", families.sequences, needs=("has bias",))
def router_bias_is_one_finite_number_per_expert(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """After a call ``bias`` holds E finite numbers."""
    balancer.fresh()
    for batch in case.batches:
        balancer.ask(batch, case.top_k)
        bias = _bias(balancer, batch.shape[1])
        if bias is None or not np.isfinite(bias).all():
            raise Failure(f"its bias is {bias if bias is not None else 'no array of E numbers'}")


@check("router", families.skewed, needs=("has bias",))
def router_overload_lowers_the_bias(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """From a fresh start, the most loaded expert's bias does not rise above the least loaded expert's.

    A public summary of Loss-Free reversed the sign of its update; Megatron-LM PR 6802 had both signs in one file.
    """
    balancer.fresh()
    load = plain_top_k(case).sum(axis=0)
    most, least = int(np.argmax(load)), int(np.argmin(load))
    if load[most] == load[least]:
        return
    balancer.ask(case.scores, case.top_k)
    bias = _bias(balancer, case.scores.shape[1])
    if bias is not None and bias[most] > bias[least] + 1e-12:
        raise Failure(
            f"expert {most} wants {int(load[most])} tokens and expert {least} {int(load[least])}, "
            f"but the bias becomes {bias[most]:.6g} and {bias[least]:.6g}"
        )


@check("router", families.skewed, needs=("returns weights",), unless=("trains its scores",))
def router_weights_do_not_depend_on_the_bias(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """A token that goes to the same experts before and after the bias has moved has the same gate weights.

    The bias was added into the weights in vLLM (PR 12002) and in transformers (PR 41647).
    """
    balancer.fresh()
    first = balancer.ask(case.scores, case.top_k)
    for _ in range(50):
        last = balancer.ask(case.scores, case.top_k)
    if first.weights is None or last.weights is None:
        return
    same = (first.mask == last.mask).all(axis=1)
    moved = np.abs(first.weights - last.weights).max(axis=1) > 1e-5
    if (same & moved).any():
        token = int(np.argmax(same & moved))
        before, after = (w[token][first.mask[token]].round(6).tolist() for w in (first.weights, last.weights))
        raise Failure(f"token {token} keeps its experts, but its weights go from {before} to {after} with the bias")


@check("router", families.sequences, needs=("takes training",), unless=("random",))
def router_evaluation_leaves_the_state_alone(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """A call with ``training=False`` changes nothing for later calls (torchtitan PR 4412)."""
    runs = []
    for evaluate in (False, True):
        balancer.fresh()
        masks = []
        for batch in case.batches:
            if evaluate:
                balancer.ask(np.ascontiguousarray(batch[:, ::-1]), case.top_k, training=False)
            masks.append(balancer.ask(batch, case.top_k, training=True).mask)
        runs.append(masks)
    for step, (without, with_evaluation) in enumerate(zip(*runs, strict=True), 1):
        if not np.array_equal(without, with_evaluation):
            raise Failure(f"evaluation in between changes how batch {step} is routed in training")


@check("router", families.sequences, needs=("has load",))
def router_loads_are_counted_once(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """An attribute ``load`` holds the tokens per expert of the last batch, counted once.

    Recomputed activations counted every token twice (torchtitan PR 1593, Megatron-LM issue 1478).
    """
    balancer.fresh()
    for batch in case.batches:
        routed = balancer.ask(batch, case.top_k)
        load = balancer.attribute("load")
        if not isinstance(load, np.ndarray) or load.tolist() != routed.load.tolist():
            raise Failure(
                f"its load is {None if load is None else np.asarray(load).tolist()}, not {routed.load.tolist()}"
            )
