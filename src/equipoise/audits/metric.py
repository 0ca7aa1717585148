"""Metrics compared with their exact values on recorded routing: what would be logged, and what is true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from equipoise.audits.contender import Contender
from equipoise.audits.data import GATE, TOP_K
from equipoise.audits.measures import MEAN, MOST, Measure, Row, Values
from equipoise.audits.role_audit import Option, Options, RoleAudit
from equipoise.errors import InvalidProblem, TargetError
from equipoise.exact_metrics import exact
from equipoise.roles.metric import KINDS, ROLE, SAMPLE, MetricCase
from equipoise.traces import Instance

TOKENS = 64
"""Tokens of a batch: exact values take a moment."""


def judge(contenders: Sequence[Contender], unit: list[Instance], options: Options, shared: Any) -> list[Row]:
    """Ask every metric for what it measures of the first tokens of each batch, at the experts of their best scores.

    A metric of loads gets those of the parts, a row each, a loss their scores; a loss that takes logits the logarithms
    of the scores, of which a softmax makes the scores again.
    """
    return [row for one in contenders for instance in unit for row in _row(one, instance, options)]


def _row(contender: Contender, instance: Instance, options: Options) -> Iterator[Row]:
    case = _case(instance, options)
    kind = next((one for one in KINDS if one in contender.capabilities), None)
    about: Values = {
        "computes": kind,
        "tokens": case[1].logits[..., 0].size,
        "experts": instance.scores.shape[1],
    }
    row = Row(contender.name, instance.name, about, compared_with="exact value")
    before = contender.seconds
    try:
        if kind is None:
            contender.ask(case[0].load)  # it did not start; this raises why
        (given,) = ROLE.calls(contender.capabilities, case[0]) or ROLE.calls(contender.capabilities, case[1])
        got = contender.ask(*given) / _constant(contender, kind)
    except TargetError as error:
        yield replace(row, error=str(error), kind=error.kind)
        return
    right = exact(str(kind), contender.capabilities, given)
    whole = sum(right, Fraction(0)) / len(right)
    if got.size != len(right):
        got, right = np.atleast_1d(got.mean()), [whole]
    off = max(abs(float(Fraction(float(one)) - other)) for one, other in zip(got.ravel(), right, strict=True))
    values: Values = {"value": float(got.mean()), "exact": float(whole), "difference": off}
    values["relative_error"] = off / max(1.0, abs(float(whole)))
    yield replace(row, values={**values, "seconds": contender.seconds - before}, warnings=contender.warnings)


def _constant(contender: Contender, kind: str | None) -> float:
    """Return the constant that a loss is scaled with, if it declares one, as its value at a sample shows it."""
    if "scaled" not in contender.capabilities:
        return 1.0
    (given,) = ROLE.calls(contender.capabilities, SAMPLE)
    return float(contender.ask(*given)) / float(exact(str(kind), contender.capabilities, given)[0]) or 1.0


def _case(instance: Instance, options: Options) -> tuple[MetricCase, MetricCase]:
    """Return the loads of the parts of a batch, and its tokens in as many."""
    parts = options["parts"]
    tokens = min(options["tokens"], len(instance.scores)) // parts * parts
    if not tokens:
        raise InvalidProblem("--parts", str(parts), f"up to the {len(instance.scores)} tokens of {instance.name}")
    with np.errstate(divide="ignore", invalid="ignore"):
        logits = np.log(instance.scores[:tokens])
    logits = np.nan_to_num(logits, nan=-80.0, neginf=-80.0)
    cut = MetricCase.routed(logits.reshape(parts, -1, logits.shape[1]), instance.top_k)
    loads = [np.bincount(part.ravel(), minlength=logits.shape[1]) for part in cut.experts]
    return MetricCase.of_loads(np.array(loads)), cut


AUDIT = RoleAudit(
    role="metric",
    data="scores",
    measures=(
        Measure(
            "relative_error",
            "ratio",
            title="error",
            words="of the value, over the larger of the exact one and 1: mean / max",
            noun="error",
            gap="error",
        ),
        Measure("value", "ratio", "neither", (MEAN,), title="value", words="mean of what it returns"),
        Measure("exact", "ratio", "neither", (MEAN,), title="exact", words="mean of the formula in rational numbers"),
        Measure(
            "difference", "ratio", aggregates=(MOST,), words="the largest difference of a row from its exact value"
        ),
        Measure("seconds", "seconds", aggregates=(MEAN,), title="seconds", words="of a call, on this machine"),
    ),
    judge=judge,
    units=lambda instances, options: [[instance] for instance in instances],
    options=(
        TOP_K,
        GATE,
        Option("tokens", int, "Tokens of every batch.", TOKENS, least=1),
        Option("parts", int, "Layers, sequences or micro-batches that they are cut into.", 4, least=1),
    ),
    condensed=("relative_error",),
    reading="Of each batch the first tokens are at the experts of their best scores.",
)
