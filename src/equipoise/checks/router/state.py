"""What a router remembers: the bias moves against overload, resets forget, states round-trip."""

from __future__ import annotations

import numpy as np

from equipoise.checks.cases import RouterCase
from equipoise.checks.failure import Failure
from equipoise.checks.registry import check
from equipoise.checks.router.answers import sequences
from equipoise.checks.router.quality import skewed
from equipoise.checks.router.view import route, shown
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject


def _bias(subject: Subject, experts: int) -> np.ndarray[tuple[int], np.dtype[np.float64]] | None:
    found = subject.attribute("bias")
    if not isinstance(found, np.ndarray) or found.shape != (experts,):
        return None
    return found.astype(np.float64)


@check("router", sequences, needs=("has bias",))
def router_bias_is_one_finite_number_per_expert(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """After a call ``bias`` holds E finite numbers."""
    subject.fresh()
    for batch in case.batches:
        route(subject, batch, case.top_k)
        bias = _bias(subject, batch.shape[1])
        if bias is None or not np.isfinite(bias).all():
            raise Failure(f"its bias is {bias if bias is not None else 'no array of E numbers'}")


@check("router", skewed, needs=("has bias",))
def router_overload_lowers_the_bias(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """From a fresh start, the most loaded expert's bias does not rise above the least loaded expert's.

    A public summary of Loss-Free reversed the sign of its update; Megatron-LM PR 6802 had both signs in one file.
    """
    subject.fresh()
    plain = np.argsort(-case.scores, axis=1, kind="stable")[:, : case.top_k]
    load = np.bincount(plain.ravel(), minlength=case.scores.shape[1])
    most, least = int(np.argmax(load)), int(np.argmin(load))
    if load[most] == load[least]:
        return
    route(subject, case.scores, case.top_k)
    bias = _bias(subject, case.scores.shape[1])
    if bias is not None and bias[most] > bias[least] + 1e-12:
        raise Failure(
            f"expert {most} wants {int(load[most])} tokens and expert {least} {int(load[least])}, "
            f"but the bias becomes {bias[most]:.6g} and {bias[least]:.6g}"
        )


@check("router", sequences, needs=("has reset",))
def router_reset_forgets(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """After a reset the router is as good as new."""
    subject.fresh()
    first = [route(subject, batch, case.top_k).mask for batch in case.batches]
    subject.reset()
    again = [route(subject, batch, case.top_k).mask for batch in case.batches]
    for step, (one, other) in enumerate(zip(first, again, strict=True), 1):
        if not np.array_equal(one, other):
            raise Failure(f"batch {step} is routed {shown(other)} after reset(), {shown(one)} when new")


@check("router", sequences, needs=("has state_dict",))
def router_state_round_trips(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """A router that loads another's state goes on as the other does (torchtitan PR 1226: bias lost)."""
    subject.fresh()
    for batch in case.batches:
        route(subject, batch, case.top_k)
    subject.save()
    going_on = route(subject, case.scores, case.top_k).mask
    subject.fresh()
    subject.load()
    loaded = route(subject, case.scores, case.top_k).mask
    if not np.array_equal(going_on, loaded):
        raise Failure(f"after load_state_dict it chooses {shown(loaded)}, the original {shown(going_on)}")


@check("router", sequences, needs=("takes training",))
def router_evaluation_leaves_the_state_alone(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """A call with ``training=False`` changes nothing for later calls (torchtitan PR 4412)."""
    runs = []
    for evaluate in (False, True):
        subject.fresh()
        masks = []
        for batch in case.batches:
            if evaluate:
                route(subject, np.ascontiguousarray(batch[:, ::-1]), case.top_k, training=False)
            masks.append(route(subject, batch, case.top_k, training=True).mask)
        runs.append(masks)
    for step, (without, with_evaluation) in enumerate(zip(*runs, strict=True), 1):
        if not np.array_equal(without, with_evaluation):
            raise Failure(f"evaluation in between changes how batch {step} is routed in training")


@check("router", sequences, needs=("has load",))
def router_loads_are_counted_once(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """An attribute ``load`` holds the tokens per expert of the last batch, counted once.

    Recomputed activations counted every token twice (torchtitan PR 1593, Megatron-LM issue 1478).
    """
    subject.fresh()
    for batch in case.batches:
        routed = route(subject, batch, case.top_k)
        load = subject.attribute("load")
        if not isinstance(load, np.ndarray) or load.tolist() != routed.load.tolist():
            raise Failure(
                f"its load is {None if load is None else np.asarray(load).tolist()}, not {routed.load.tolist()}"
            )
