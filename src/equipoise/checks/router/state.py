"""What a router remembers: the bias moves against overload and not into the weights, evaluation changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, Silent, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.router import families
from equipoise.checks.router.families import plain_top_k
from equipoise.checks.router.quality import SETTLING_CALLS
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


@check("router", families.loose, needs=("has bias",), unless=("fixed bias",))
def router_bias_moves_apart(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Within 100 calls on a skewed batch the bias moves, and at once the most loaded expert's below the least loaded's.

    The update was never called, and the bias stayed zero (NeMo Automodel PR 3207).
    """
    load = plain_top_k(case).sum(axis=0)
    balancer.fresh()
    for call in range(1, SETTLING_CALLS + 1):
        routed = balancer.ask(case.scores, case.top_k)
        if "group limited" in balancer.capabilities:
            load = routed.load
        most, least = int(np.argmax(load)), int(np.argmin(load))
        bias = _bias(balancer, len(load))
        if bias is None:
            return
        if np.ptp(bias):
            if bias[most] < bias[least] or load[most] == load[least]:
                return
            raise Failure(
                f"expert {most} has {int(load[most])} tokens and expert {least} {int(load[least])}, "
                f"but after {call} calls the bias is {bias[most]:.6g} and {bias[least]:.6g}"
            )
    raise Failure(
        f"the loads are {load.tolist()}, and after {SETTLING_CALLS} calls the bias is the same for all experts"
    )


@check("router", families.loose, needs=("has bias",), unless=("fixed bias",), severity="warning")
def router_bias_holds_its_own_steps(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """The type of the bias holds steps of its size also where the bias has come to 0.5, half of what scores may differ.

    In bfloat16, 0.5 + 0.001 is 0.5: the bias stands still. The type is told from the numbers.
    """
    balancer.fresh()
    moves = [np.zeros(case.scores.shape[1])]
    for _ in range(16):
        balancer.ask(case.scores, case.top_k)
        bias = _bias(balancer, case.scores.shape[1])
        if bias is None or not np.isfinite(bias).all():
            return
        moves.append(bias)
    steps = np.abs(np.diff(moves, axis=0))
    values = np.abs(moves)
    if not steps.any() or (values % (step := float(steps[steps > 0][0])) == 0).all():
        return  # every number of bits may hold multiples of one step
    for name, bits in (("bfloat16", 8), ("float16", 11)):
        mantissas = np.frexp(values)[0] * 2**bits
        if (mantissas == np.round(mantissas)).all() and step < 2.0 ** -(bits + 1):
            raise Failure(f"its bias has {bits} bits, as {name}: steps of {step:.2g} are lost once it has come to 0.5")


RATES = ("rate", "update_rate", "bias_update_rate", "bias_update_speed", "update_speed", "gamma")
"""Attributes in which routers show the step of their bias."""


@check("router", families.loose, needs=("has bias",), unless=("fixed bias",))
def router_bias_moves_once_a_call(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Where all biases that move in the first call do so by one step, it is the rate that is shown, not twice it.

    Updates in a hook and in the optimizer's step, or in the forward pass and in its recomputation, move a bias twice
    (torchtitan PR 1593 counted so). Judged where a rule that steps with the load would not move all alike.
    """
    balancer.fresh()
    rate = next((found for name in RATES if (found := _number(balancer.attribute(name))) is not None), None)
    if rate is None:
        raise Silent("shows no rate of its bias")
    before = _bias(balancer, case.scores.shape[1])
    load = balancer.ask(case.scores, case.top_k).load
    after = _bias(balancer, case.scores.shape[1])
    excess = np.abs(load - load.mean())
    if not (excess > 1.5 * excess[excess > 0].min(initial=np.inf)).any():
        raise Silent("has no loads that differ in how far they are from the mean")
    if after is None or (before is not None and before.any()):
        raise Silent("shows no bias that starts at zero")
    steps = np.abs(after[after != 0])
    times = round(float(steps.max(initial=0)) / rate)
    if 2 <= times <= 4 and np.allclose(steps, times * rate, rtol=1e-3):
        raise Failure(f"its rate is {rate:g}, and in one call the bias moves by {steps[0]:.6g}: {times} times as far")


def _number(value: Any) -> float | None:
    """Return a positive number, None if it is none."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


@check("router", families.skewed, needs=("has bias",))
def router_overload_lowers_the_bias(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """From a fresh start, the most loaded expert's bias does not rise above the least loaded expert's.

    Asked where the first routing is plain top-K: prices of the batch itself may be another way round.

    A public summary of Loss-Free reversed the sign of its update; Megatron-LM PR 6802 had both signs in one file.
    """
    balancer.fresh()
    load = plain_top_k(case).sum(axis=0)
    most, least = int(np.argmax(load)), int(np.argmin(load))
    routed = balancer.ask(case.scores, case.top_k)
    bias = _bias(balancer, case.scores.shape[1])
    if not np.array_equal(routed.mask, plain_top_k(case)):
        return
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
    """A call with ``training=False`` changes nothing for later calls, nor the bias (torchtitan PR 4412)."""
    runs = []
    for evaluate in (False, True):
        balancer.fresh()
        masks = []
        for step, batch in enumerate(case.batches, 1):
            if evaluate:
                before = balancer.attribute("bias") if step > 1 else None  # some make it at the first call
                balancer.ask(np.ascontiguousarray(batch[:, ::-1]), case.top_k, training=False)
                if before is not None and not np.array_equal(before, after := balancer.attribute("bias")):
                    raise Failure(f"evaluation before batch {step} moves the bias from {before} to {after}")
            masks.append(balancer.ask(batch, case.top_k, training=True).mask)
        runs.append(masks)
    for step, (without, with_evaluation) in enumerate(zip(*runs, strict=True), 1):
        if not np.array_equal(without, with_evaluation):
            raise Failure(f"evaluation in between changes how batch {step} is routed in training")


@check("router", families.sequences, needs=("has bias",), unless=("random",))
def router_bias_starts_over(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """On the same batches a new router's bias, and one after ``reset()``, moves as before; a loaded state goes on.

    One bias was shared by all layers, or what decides its next step was left out of the state.
    """
    balancer.fresh()
    first = _path(balancer, case)
    balancer.fresh()
    _compare(first, _path(balancer, case), "of a new router")
    if "has reset" in balancer.capabilities:
        balancer.reset()
        _compare(first, _path(balancer, case), "after reset()")
    if "has state_dict" in balancer.capabilities:
        balancer.save_state()
        going_on = _path(balancer, case)
        balancer.fresh()
        balancer.restore_state()
        _compare(going_on, _path(balancer, case), "after load_state_dict")


def _path(balancer: Balancer, case: RouterCase) -> list[Any]:
    """Return its bias after every call of the case."""
    biases = []
    for batch in case.batches:
        balancer.ask(batch, case.top_k)
        biases.append(_bias(balancer, batch.shape[1]))
    return biases


def _compare(wanted: list[Any], given: list[Any], whose: str) -> None:
    for call, (one, other) in enumerate(zip(wanted, given, strict=True), 1):
        if one is not None and other is not None and not np.allclose(one, other, 1e-5, 1e-9, equal_nan=True):
            raise Failure(f"{whose} the bias after call {call} is {other.tolist()}, not {one.tolist()}")


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
