"""What numbers may do: scores of any size, sign and float type; NaN, infinities, and whatever stands in padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, Silent, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.router import domains, families
from equipoise.checks.router.answers import K_EXPERTS, padding
from equipoise.checks.router.domains import described
from equipoise.checks.router.families import plain_top_k, shown
from equipoise.checks.router.weights import close
from equipoise.errors import TargetError
from equipoise.roles.router import UNIT, Routed, RouterCase

NON_FINITE = "non-finite scores"

GARBAGE = (float("nan"), float("inf"), float("-inf"), 1e38)
"""What may stand in rows that nobody has written."""

NOT_PLAIN = ("random", "any number", "group limited")
"""What a router declares that need not take every token's K best experts where nothing speaks against it."""


def _fresh(balancer: Balancer, scores: Any, top_k: int, **keywords: Any) -> Routed:
    balancer.fresh()
    routed: Routed = balancer.ask(scores, top_k, **keywords)
    return routed


def _keeps(routed: Routed, best: npt.NDArray[np.bool_], where: str) -> None:
    if not np.array_equal(routed.mask, best):
        token = int(np.argmax((routed.mask != best).any(axis=1)))
        taken, wanted = np.flatnonzero(routed.mask[token]).tolist(), np.flatnonzero(best[token]).tolist()
        raise Failure(f"{where} token {token} goes to {taken}, its best experts are {wanted}", shown(best))


@check("router", domains.two_bands, unless=(UNIT, *NOT_PLAIN))
def router_keeps_a_balanced_top_k_of_any_size_and_sign(
    balancer: Balancer, case: RouterCase, settings: Settings
) -> None:
    """Perfectly balanced top-K is kept where scores are negative, logits or 1e4, in any float type that it takes.

    The experts to choose are so far above the others that a softmax or sigmoid tells them apart in float16 and
    bfloat16. It fails where a maximum starts at zero, a mask is not low enough or an exponential overflows.
    """
    best = plain_top_k(case)
    _keeps(_fresh(balancer, case.scores, case.top_k), best, described(case.scores))
    if "takes bfloat16" in balancer.capabilities:
        rounded = case.scores.astype(np.float32)
        _keeps(_fresh(balancer, rounded, case.top_k, bfloat16=True), best, f"in bfloat16, {described(rounded)}")


LEVELS = (0.25, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0)
"""Scores, next to ones a quarter larger."""

MODEST = 4.0
"""A sigmoid tells this and a quarter more apart in bfloat16 too."""


@check("router", domains.two_bands, unless=(UNIT, "half precision", *NOT_PLAIN))
def router_tells_large_scores_apart(balancer: Balancer, case: RouterCase, settings: Settings) -> str | None:
    """One that takes the larger of two small scores takes the larger of 4 and 5 too, if it declares "logits".

    Scores that are clipped before they are ranked tie, and ties go to the lower expert. Above that, or without the
    declaration, it is stated from where on scores are alike: a gate that saturates in 16 bits does the same.
    """
    experts, top_k = case.scores.shape[1], case.top_k
    place = (np.arange(experts) - np.arange(experts)[:, None]) % experts
    best = place < top_k
    alike: list[float] = []
    for level in LEVELS:
        scores = np.where(best, 1.25 * level, np.where(place == top_k, level, -level)).astype(np.float32)
        given = _fresh(balancer, scores, top_k)
        if np.array_equal(given.mask, best):
            alike = []
            continue
        swapped = np.where(place == 0, level, np.where(place == top_k, 1.25 * level, scores)).astype(np.float32)
        if level == LEVELS[0] or not np.array_equal(_fresh(balancer, swapped, top_k).mask, given.mask):
            raise Silent("does not take the best K experts where that is perfectly balanced")
        alike.append(level)
    if not alike:
        return None
    words = f"it tells scores of 0.25 and 0.3125 apart, but not {alike[0]:g} and {1.25 * alike[0]:g}"
    if "logits" in balancer.capabilities and alike[0] <= MODEST:
        raise Failure(f"{words}: no gate makes the same of these logits", shown(best))
    return f"{words}: it treats scores above {alike[0]:g} alike"


