"""Scheduling again and again: the devices that there are, and what was planned."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.scheduler import families
from equipoise.checks.scheduler.quality import best, judge, serve, shown
from equipoise.roles.scheduler import Schedule, SchedulerCase, hosts_for


@check("scheduler", families.changing_machines)
def scheduler_follows_the_machine(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """Where devices come and go between calls, each schedule is one for the hosts of its own call.

    Each is judged as nearness to the optimum is; a scheduler that remembers nothing answers as if it had seen no other
    machine. Tables of the old size outlive a machine that shrinks or grows (sglang PR 33111).
    """
    balancer.fresh()
    ones = [SchedulerCase((load,), hosts) for load, hosts in case.calls() if balancer.takes(load, hosts)]
    served = [(one, balancer.ask(*balancer.calls(one)[0])) for one in ones]
    for one, given in served:
        if "ignores loads" not in balancer.capabilities:
            judge(balancer, one, given, settings.max_gap)
    remembers = balancer.capabilities & {"has reset", "stateful", "random"}
    for number, (one, given) in enumerate(() if remembers else served, 1):
        if not np.array_equal(alone := serve(balancer, one)[0].split, given.split):
            answers = f"{given.split.tolist()}, not {alone.tolist()}"
            raise Failure(f"in call {number}, after another machine, it answers {answers}")


@check("scheduler", families.changing_machines, needs=("takes live",), unless=("only by source",))
def scheduler_serves_on_live_devices_alone(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """Told by ``live[G]`` which devices there are, it sends no token to any other; judged on these.

    For schedulers that take ``live``: replicas of a rank that died or is retired stay in the tables (sglang PR 33111).
    """
    balancer.fresh()
    for load, live in zip(case.loads, cycle(case.live)):
        left = SchedulerCase((load,), case.hosts[:, live])
        served = balancer.ask(load, hosts_for(balancer.capabilities, case.hosts), live=live.copy())
        if (sent := served.split[:, ~live]).any():
            expert, place = np.argwhere(sent)[0].tolist()
            dead, better = int(np.flatnonzero(~live)[place]), np.zeros_like(served.split)
            better[:, live] = shown(best(load, left.hosts))
            raise Failure(
                f"it sends {sent[expert, place]} tokens of expert {expert} to device {dead}, which is dead: live = "
                f"{live.tolist()}",
                better.tolist(),
            )
        if "ignores loads" not in balancer.capabilities:
            judge(balancer, left, Schedule(served.split[:, live]), settings.max_gap)


@check("scheduler", families.instances, needs=("has shares",))
def scheduler_serves_what_it_plans(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """An attribute ``shares[E, G]``, what each host is to serve of each expert, is what is served, within one token.

    And within a millionth of the plan, as float32 counts. LPLB spreads tokens by a hash modulo 499; where that divides
    their number, the planned ratio is ignored.
    """
    split = serve(balancer, replace(case, loads=case.loads[:1]))[0].split
    shares = balancer.attribute("shares")
    if not isinstance(shares, np.ndarray) or shares.shape != case.hosts.shape:
        raise Failure(
            f"its shares are {'no array' if not isinstance(shares, np.ndarray) else shares.shape}, not [E, G]"
        )
    sums = shares.sum(axis=1, keepdims=True, dtype=np.float64)
    planned = np.divide(shares, sums, out=np.zeros(shares.shape), where=sums > 0) * case.load[:, None]
    off = np.abs(split - planned) > 1 + 1e-6 * planned
    if off.any():
        expert, device = np.argwhere(off)[0].tolist()
        raise Failure(
            f"it plans {planned[expert, device]:.6g} of the {case.load[expert]} tokens of expert {expert} "
            f"for device {device} and serves {split[expert, device]}"
        )
