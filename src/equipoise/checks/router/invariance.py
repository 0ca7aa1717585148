"""What must not matter: the order of experts and tokens, the float type, what stands in padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.router import families
from equipoise.checks.router.answers import padding
from equipoise.checks.router.families import shown
from equipoise.roles.router import RouterCase

Mask = np.ndarray[Any, np.dtype[np.bool_]]


def _routed(balancer: Balancer, scores: Any, top_k: int) -> Mask:
    """Return what a fresh router chooses, as a mask."""
    balancer.fresh()
    mask: Mask = balancer.ask(np.ascontiguousarray(scores), top_k).mask
    return mask


@check("router", families.many_tokens, unless=("random", "depends on expert order"))
def router_treats_experts_alike(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Renaming the experts renames the answer (tie-free scores)."""
    plain = _routed(balancer, case.scores, case.top_k)
    _compare(plain, _routed(balancer, case.scores[:, ::-1], case.top_k)[:, ::-1], "experts")


@check("router", families.many_tokens, unless=("random", "online"))
def router_treats_tokens_alike(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """The order of the tokens in a batch does not matter (tie-free scores), unless declared "online"."""
    plain = _routed(balancer, case.scores, case.top_k)
    _compare(plain, _routed(balancer, case.scores[::-1], case.top_k)[::-1], "tokens")


def _compare(plain: Mask, other: Mask, what: str) -> None:
    """Fail if more tokens changed than can sit on a tie: exact prices leave E - 1 of them undecided."""
    changed = (plain != other).any(axis=1)
    if int(changed.sum()) >= plain.shape[1]:
        token = int(np.argmax(changed))
        raise Failure(
            f"with the {what} in reverse order {int(changed.sum())} of {len(plain)} tokens change their experts: "
            f"token {token} from {np.flatnonzero(plain[token]).tolist()} to {np.flatnonzero(other[token]).tolist()}"
        )


@check("router", families.half_precision, unless=("random",))
def router_ignores_the_float_type(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """The same numbers in float16, float32 and float64 are routed alike (AstrAI PR 57: cast before top-K)."""
    wide = _routed(balancer, case.scores.astype(np.float64), case.top_k)
    for dtype in (np.float32, np.float16):
        narrow = _routed(balancer, case.scores.astype(dtype), case.top_k)
        if not np.array_equal(wide, narrow):
            raise Failure(f"as {np.dtype(dtype)} the same scores go to {shown(narrow)}, as float64 to {shown(wide)}")


@check("router", families.repeated, unless=("random", "any number"))
def router_survives_duplicated_experts(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Two experts with identical scores for every token still give distinct experts per token."""
    taken = _routed(balancer, case.scores, case.top_k).sum(axis=1)
    if (taken > case.top_k).any():
        raise Failure(f"token {int(np.argmax(taken))} gets {int(taken.max())} experts, not {case.top_k}")


@check("router", families.single_batches, needs=("takes mask",), unless=("random",))
def router_does_not_look_at_padding(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """What stands in a padding token's scores does not change where real tokens go."""
    mask = padding(len(case.scores))
    answers = []
    ramp = np.arange(case.scores.shape[1], dtype=np.float32) / case.scores.shape[1]
    for filler in (ramp, ramp[::-1]):
        scores = np.where(mask[:, None], case.scores, filler)
        balancer.fresh()
        for _ in range(3):
            balancer.ask(scores, case.top_k, mask=mask)
        answers.append(balancer.ask(scores, case.top_k, mask=mask).mask[mask])
    if not np.array_equal(answers[0], answers[1]):
        raise Failure(f"other padding sends the real tokens to {shown(answers[1])}, not {shown(answers[0])}")
