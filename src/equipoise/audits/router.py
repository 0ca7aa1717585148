"""Routers compared with the certified optimum, batch by batch or as a stream.

The optimum is taken at the routing's own peak load: with the same largest load, how much more score was possible? That
regret is never negative for K distinct experts per token. A router that drops tokens is compared with the best routing
that drops as many assignments, one that gives tokens more than K experts with the relaxation without token rows, one
that is limited to groups with a proved bound of the group-limited optimum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise import metrics
from equipoise.audits.comparators import FixedBias, LastPrices
from equipoise.audits.contender import Contender
from equipoise.audits.data import AXES, GATE, TOP_K
from equipoise.audits.measures import LEAST, MEAN, Aggregate, Measure, Row, Values
from equipoise.audits.role_audit import Option, Options, RoleAudit
from equipoise.balancers.in_process import InProcess
from equipoise.certificates.kinds.assignment import AssignmentCertificate
from equipoise.certificates.kinds.group_limited import GroupLimitedCertificate
from equipoise.errors import InvalidProblem, TargetError
from equipoise.flips import ROUNDINGS, FlipMargins, flip_margins
from equipoise.grid import total
from equipoise.problems import AssignmentProblem, GroupLimitedProblem
from equipoise.roles.router import ROLE, Routed
from equipoise.solvers.assignment.frontier import Frontier, dropping_optimum, expert_choice_optimum
from equipoise.solvers.group_limited.dual import Descent
from equipoise.traces import Instance

PASSES = 50
"""Times that a stateful router sees a batch, so that rules which learn after routing have something to learn from."""

DUAL_STEPS = 8
"""Steps towards a better bound of the group-limited optimum."""

BALANCED_AT = 0.1
"""A step counts as balanced while MaxVio is at most this (our definition)."""

AS_MANY_DROPPED = "at most K, as many dropped"

LAST_PRICES, FIXED_BIAS = "last batch's exact prices", "best fixed bias in hindsight"


class Optima:
    """The exact frontier of one batch, in every form; every peak is solved at most once."""

    def __init__(self, problem: AssignmentProblem) -> None:
        self.problem = problem
        self.exactly_k = Frontier(problem)
        self.at_most_k = Frontier(problem.with_capacity(problem.capacity, drop=True))

    def grouped(self, mask: npt.NDArray[np.bool_], num_groups: int, topk_groups: int) -> tuple[Fraction, str]:
        """Return a proved bound on the score of M of N groups a token at a routing's peak, and whether it is reached.

        The prices of the optimum without groups, improved by some steps on the dual: the same on every machine.
        """
        peak = int(mask.sum(axis=0).max())
        plain = self.problem.with_capacity(np.full(self.problem.num_experts, peak))
        problem = GroupLimitedProblem(plain, num_groups, topk_groups)
        proof = self.exactly_k.at(peak).solution.certificate
        assert isinstance(proof, AssignmentCertificate)
        descent = Descent(problem, np.round(proof.prices * float(plain.grid.unit / problem.grid.unit)))
        descent.run(float(total(problem.real_values[mask[plain.tokens]])), DUAL_STEPS)
        experts = np.nonzero(mask)[1].reshape(len(mask), plain.top_k)
        verdict = GroupLimitedCertificate.of(problem, experts, descent.prices.astype(np.int64)).verify()
        assert verdict.upper is not None
        return verdict.upper, "certified" if verdict.valid else "bounded"


def judge(contenders: Sequence[Contender], unit: list[Any], options: Options, shared: Any) -> list[Row]:
    """Show every batch of a sequence to every router, ``passes`` times to one that remembers, and judge the last."""
    rows = []
    for instance in unit:
        optima = Optima(AssignmentProblem(instance.scores, instance.top_k))
        rows += [_row(one, instance, optima, options) for one in contenders]
    return rows


def judge_stream(contenders: Sequence[Contender], unit: list[Any], options: Options, shared: Any) -> list[Row]:
    """Route every batch of a sequence once, in order, beside two routers that cannot see the future either."""
    hindsight = FixedBias([instance.scores for instance in unit], unit[0].top_k)
    beside = [
        Contender(LAST_PRICES, InProcess(LAST_PRICES, ROLE, LastPrices)),
        Contender(FIXED_BIAS, InProcess(FIXED_BIAS, ROLE, lambda: hindsight)),
    ]
    return judge([*contenders, *beside], unit, options, shared)


def _row(contender: Contender, instance: Instance, optima: Optima, options: Options) -> Row:
    tokens, experts = instance.scores.shape
    about = {"sequence": instance.sequence, "tokens": tokens, "experts": experts, "top_k": instance.top_k}
    row = Row(contender.name, instance.name, about)
    before = contender.seconds
    try:
        for _ in range(options.get("passes", 1) - 1 if contender.stateful else 0):
            contender.ask(instance.scores, instance.top_k)
        earlier = contender.numbers("bias", (experts,))
        routed: Routed = contender.ask(instance.scores, instance.top_k)
    except TargetError as error:
        return replace(row, error=str(error), kind=error.kind)
    problem, mask, load = optima.problem, routed.mask, routed.load
    asked = tokens * instance.top_k
    reached, peak = metrics.score(problem, mask), metrics.peak(load)
    balanced = optima.exactly_k.at(optima.exactly_k.balance).objective
    form, possible, word, least = _possible(contender, optima, mask, peak, reached)
    assigned = int(load.sum()) if form == AS_MANY_DROPPED else asked
    bias = contender.numbers("bias", (experts,))
    gap = None if bias is None else metrics.dual_gap(problem, bias, balanced)
    moved = _moved(instance, mask, (earlier, bias), options["rounding"])
    values: Values = {
        "score": reached,
        "balanced_optimum": balanced,
        "equal_peak_optimum": possible,
        "regret": metrics.regret(possible, reached),
        "relative_regret": metrics.relative_regret(problem, possible, reached, assigned),
        "score_ratio": float(reached / balanced) if balanced > 0 else None,
        "peak": peak,
        "least_peak": least,
        "excess_peak": None if least is None else metrics.excess_peak(peak, least),
        "imbalance": 1 + metrics.max_vio(load, asked),
        "max_vio": metrics.max_vio(load, asked),
        "min_vio": metrics.min_vio(load, asked),
        "dropped": metrics.dropped(mask, instance.top_k) / asked,
        "starved": metrics.starved(load),
        "dual_gap": gap,
        "relative_dual_gap": None if gap is None else metrics.relative_regret(problem, balanced, balanced - gap),
        "flips": None if moved is None else float(moved.flips.mean()),
        "unstable": None if moved is None else float(1 - moved.stable.mean()),
        "seconds": contender.seconds - before,
    }
    evidence = {"optimum": word}
    return replace(row, values=values, compared_with=form, evidence=evidence, warnings=contender.warnings)


def _possible(
    contender: Contender, optima: Optima, mask: npt.NDArray[np.bool_], peak: int, reached: Fraction
) -> tuple[str, Fraction, str, int | None]:
    """Return the form that a routing is compared with, the most score at its peak, and the least peak for its score."""
    top_k, taken = optima.problem.top_k, mask.sum(axis=1)
    if (taken > top_k).any():
        return "no token rows", expert_choice_optimum(optima.problem, peak), "certified", None
    if (limits := _groups(contender, mask)) is not None and (taken == top_k).all():
        possible, word = optima.grouped(mask, *limits)
        form = f"at most {limits[1]} of {limits[0]} groups"
        return form, possible, word, None
    if (taken < top_k).any():
        best = dropping_optimum(optima.problem, peak, int(taken.sum()))
        assert best.objective is not None
        return AS_MANY_DROPPED, best.objective, best.evidence, optima.at_most_k.least_peak(reached)
    return "exactly K", optima.exactly_k.at(peak).objective, "certified", optima.exactly_k.least_peak(reached)


def _groups(contender: Contender, mask: npt.NDArray[np.bool_]) -> tuple[int, int] | None:
    """Return N and M of a router that declares "group limited" and keeps to M of N groups; None for all others."""
    if "group limited" not in contender.capabilities:
        return None
    limits = [contender.numbers(name, ()) for name in ("num_groups", "topk_groups")]
    if limits[0] is None or limits[1] is None:
        return None
    groups, most = int(limits[0]), int(limits[1])
    if groups < 1 or mask.shape[1] % groups:
        return None
    used = mask.reshape(len(mask), groups, -1).any(axis=2).sum(axis=1)
    return (groups, most) if (used <= most).all() else None


def _moved(
    instance: Instance, mask: npt.NDArray[np.bool_], biases: Sequence[npt.NDArray[np.float64] | None], rounding: str
) -> FlipMargins | None:
    """Return what rounding does to a routing that is the top K of scores plus one of these biases; None for others.

    A bias is shown before and after the call, as rules learn before they route or after it. The routing must agree
    with the bias wherever that leaves no doubt: on the tokens that are stable.
    """
    if (mask.sum(axis=1) != instance.top_k).any():
        return None
    for bias in biases:
        keys = instance.scores.astype(np.float64) + (0.0 if bias is None else bias)
        agrees = np.where(mask, keys, np.inf).min(axis=1) >= np.where(mask, -np.inf, keys).max(axis=1)
        found = flip_margins(instance.scores, instance.top_k, bias, rounding=rounding)
        if (agrees | ~found.stable).all():
            return found
    return None


def sequences(instances: Sequence[Instance], options: Options) -> list[list[Instance]]:
    """Group batches by their sequence, both in order of appearance; only those of so many experts, if that is asked.

    Raises
    ------
    InvalidProblem
        If there are none of them, or the type to round to is unknown.
    """
    if (rounding := options.get("rounding", "bf16")) not in ROUNDINGS:
        raise InvalidProblem("rounding", repr(rounding), ", ".join(ROUNDINGS))
    wanted = options.get("experts")
    known = sorted({instance.scores.shape[1] for instance in instances})
    if wanted is not None and wanted not in known:
        raise InvalidProblem("experts", str(wanted), f"what the trace has: {', '.join(map(str, known))}")
    groups: dict[str, list[Instance]] = {}
    for instance in instances:
        if wanted in (None, instance.scores.shape[1]):
            groups.setdefault(instance.sequence, []).append(instance)
    return list(groups.values())


def steps_until_balanced(max_vio: Sequence[float]) -> int | None:
    """Return after how many steps MaxVio stays at most ``BALANCED_AT`` to the end; None if the last step is not."""
    unbalanced = [step for step, value in enumerate(max_vio, 1) if value > BALANCED_AT]
    last = unbalanced[-1] if unbalanced else 0
    return None if last == len(max_vio) else last


def _by_sequence(rows: Sequence[Row], measure: str) -> list[list[float]]:
    ordered = sorted(rows, key=lambda row: str(row.about["sequence"]))
    groups = groupby(ordered, key=lambda row: row.about["sequence"])
    return [[value for row in group for value in row.numbers([measure])] for _, group in groups]


def _average_of(function: Any) -> Any:
    """Return the mean over sequences of a function of each sequence's values."""

    def of(rows: Sequence[Row], measure: str) -> float | None:
        found = [function(values) for values in _by_sequence(rows, measure) if values]
        known = [value for value in found if value is not None]
        return math.fsum(known) / len(known) if known else None

    return of


