"""What a metric or loss should be, in rational numbers: the formula on the very numbers that it was given.

Counts and floats are rational, so nothing is rounded but square roots, exponentials and logarithms, which have 40
digits. Formulas are written out entry by entry and share nothing with ``reference.metrics``.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

DIGITS = Context(prec=40, Emin=-999999, Emax=999999)

Rows = Sequence[Sequence[Fraction]]
Ratio = tuple[Callable[[Sequence[int]], Fraction], Callable[[Sequence[int]], Fraction], int]


def _mean(load: Sequence[int]) -> Fraction:
    return Fraction(sum(load), len(load))


def _spread(load: Sequence[int]) -> Fraction:
    """Return the standard deviation over all entries."""
    mean = _mean(load)
    return _root(sum(((entry - mean) ** 2 for entry in load), Fraction(0)) / len(load))


def _most(load: Sequence[int]) -> Fraction:
    return Fraction(max(load))


def _least(load: Sequence[int]) -> Fraction:
    return Fraction(min(load))


RATIOS: dict[str, Ratio] = {
    "balancedness": (_mean, _most, 0),
    "imbalance": (_most, _mean, 0),
    "max-vio": (_most, _mean, 1),
    "min-vio": (_least, _mean, 1),
    "cv": (_spread, _mean, 0),
}
"""Metrics of loads: ``top / bottom - offset`` of every row."""


def of_rows(kind: str, load: npt.NDArray[Any]) -> list[Fraction]:
    """Return a metric of loads for every row of ``load[L, N]``, none of which is without load."""
    top, bottom, offset = RATIOS[kind]
    return [top(row) / bottom(row) - offset for row in load.tolist()]


def pooled(kind: str, load: npt.NDArray[Any]) -> Fraction:
    """Return a metric of loads of all rows at once: the sum of the tops over the sum of the bottoms."""
    top, bottom, offset = RATIOS[kind]
    rows = load.tolist()
    return sum(map(top, rows), Fraction(0)) / sum(map(bottom, rows), Fraction(0)) - offset


def counts(experts: Iterable[Iterable[int]], num_experts: int) -> list[int]:
    """Return how many assignments every expert has; -1 is none."""
    found = [0] * num_experts
    for token in experts:
        for expert in token:
            if expert >= 0:
                found[expert] += 1
    return found


def dropped(experts: npt.NDArray[Any]) -> Fraction:
    """Return the share of assignments that are none."""
    return Fraction(int((experts < 0).sum()), experts.size)


def balance_loss(scores: Rows, experts: Sequence[Sequence[int]]) -> Fraction:
    """Return ``sum_e f[e] P[e]`` of a batch, ``f[e] = E / (K T) * assignments``, ``P[e]`` the mean score."""
    tokens, num_experts, top_k = len(scores), len(scores[0]), len(experts[0])
    load = counts(experts, num_experts)
    means = [sum((row[e] for row in scores), Fraction(0)) / tokens for e in range(num_experts)]
    total = sum((n * mean for n, mean in zip(load, means, strict=True)), Fraction(0))
    return Fraction(num_experts, top_k * tokens) * total


def z_loss(logits: Rows) -> Fraction:
    """Return the mean over tokens of ``log(sum_e exp(z[e]))^2``."""
    logs = [_log(sum(_exps(row), Fraction(0))) for row in logits]
    return sum((log * log for log in logs), Fraction(0)) / len(logs)


def normalised(scores: Rows) -> list[list[Fraction]]:
    """Return every row over its sum, to 40 digits."""
    totals = [sum(row, Fraction(0)) for row in scores]
    return [[_rounded(one / total) for one in row] for row, total in zip(scores, totals, strict=True)]


def softmax(logits: Rows) -> list[list[Fraction]]:
    """Return the softmax of every row."""
    return normalised([_exps(row) for row in logits])


def sigmoid(logits: Rows) -> list[list[Fraction]]:
    """Return the sigmoid of every entry."""
    return [[_rounded(1 / (1 + one)) for one in _exps([-value for value in row])] for row in logits]


def fractions_of(array: npt.NDArray[Any]) -> list[list[Fraction]]:
    """Return the rows of ``[T, E]`` as they are."""
    return [[Fraction(value) for value in row] for row in np.asarray(array, np.float64).tolist()]


def _exps(row: Sequence[Fraction]) -> list[Fraction]:
    return [_exp(value) for value in row]


@lru_cache(4096)
def _exp(value: Fraction) -> Fraction:
    return _fraction(DIGITS.exp(_decimal(value)))


@lru_cache(4096)
def _log(value: Fraction) -> Fraction:
    return _fraction(DIGITS.ln(_decimal(value)))


def _rounded(value: Fraction) -> Fraction:
    return _fraction(_decimal(value))


def _root(value: Fraction) -> Fraction:
    return _fraction(DIGITS.sqrt(_decimal(value)))


def _decimal(value: Fraction) -> Decimal:
    return DIGITS.divide(Decimal(value.numerator), Decimal(value.denominator))


def _fraction(value: Decimal) -> Fraction:
    return Fraction(value)


def exact(
    kind: str, declared: Container[str], given: tuple[Any, ...], mask: npt.NDArray[np.bool_] | None = None
) -> list[Fraction]:
    """Return what a metric of this kind should return for what it is given: one number, or one a row or expert.

    ``declared`` may have "pools rows", "logits" and "counts K times"; ``mask`` is true for the tokens that count.
    """
    if kind in RATIOS:
        return [pooled(kind, given[0])] if "pools rows" in declared else of_rows(kind, given[0])
    if kind == "expert-load":
        experts, num_experts = given
        return [Fraction(n) for n in counts(experts.reshape(-1, experts.shape[-1]).tolist(), num_experts)]
    if kind == "dropped":
        return [dropped(given[0])]
    if kind == "z-loss":
        return [z_loss(fractions_of(given[0] if mask is None else given[0][mask]))]
    return [_loss(kind, declared, *given, mask=mask)]


def _loss(
    kind: str,
    declared: Container[str],
    scores: npt.NDArray[Any],
    experts: npt.NDArray[Any],
    *,
    mask: npt.NDArray[np.bool_] | None,
) -> Fraction:
    """Return a balance loss: the mean over the parts in which tokens count together."""
    real = np.ones(scores.shape[:-1], bool) if mask is None else mask
    parts = [(scores[b][real[b]], experts[b][real[b]]) for b in range(len(scores)) if real[b].any()]
    if kind != "sequence-loss":
        parts = [(scores[real], experts[real])]
    total = Fraction(0)
    for numbers, chosen in parts:
        rows: Rows = fractions_of(numbers)
        if "logits" in declared:
            rows = sigmoid(rows) if kind == "sequence-loss" else softmax(rows)
        rows = normalised(rows) if kind == "sequence-loss" else rows
        total += balance_loss(rows, chosen.tolist())
    return total / len(parts) * (experts.shape[-1] if "counts K times" in declared else 1)
