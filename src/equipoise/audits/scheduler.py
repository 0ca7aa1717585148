"""Schedulers compared with the certified optimum: how evenly the load of a fixed placement can be served, and is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from equipoise.audits.cluster import (
    SIZES,
    Cluster,
    Integers,
    certified_schedule,
    clusters_for,
    in_json,
    one_by_one,
    placed_by,
    sizes_in_words,
    word_of,
)
from equipoise.audits.contender import Contender
from equipoise.audits.data import AXES, STEPS
from equipoise.audits.measures import LEAST, MEAN, ZEROS, Measure, Row, Values, balancedness, relative
from equipoise.audits.role_audit import Option, Options, RoleAudit
from equipoise.errors import InvalidProblem, TargetError
from equipoise.problems import CommunicationProblem, SchedulingProblem, TrafficProblem
from equipoise.problems.scheduling import replicas_of
from equipoise.problems.traffic import node_costs
from equipoise.reference.scheduling.ranges import route_by_ranges
from equipoise.roles.scheduler import Schedule, hosts_for
from equipoise.solution import Solution
from equipoise.solvers.solve import solve
from equipoise.traces import LoadInstance

LINK_SECONDS = 5.0
"""To solve for load and links together, per instance; the bound is proved whenever it ends."""


def judge(contenders: Sequence[Contender], unit: list[Any], options: Options, shared: Any) -> list[Row]:
    """Serve one load on the placement that the option's placer makes for it."""
    [instance] = unit
    cluster: Cluster = shared[len(instance.total)]
    placed = placed_by(options["placement"], cluster, instance.total)
    replicas = replicas_of(placed, len(instance.total), cluster.devices)
    sources = instance.load if instance.load.ndim == 2 else None
    problem = SchedulingProblem(instance.total if sources is None else None, replicas, source_load=sources)
    best = certified_schedule(problem)
    links = _links(problem, options.get("alpha"))
    return [_row(one, instance, cluster, options["placement"], problem, replicas, best, links) for one in contenders]


def _row(
    contender: Contender,
    instance: LoadInstance,
    cluster: Cluster,
    placement: str,
    problem: SchedulingProblem,
    replicas: Integers,
    best: Solution,
    links: Solution | None,
) -> Row:
    sizes = {"experts": problem.num_experts, "slots": cluster.slots, "devices": cluster.devices}
    row = Row(contender.name, instance.name, {**sizes, "placement": placement})
    before = contender.seconds
    try:
        schedule: Schedule = contender.ask(instance.load, hosts_for(contender.capabilities, replicas))
    except TargetError as error:
        return replace(row, error=str(error), kind=error.kind)
    peak, optimum = schedule.peak, int(best.objective or 0)
    mean = Fraction(problem.total, cluster.devices)
    traffic, least = _traffic(problem, schedule, peak, cluster.nodes)
    moved = None if least is None or least.objective is None else int(least.objective)
    values: Values = {
        "peak": peak,
        "optimum": optimum,
        "mean": mean,
        "excess": peak - optimum,
        "relative_excess": relative(peak, optimum),
        "imbalance": float(peak / mean) if mean else 1.0,
        "balancedness": balancedness(mean, peak),
        "best_balancedness": balancedness(mean, optimum),
        "traffic": traffic,
        "least_traffic": moved,
        "relative_traffic": relative(traffic, moved) if traffic is not None and moved else None,
        "seconds": contender.seconds - before,
    }
    evidence = {"optimum": word_of(best)} | ({} if least is None else {"traffic": word_of(least)})
    if links is not None and isinstance(links.problem, CommunicationProblem) and links.lower is not None:
        cost = links.problem.value(schedule.split)
        values |= {"link_cost": cost, "link_bound": links.lower, "link_excess": relative(cost, links.lower)}
        evidence["links"] = word_of(links)
    form = f"least peak on the placement of {placement}"
    return replace(row, values=values, compared_with=form, evidence=evidence, warnings=contender.warnings)


def _links(problem: SchedulingProblem, alpha: str | None) -> Solution | None:
    """Return the best split for the fullest device plus alpha times the busiest link; None where it is not asked for.

    Raises
    ------
    InvalidProblem
        If it is asked for, and nobody knows on which device tokens start; or if alpha is no weight.
    """
    if alpha is None:
        return None
    if problem.source_load is None:
        raise InvalidProblem("--alpha", "given with loads [E]", "with loads [G, E]: tokens by the device they start on")
    return solve(CommunicationProblem(problem.source_load, problem.hosts, alpha), time_limit=LINK_SECONDS)


def _traffic(
    problem: SchedulingProblem, schedule: Schedule, peak: int, nodes: int
) -> tuple[int | None, Solution | None]:
    """Return what a schedule moves, and the solution that moves least at the same peak.

    The cost of a token is 0 at home, 1 within a node and 4 between nodes. A scheduler that returns a split and no
    flows is routed by ranges (MicroMoE).
    """
    if problem.source_load is None:
        return None, None
    flows = schedule.flows
    if flows is None:
        flows = route_by_ranges(problem.source_load, schedule.split, nodes)
    cost = node_costs(problem.num_devices, nodes)
    return int((flows.sum(axis=1) * cost).sum()), solve(TrafficProblem.at_peak(problem, peak, cost))


AUDIT = RoleAudit(
    role="scheduler",
    data="loads",
    measures=(
        Measure(
            "relative_excess",
            "share",
            title="excess",
            gap="excess",
            noun="excess",
            words="peak load beyond the certified optimum of whole tokens on the same placement",
        ),
        Measure("excess", "tokens", title="tokens", words="the same in tokens"),
        Measure("excess", "tokens", aggregates=(ZEROS,), title="optimal", words="instances where there is none"),
        Measure("balancedness", "ratio", "more", (MEAN, LEAST), "balancedness", "mean over peak load of the devices"),
        Measure("best_balancedness", "ratio", "more", (MEAN,), "best", "the optimum's balancedness"),
        Measure(
            "relative_traffic",
            "share",
            aggregates=(MEAN,),
            title="traffic",
            noun="excess traffic",
            words='moved beyond the least at the same peak ("-": sources are not known)',
        ),
        Measure(
            "link_excess",
            "share",
            title="links",
            noun="excess of load and links",
            only_if_any=True,
            words="fullest device plus alpha times the busiest link, beyond a proved bound on that sum (--alpha)",
        ),
        Measure("seconds", "seconds", aggregates=(MEAN,), title="seconds", words="of a call, on this machine"),
        Measure("peak", "tokens", aggregates=()),
        Measure("optimum", "tokens", "neither", ()),
        Measure("mean", "tokens", "neither", ()),
        Measure("imbalance", "ratio", aggregates=()),
        Measure("traffic", "tokens", aggregates=()),
        Measure("least_traffic", "tokens", "neither", ()),
        Measure("link_cost", "tokens", aggregates=()),
        Measure("link_bound", "tokens", "neither", ()),
    ),
    judge=judge,
    units=one_by_one,
    shared=clusters_for,
    about=in_json,
    options=(
        Option("placement", str, "Placer that schedulers work on.", "eplb", role="placer"),
        Option(
            "alpha",
            str,
            "Weight of the busiest link beside the fullest device, as 1/4, where a record says on which device tokens "
            "start. [default: links are not compared]",
        ),
        STEPS,
        AXES,
        *SIZES,
    ),
    legend=lambda audit: f"Placement: {audit.options['placement']}; {sizes_in_words(audit.shared)}.",
)