AVERAGE = Aggregate("avg", _average_of(lambda values: math.fsum(values) / len(values)))
SUPREMUM = Aggregate("sup", _average_of(max))
SETTLED = Aggregate("steps_until", _average_of(steps_until_balanced))
HOW_MANY = Aggregate(
    "sequences_until",
    lambda rows, measure: sum(steps_until_balanced(values) is not None for values in _by_sequence(rows, measure)),
)

REGRET = Measure(
    "relative_regret",
    "share",
    title="regret",
    gap="regret",
    noun="regret",
    words="score lost to the certified optimum with the same peak load, over that optimum's gain on random balanced "
    "routing",
)
MAX_VIO = Measure(
    "max_vio",
    "ratio",
    title="MaxVio",
    gap="MaxVio",
    noun="MaxVio",
    words="peak over mean load of the experts, minus 1; the mean is T K / E, as if nothing were dropped",
)
DROPPED = Measure(
    "dropped",
    "share",
    title="dropped",
    noun="loss of assignments",
    only_if_any=True,
    words="assignments asked for and not given, of T K",
)
STARVED = Measure("starved", "count", title="starved", only_if_any=True, words="experts without a token")
MIN_VIO = Measure("min_vio", "ratio", "more", (MEAN, LEAST), "MinVio", "least over that mean load, minus 1")
SCORE = Measure("score_ratio", "ratio", "more", (MEAN,), "score", "over that of the certified balanced optimum")

