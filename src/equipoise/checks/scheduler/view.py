"""How the scheduler checks look at a scheduler: its answer as a split, or a failure that says why it is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.checks.cases import SchedulerCase
from equipoise.errors import TargetError
from equipoise.isolation.host import Reply
from equipoise.isolation.misbehaviour import Misbehaviour
from equipoise.isolation.subject import Subject
from equipoise.problems import SchedulingProblem
from equipoise.roles import Fault, schedule_fault, served_tokens
from equipoise.solution import Solution
from equipoise.solvers.solve import solve


@dataclass(frozen=True)
class Served:
    """One answer.

    Attributes
    ----------
    split
        ``[E, G]`` tokens, over all sources.
    reply
        How it was returned.
    """

    split: npt.NDArray[np.int64]
    reply: Reply

    @property
    def peak(self) -> int:
        """Tokens on the fullest device."""
        return int(self.split.sum(axis=0).max())


def serve(subject: Subject, load: npt.NDArray[Any], hosts: npt.NDArray[np.bool_]) -> Served:
    """Call the scheduler; raise :class:`Misbehaviour` if it does not serve exactly these tokens on their hosts."""
    reply, served, fault = examine(subject, load, hosts)
    if fault is not None:
        raise no_schedule(fault[1], load, hosts)
    return Served(split_of(served), reply)


def examine(
    subject: Subject, load: npt.NDArray[Any], hosts: npt.NDArray[np.bool_]
) -> tuple[Reply, npt.NDArray[Any], tuple[Fault, str] | None]:
    """Call the scheduler; return the numbers in its answer and what keeps them from being a schedule, if anything.

    A scheduler that takes loads only by source is told that the tokens of every expert start evenly on all devices.
    """
    if load.ndim == 1 and "only by source" in subject.capabilities:
        devices = hosts.shape[1]
        load = (load + np.arange(devices)[:, None]) // devices
    reply = subject.call(load, hosts)
    try:
        served = served_tokens(reply.value, load, hosts)
    except TargetError as error:
        raise Misbehaviour("gives no schedule", str(error).replace("the scheduler", "it")) from error
    return reply, served, schedule_fault(served, load, hosts)


def no_schedule(sentence: str, load: npt.NDArray[Any], hosts: npt.NDArray[np.bool_]) -> Misbehaviour:
    """Return the failure of an answer that has numbers, but serves other tokens than it should."""
    return Misbehaviour("gives no schedule", f"it {sentence}", shown(best(load, hosts)))


def best(load: npt.NDArray[Any], hosts: npt.NDArray[np.bool_]) -> Solution:
    """Return the certified schedule with the least peak."""
    if load.ndim == 1:
        return solve(SchedulingProblem(load, hosts))
    return solve(SchedulingProblem(source_load=load, hosts=hosts))


def shown(solution: Solution) -> list[list[int]] | None:
    """Return the split of a solution, for a message."""
    return None if solution.split is None else solution.split.tolist()


def even_peak(case: SchedulerCase) -> int:
    """Return the peak of the even split, every share rounded up: whatever the odd tokens do, it is no higher."""
    shares = -(-case.load // case.hosts.sum(axis=1))
    return int((shares[:, None] * case.hosts).sum(axis=0).max())


def first_host_peak(case: SchedulerCase) -> int:
    """Return the peak where every expert is served by its first host alone."""
    return int(np.bincount(case.hosts.argmax(axis=1), case.load).max())


def split_of(served: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return ``[E, G]`` tokens of a split or of flows."""
    whole = served.astype(np.int64)
    return whole if whole.ndim == 2 else whole.sum(axis=0)
