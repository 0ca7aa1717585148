"""Planners compared with the best copies there are: how evenly a batch can be served, and with how few copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from equipoise.audits.cluster import one_by_one
from equipoise.audits.contender import Contender
from equipoise.audits.data import AXES, STEPS
from equipoise.audits.measures import MEAN, ZEROS, Measure, Row, Values, balancedness, relative
from equipoise.audits.role_audit import Option, Options, RoleAudit
from equipoise.certificates.check.partition import parts
from equipoise.errors import InvalidProblem, TargetError
from equipoise.problems import ReplicationProblem
from equipoise.roles.planner import NO_PLAN, Plan
from equipoise.solution import Solution
from equipoise.solvers.solve import solve
from equipoise.traces import LoadInstance


def judge(contenders: Sequence[Contender], unit: list[Any], options: Options, shared: Any) -> list[Row]:
    """Plan one load on devices that are home to E / G experts each, in contiguous blocks."""
    [instance] = unit
    devices = options["devices"] or (8 if len(instance.total) <= 64 else 32)
    problem = problem_of(instance, devices, options["slots"])
    roomy = problem_of(instance, devices, len(instance.total))
    best, free = solve(problem), None
    rows = []
    for one in contenders:
        if "ignores slots" in one.capabilities:
            free = free or solve(roomy)
            rows.append(_row(one, instance, problem, roomy, free))
        else:
            rows.append(_row(one, instance, problem, problem, best))
    return rows


def problem_of(instance: LoadInstance, devices: int, slots: int) -> ReplicationProblem:
    """Return the problem; refuse devices that do not divide the experts."""
    experts = len(instance.total)
    if experts % devices:
        raise InvalidProblem("devices", f"{devices}", f"a divisor of the {experts} experts of {instance.name}")
    return ReplicationProblem(instance.total, np.arange(experts) // (experts // devices), devices, slots)


def _row(
    contender: Contender, instance: LoadInstance, asked: ReplicationProblem, problem: ReplicationProblem, best: Solution
) -> Row:
    """Ask with the slots of one problem, and compare with the other, which has no such limit where that is ignored."""
    sizes: Values = {"experts": problem.num_experts, "devices": problem.num_devices, "slots": int(asked.slots.max())}
    row = Row(contender.name, instance.name, sizes)
    before = contender.seconds
    try:
        plan: Plan = contender.ask(instance.load, asked.home, asked.slots)
    except TargetError as error:
        return replace(row, error=str(error), kind=error.kind)
    mean, peak = Fraction(int(problem.load.sum()), problem.num_devices), plan.peak
    copies, bound = int(plan.copies.sum()), int(best.lower or 0)
    if (fault := problem.violation(plan.copies, plan.split)) is not None:
        return replace(row, error=f"its plan is not allowed: {fault}", kind=NO_PLAN)
    values: Values = {
        "peak": peak,
        "bound": bound,
        "mean": mean,
        "no_copies": int(problem.home_load.max()),
        "excess": peak - bound,
        "relative_excess": relative(peak, bound),
        "balancedness": balancedness(mean, peak),
        "copies": copies,
        "fewest_copies": fewest_copies(problem, peak),
        "best_copies": None if best.copies is None else int(best.copies.sum()),
        "seconds": contender.seconds - before,
    }
    evidence = {"bound": "certified" if best.evidence == "certified" else "bounded"}
    form = "a proved bound on every plan" + (" with these slots" if asked is problem else ", whatever the slots")
    return replace(row, values=values, compared_with=form, evidence=evidence, warnings=contender.warnings)


def fewest_copies(problem: ReplicationProblem, peak: int) -> int:
    """Return a lower bound on the copies of any plan with this peak.

    ``max(G - parts(peak), sum of ceil(load / peak) - 1)``: copies join devices, and what is not joined has a mean home
    load of at most the peak (:mod:`equipoise.certificates.check.partition`); an expert needs a device for each peak.
    """
    if peak <= 0:
        return 0
    joined = problem.num_devices - parts(problem.home_load.tolist(), peak)
    return max(joined, int((-(-problem.load // peak) - 1).clip(0).sum()))


AUDIT = RoleAudit(
    role="planner",
    data="loads",
    measures=(
        Measure(
            "relative_excess",
            "share",
            title="excess",
            gap="excess",
            noun="excess",
            words="peak load beyond a proved bound on every plan, with these slots unless it ignores them",
        ),
        Measure("excess", "tokens", title="tokens", words="the same in tokens"),
        Measure("excess", "tokens", aggregates=(ZEROS,), title="optimal", words="instances where there is none"),
        Measure("balancedness", "ratio", "more", (MEAN,), "balancedness", "mean over peak load of the devices"),
        Measure("copies", "count", aggregates=(MEAN,), title="copies", words="of experts on other devices than home"),
        Measure(
            "fewest_copies",
            "count",
            "neither",
            (MEAN,),
            "fewest",
            "no plan with the same peak has fewer copies (a proved bound)",
        ),
        Measure("best_copies", "count", "neither", (MEAN,), "ours", "copies of the best plan found"),
        Measure("seconds", "seconds", aggregates=(MEAN,), title="seconds", words="of a call, on this machine"),
        Measure("peak", "tokens", aggregates=()),
        Measure("bound", "tokens", "neither", ()),
        Measure("mean", "tokens", "neither", ()),
        Measure("no_copies", "tokens", "neither", ()),
    ),
    judge=judge,
    units=one_by_one,
    options=(
        Option("devices", int, "G. [default: 8 up to 64 experts, else 32]", least=1),
        Option("slots", int, "Copies that each device can hold. [default: 2]", 2, least=1),
        STEPS,
        AXES,
    ),
    legend=lambda audit: "Experts live on the devices in equal, contiguous blocks.",
)