FLIPS = Measure(
    "flips",
    "share",
    title="flips",
    only_if_any=True,
    words="tokens whose experts change when their scores are rounded to nearest (to bf16, or --rounding), decided "
    'exactly; "-" for a choice that is not the top K of scores plus bias',
)
UNSTABLE = Measure(
    "unstable", "share", words="tokens not certified to keep their experts however each score is rounded, up or down"
)

EXPERTS = Option("experts", int, "Only batches of so many experts.", least=1, compared=False, studied=False)
ROUNDING = Option(
    "rounding",
    str,
    f"Type that scores are rounded to for the flips: {', '.join(ROUNDINGS)}.",
    "bf16",
    compared=False,
    studied=False,
)

BESIDE = (
    Measure("peak", "tokens", aggregates=()),
    Measure("least_peak", "tokens", aggregates=()),
    Measure("imbalance", "ratio", aggregates=()),
    Measure("score", "score", "more", ()),
    Measure("balanced_optimum", "score", "neither", ()),
    Measure("equal_peak_optimum", "score", "neither", ()),
    Measure("dual_gap", "score", aggregates=()),
    Measure("seconds", "seconds", aggregates=(MEAN,)),
)
"""In the rows alone."""

STREAM = RoleAudit(
    role="router",
    variant="stream",
    summary="route each batch once, in order of time.",
    data="scores",
    measures=(
        replace(REGRET, aggregates=(MEAN,)),
        replace(
            MAX_VIO,
            aggregates=(AVERAGE, SUPREMUM),
            title="AvgMaxVio / SupMaxVio",
            words="mean and maximum of MaxVio over the steps, averaged over the sequences; MaxVio is peak over mean "
            "load of the experts, minus 1, and the mean is T K / E, as if nothing were dropped",
        ),
        Measure(
            "max_vio",
            "count",
            aggregates=(SETTLED, HOW_MANY),
            title="balanced after",
            words=f"steps until MaxVio stays at most {BALANCED_AT}, and in how many sequences it does",
        ),
        DROPPED,
        STARVED,
        replace(MIN_VIO, aggregates=(MEAN,)),
        SCORE,
        replace(FLIPS, aggregates=(MEAN,)),
        replace(UNSTABLE, aggregates=(MEAN,)),
        Measure("regret", "score", aggregates=(MEAN,)),
        Measure("excess_peak", "tokens", aggregates=()),
        Measure("relative_dual_gap", "share", aggregates=()),
        *BESIDE,
    ),
    judge=judge_stream,
    units=sequences,
    options=(TOP_K, GATE, AXES, EXPERTS, ROUNDING),
    legend=lambda audit: (
        "Every batch is routed once, in order. The last two rows cannot see the future; the optimum of each step can."
    ),
    beside=(LAST_PRICES, FIXED_BIAS),
)

AUDIT = RoleAudit(
    role="router",
    data="scores",
    measures=(
        REGRET,
        MAX_VIO,
        DROPPED,
        STARVED,
        SCORE,
        Measure(
            "excess_peak",
            "tokens",
            title="excess peak",
            words="tokens of peak load beyond the least with which the same score is possible",
        ),
        Measure("regret", "score", title="absolute", words="regret in units of the scores"),
        MIN_VIO,
        Measure(
            "relative_dual_gap",
            "share",
            aggregates=(MEAN,),
            title="dual gap",
            words="of the bias, as prices for the balanced optimum",
        ),
        FLIPS,
        UNSTABLE,
        *BESIDE,
    ),
    judge=judge,
    units=sequences,
    options=(
        TOP_K,
        GATE,
        AXES,
        EXPERTS,
        ROUNDING,
        Option("passes", int, "Times a stateful router sees each batch.", PASSES, least=1),
    ),
    legend=lambda audit: (
        f"Stateful routers saw each batch {audit.options['passes']} times and are judged on the last (--passes)."
    ),
    condensed=("relative_regret", "imbalance"),
    reading="Plain top-K has no regret by definition and pays in load: read regret and MaxVio together.",
    variants={"stream": STREAM},
)
