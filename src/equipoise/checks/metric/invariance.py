"""What must not matter: order, how tokens are cut into parts, padding, the unit, the number type, small scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.metric import families
from equipoise.checks.metric.answers import BALANCE_LOSS, LOADS, LOSS, ask, compare, value, wanted
from equipoise.roles.metric import OF_TOKENS, MetricCase, kind_of

Floats = npt.NDArray[np.float64]


@check("metric", families.anything, unless=("depends on expert order",))
def metric_treats_experts_alike(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """The names of experts or ranks do not matter: with all in reverse order, the value is the same."""
    plain = value(balancer, case)
    if case.load.size:
        other = MetricCase.of_loads(np.ascontiguousarray(case.load[:, ::-1]))
    else:
        reverse = case.logits.shape[-1] - 1 - case.experts
        other = MetricCase.of_tokens(np.ascontiguousarray(case.logits[..., ::-1]), reverse)
    got = value(balancer, other)
    compare(got[::-1] if kind_of(balancer.capabilities) == "expert-load" else got, plain, "with the experts reversed")


@check("metric", families.anything)
def metric_treats_rows_alike(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """The order of layers, sequences and tokens does not matter."""
    plain = value(balancer, case)
    if case.load.size:
        got = value(balancer, MetricCase.of_loads(np.ascontiguousarray(case.load[::-1])))
        return compare(got[::-1] if got.ndim else got, plain, "with the rows reversed")
    turned = (np.ascontiguousarray(part[::-1, ::-1]) for part in (case.logits, case.experts))
    return compare(value(balancer, MetricCase.of_tokens(*turned)), plain, "with the tokens reversed")


@check("metric", families.several_rows, needs=(LOADS,), unless=("pools rows",))
def metric_takes_every_row_by_itself(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """Its value of several layers is the mean of those of each alone: it compares ranks with ranks, not layers.

    vLLM's was over the layers (PRs 36305, 39178). One number of pooled layers declares "pools rows".
    """
    together = value(balancer, case)
    alone = np.array([np.mean(value(balancer, MetricCase.of_loads(row[None]))) for row in case.load])
    compare(together, alone if together.ndim else np.asarray(alone.mean()), f"of {len(case.load)} rows together")


@check("metric", families.loads, needs=(LOADS,))
def metric_ignores_how_often_loads_are_counted(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """Balance has no unit: every load counted by 3 or 8 ranks, or in thousands, is as balanced as before."""
    plain = value(balancer, case)
    for factor in (3, 8, 1000):
        compare(value(balancer, MetricCase.of_loads(case.load * factor)), plain, f"with {factor} times every load")


@check("metric", families.tokens, needs=("|".join(OF_TOKENS),))
def metric_counts_every_token_once(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """The same sequences again leave a loss and a share as they were, and double the load: sums are over what there is.

    Loads came out multiplied by the ranks of data parallelism (vLLM PR 22167); a loss whose denominator is that of the
    whole batch shrinks as the batch is cut (Megatron-LM issue 7213).
    """
    plain = value(balancer, case)
    twice = value(balancer, MetricCase.of_tokens(np.tile(case.logits, (2, 1, 1)), np.tile(case.experts, (2, 1, 1))))
    factor = 2 if kind_of(balancer.capabilities) == "expert-load" else 1
    compare(twice, plain * factor, "with every token there twice")


@check("metric", families.several_sequences, needs=("expert-load|global-loss",))
def metric_ignores_how_tokens_are_cut(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """In one micro-batch or on one rank, or each token in its own, the tokens of a batch give the same value.

    Megatron-LM's losses depended on it (issues 7213, 5798).
    """
    plain = value(balancer, case)
    for shape in ((1, -1), (-1, 1)):
        cut = (part.reshape(*shape, part.shape[-1]) for part in (case.logits, case.experts))
        what = "all in one part" if shape[0] == 1 else "each in a part of its own"
        compare(value(balancer, MetricCase.of_tokens(*cut)), plain, f"with the tokens {what}")


GARBAGE = 1000.0
"""Logits of padding, in turn with its negative."""


@check("metric", families.tokens, needs=("takes mask", LOSS))
def metric_ignores_padding(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """Tokens that the mask leaves out change nothing, whatever is in them and wherever they are.

    Padding that was counted pinned a loss at 1 (Megatron-LM issue 1617; issue 1984, transformers PR 28517).
    """
    plain = value(balancer, case)
    for before, after in ((0, 1), (2, 3)):
        padded, mask = _padded(case, before, after)
        (given,) = balancer.calls(padded)
        got = ask(balancer, given, mask=mask.reshape(given[0].shape[:-1]))
        compare(got, plain, f"with {before + after} tokens of padding a sequence")


def _padded(case: MetricCase, before: int, after: int) -> tuple[MetricCase, npt.NDArray[np.bool_]]:
    """Return the case with padding around every sequence, all of it at the first experts, and the mask ``[B, T]``."""
    around = ((0, 0), (before, after), (0, 0))
    mask = np.pad(np.ones(case.logits.shape[:2], bool), around[:2])
    logits = np.pad(case.logits, around)
    logits[~mask] = GARBAGE * (-1) ** np.arange(logits.shape[-1])
    experts = np.pad(case.experts, around)
    experts[~mask] = np.arange(experts.shape[-1])
    return MetricCase.of_tokens(logits, experts), mask


@check("metric", families.several_sequences, needs=("takes mask", "global-loss"))
def metric_ignores_how_micro_batches_fill(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """The same tokens in micro-batches of which some are full and some hold a few: the global loss is the same.

    A mean of means gives a token in a short micro-batch more weight (Megatron-LM issues 7213, 5798).
    """
    plain = value(balancer, case)
    sequences, tokens, _ = case.logits.shape
    mask = np.zeros((sequences, 2 * tokens), bool)
    mask[0] = True
    mask[1:, : max(0, tokens - 1)] = True
    mask.ravel()[np.flatnonzero(mask)[sequences * tokens :]] = False
    missing = sequences * tokens - int(mask.sum())
    mask.ravel()[np.flatnonzero(~mask)[:missing]] = True
    logits = np.zeros((*mask.shape, case.logits.shape[-1]), case.logits.dtype)
    experts = np.tile(np.arange(case.experts.shape[-1]), (*mask.shape, 1))
    logits[mask] = case.logits.reshape(-1, logits.shape[-1])
    experts[mask] = case.experts.reshape(-1, experts.shape[-1])
    (given,) = balancer.calls(MetricCase.of_tokens(logits, experts))
    fill = ", ".join(map(str, mask.sum(axis=1)))
    compare(ask(balancer, given, mask=mask), plain, f"with {fill} tokens in the micro-batches")


@check("metric", families.anything)
def metric_ignores_the_number_type(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """The same loads as 8, 32 and 64 bits or floats, the same scores as float32 and float64, give the same value."""
    (given,) = balancer.calls(case)
    for types in _types(case, given):
        other = tuple(one.astype(kind) if kind else one for one, kind in zip(given, types, strict=True))
        got = ask(balancer, other)
        named = ", ".join(str(np.dtype(kind)) for kind in types if kind)
        compare(got, wanted(balancer, given, got), f"given {named}")


def _types(case: MetricCase, given: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Yield types for the arguments, None for one that stays as it is."""
    rest = (None,) * (len(given) - 1)
    if given[0].dtype.kind == "f":
        yield np.float64, *rest
        if rest:
            yield None, np.int32
        return
    for kind in (np.int32, np.float64, np.uint8):
        if case.load.size and given[0].max() <= (255 if kind is np.uint8 else 2**31 - 1):
            yield kind, *rest
    if not case.load.size:
        yield np.int32, *rest


