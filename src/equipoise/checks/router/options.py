"""What a router supports by keyword: padding masks and group limits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from equipoise.checks.cases import RouterCase
from equipoise.checks.failure import Failure
from equipoise.checks.registry import check, family
from equipoise.checks.router.answers import single_batches
from equipoise.checks.router.quality import distinct
from equipoise.checks.router.view import route, shown
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject

NUM_GROUPS, TOPK_GROUPS = 4, 2


@family(lambda case: case.scores.shape[1] == 8 and case.top_k == 3 and distinct(case))
def grouped() -> st.SearchStrategy[RouterCase]:
    """Scores for eight experts in four groups, positive or all negative, distinct within each token."""

    def build(seed: int, tokens: int, shift: float) -> RouterCase:
        rng = np.random.default_rng(seed)
        levels = np.stack([rng.permutation(64)[:8] for _ in range(tokens)])
        return RouterCase((((levels + 1) / 128 - shift).astype(np.float32),), 3)

    return st.builds(build, st.integers(0, 999), st.integers(1, 8), st.sampled_from([0.0, 1.0]))


def _padding(tokens: int) -> npt.NDArray[np.bool_]:
    real: npt.NDArray[np.bool_] = np.arange(tokens) % 3 != 1
    return real


@check("router", single_batches, needs=("takes mask",))
def router_sends_padding_nowhere(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """Tokens with ``mask`` false get no expert (prime-rl PR 1332: MaxVio inflated by padding)."""
    subject.fresh()
    mask = _padding(len(case.scores))
    taken = route(subject, case.scores, case.top_k, mask=mask).mask.sum(axis=1)
    if taken[~mask].any():
        token = int(np.flatnonzero(~mask)[np.argmax(taken[~mask])])
        raise Failure(f"padding token {token} is sent to {int(taken[token])} experts")


@check("router", single_batches, needs=("takes mask",))
def router_does_not_look_at_padding(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """What stands in a padding token's scores does not change where real tokens go."""
    mask = _padding(len(case.scores))
    answers = []
    ramp = np.arange(case.scores.shape[1], dtype=np.float32) / case.scores.shape[1]
    for filler in (ramp, ramp[::-1]):
        scores = np.where(mask[:, None], case.scores, filler)
        subject.fresh()
        for _ in range(3):
            route(subject, scores, case.top_k, mask=mask)
        answers.append(route(subject, scores, case.top_k, mask=mask).mask[mask])
    if not np.array_equal(answers[0], answers[1]):
        raise Failure(f"other padding sends the real tokens to {shown(answers[1])}, not {shown(answers[0])}")


@check("router", grouped, needs=("takes topk_groups",))
def router_stays_within_its_groups(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """With ``topk_groups = M`` a token's experts lie in at most M groups."""
    chosen = _grouped(subject, case)
    groups = chosen.reshape(len(chosen), NUM_GROUPS, -1).any(axis=2).sum(axis=1)
    if (groups > TOPK_GROUPS).any():
        token = int(np.argmax(groups))
        raise Failure(f"token {token} uses {int(groups[token])} groups, not at most {TOPK_GROUPS}")


@check("router", grouped, needs=("takes topk_groups",))
def router_takes_the_best_of_its_groups(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """Within the groups that a token uses it takes the best experts, also where all scores are negative.

    Masked groups were given the score 0 and won against negative scores (DeepSeek-V3 issue 741, vllm PR 13474, sglang
    PR 3705, transformers PR 45441).
    """
    chosen = _grouped(subject, case)
    width = chosen.shape[1] // NUM_GROUPS
    for token, row in enumerate(chosen):
        ranked = np.sort(case.scores[token].reshape(NUM_GROUPS, width), axis=1)[:, ::-1]
        best = np.argsort(-ranked[:, :2].sum(axis=1), kind="stable")[:TOPK_GROUPS]
        allowed = np.isin(np.arange(chosen.shape[1]) // width, best)
        keys = np.where(allowed, case.scores[token], -np.inf)
        expected = np.sort(np.argsort(-keys, kind="stable")[: case.top_k])
        if not np.array_equal(np.flatnonzero(row), expected):
            raise Failure(f"token {token} takes {np.flatnonzero(row).tolist()}", expected.tolist())


def _grouped(subject: Subject, case: RouterCase) -> npt.NDArray[np.bool_]:
    subject.fresh()
    return route(subject, case.scores, case.top_k, num_groups=NUM_GROUPS, topk_groups=TOPK_GROUPS).mask