@check("router", domains.again_tiny, unless=("logits", "half precision", "online", *NOT_PLAIN))
def router_tells_tiny_scores_apart(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Where plain top-K is taken of scores that no gate could tell apart, it is taken of tiny ones (1e-30) too.

    For a router that declares "scores in [0, 1]" it is enough that plain top-K is taken of the ordinary scores. One
    that is "online" may weigh scores against loads, and float16 ("half precision") holds no such scores.
    """
    ordinary, tiny = case.batches
    best = plain_top_k(case)
    seen = ordinary if UNIT in balancer.capabilities else ordinary * np.float32(2**15)
    if np.array_equal(_fresh(balancer, seen, case.top_k).mask, best):
        _keeps(_fresh(balancer, tiny, case.top_k), best, described(tiny))


@check("router", domains.eighths, needs=("takes bfloat16",), unless=("random",))
def router_reads_bfloat16(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Of numbers that bfloat16 holds, and that are apart behind a gate, plain top-K in float32 is so in bfloat16."""
    best = plain_top_k(case)
    wide = _fresh(balancer, case.scores, case.top_k)
    if not np.array_equal(wide.mask, best):
        return
    narrow = _fresh(balancer, case.scores, case.top_k, bfloat16=True)
    _keeps(narrow, best, "in bfloat16")
    if wide.weights is not None and narrow.weights is not None:
        wrong = ~close(narrow.weights, wide.weights, 2.0**-5)
        if wrong.any():
            token = int(np.argmax(wrong))
            one, other = (w[token][best[token]].round(4).tolist() for w in (narrow.weights, wide.weights))
            raise Failure(f"in bfloat16 token {token} gets the weights {one}, in float32 {other}")


@check("router", families.single_batches, needs=("takes mask",), unless=("random",))
def router_ignores_garbage_in_padding(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """NaN, infinities and 1e38 in the rows of padding change neither experts nor weights of real tokens.

    One NaN in padding spoiled the routing of a whole batch (vllm PR 39391).
    """
    real = padding(len(case.scores))
    plain: list[Routed] = []
    for garbage in (0.5, *GARBAGE):
        scores = np.where(real[:, None], case.scores, np.float32(garbage))
        balancer.fresh()
        balancer.ask(scores, case.top_k, mask=real)  # what a router may learn from
        routed = balancer.ask(scores, case.top_k, mask=real)
        first = (plain or [routed])[0]
        plain.append(routed)
        if not np.array_equal(routed.mask[real], first.mask[real]):
            raise Failure(
                f"with {garbage} in padding the real tokens go to {shown(routed.mask[real])}, "
                f"not {shown(first.mask[real])}"
            )
        if routed.weights is not None and first.weights is not None:
            wrong = ~close(routed.weights, first.weights) & real
            if wrong.any():
                raise Failure(f"with {garbage} in padding the weights of token {int(np.argmax(wrong))} change")


@check("router", domains.three_tokens)
def router_gives_existing_experts_to_non_finite_scores(
    balancer: Balancer, case: RouterCase, settings: Settings
) -> str | None:
    """A token whose scores are NaN or infinite gets K existing experts, for routers that declare "non-finite scores".

    For all others the report states what they do with a token of NaN, which is information (sglang PR 30079: an expert
    that does not exist).
    """
    promised = NON_FINITE in balancer.capabilities
    said: dict[str, list[str]] = {}
    for words, scores in _spoilt(case.scores):
        try:
            routed = _fresh(balancer, scores, case.top_k)
        except TargetError as error:
            if promised:
                raise Failure(f"token 0 has scores of {words}: {error}") from error
            said.setdefault(str(error), []).append(words)
            if error.kind == "hangs":
                break
            continue
        taken = np.flatnonzero(routed.mask[0]).tolist()
        if promised and len(taken) != case.top_k and not balancer.capabilities & set(K_EXPERTS):
            raise Failure(f"token 0 has scores of {words} and gets the experts {taken}, not {case.top_k} of them")
        said.setdefault(f"it gets experts {taken}" if taken else "it gets no expert", []).append(words)
    stated = "; ".join(f"{', '.join(words)}: {what}" for what, words in said.items())
    return None if promised else f"a token with scores of {stated}"


def _spoilt(scores: npt.NDArray[Any]) -> list[tuple[str, npt.NDArray[Any]]]:
    """Return the scores with token 0 spoilt in several ways, each with words for it."""
    found = []
    for words, value, columns in (
        ("NaN alone", np.nan, slice(None)),
        ("one NaN", np.nan, slice(0, 1)),
        ("-inf alone", -np.inf, slice(None)),
        ("inf alone", np.inf, slice(None)),
    ):
        spoilt = scores.copy()
        spoilt[0, columns] = value
        found.append((words, spoilt))
    return found