SMALL = 2.0**-80
"""What scores are multiplied by to be small: they end at 1e-24, which float32 holds to full precision."""


@check("metric", families.tokens, needs=(BALANCE_LOSS,), unless=("logits",))
def metric_cannot_be_lowered_by_small_scores(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """A loss of scores that are divided by their sum does not depend on their scale; any other is proportional to it.

    In between is an epsilon beside the sum, 1e-20 in Megatron-LM: scores below it lower the loss without any balance
    (issue 1545).
    """
    (given,) = balancer.calls(case)
    scores, experts = given[0].astype(np.float64), given[1]
    plain, small = ask(balancer, (scores, experts)), ask(balancer, (scores * SMALL, experts))
    proportional = "sequence-loss" not in balancer.capabilities and families.near(small / SMALL, plain)
    if proportional or families.near(small, plain):
        return
    numbers = f"{float(small):.6g} for scores of 1e-24 and {float(plain):.6g} for {SMALL**-1:.3g} times as large ones"
    raise Failure(f"it is {numbers}", better=plain.tolist())


@check("metric", families.tokens, needs=("logits", "aux-loss|global-loss"))
def metric_ignores_shifted_logits(balancer: Balancer, case: MetricCase, settings: Settings) -> None:
    """A softmax does not change if 1,000 is added to all logits of a token, where its exponentials overflow."""
    plain = value(balancer, case)
    for shift in (64.0, 1000.0):
        got = value(balancer, MetricCase.of_tokens(case.logits + np.float32(shift), case.experts))
        compare(got, plain, f"with {shift:g} added to all logits")
