"""What a replication problem makes of a claim: its copies with their best split, and the best bound on any answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from equipoise.arrays import frozen
from equipoise.certificates.kinds.replication import ReplicationCertificate
from equipoise.problems import ReplicationProblem
from equipoise.solvers.claim import Candidate, Claim
from equipoise.solvers.replication.bounds import best_bound
from equipoise.solvers.scheduling.relieve import relieve, rounded

Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


def certify(problem: ReplicationProblem, claim: Claim, deadline: float | None) -> Iterator[Candidate]:
    """Split the load over the copies exactly and bound it; without copies, or where they are refused, bound only."""
    del deadline
    copies, split = np.zeros(problem.domain.shape, bool), None
    repairs: tuple[str, ...] = ()
    if claim.answer is not None:
        copies = np.asarray(claim.answer, bool)
        split = split_over(problem, copies)
        if split is not None:
            copies, repairs = without_idle(problem, copies, split)
        reason = "a floor exceeds a load" if split is None else problem.violation(copies, split)
        if split is None or reason is not None:
            split, repairs = None, (f"refused: {reason}",)
    reached = int((problem.home_load if split is None else split.sum(axis=0)).max())
    bound = best_bound(problem, reached, claim.duals)
    shown = np.zeros(copies.shape, np.int64) if split is None else split
    certificate = ReplicationCertificate.of(problem, copies, shown, bound.value, bound.argument, bound.weights)
    answer = {} if split is None else {"copies": frozen(copies), "split": frozen(split)}
    yield Candidate(certificate, answer, repairs)


def split_over(problem: ReplicationProblem, copies: Booleans) -> Integers | None:
    """Return ``[E, G]``, the whole tokens of the lowest peak that these copies allow; None if a floor is too high."""
    fixed = problem.floor * copies.astype(np.int64)
    if (fixed.sum(axis=1) > problem.load).any():
        return None
    schedule = problem.schedule(copies)
    levelled = relieve(schedule, rounded(schedule, schedule.hosts.astype(float)))
    split: Integers = levelled.split + fixed
    return split


def without_idle(problem: ReplicationProblem, copies: Booleans, split: Integers) -> tuple[Booleans, tuple[str, ...]]:
    """Drop copies that serve nothing."""
    idle = copies & (split == 0)
    dropped = (f"dropped {int(idle.sum())} copies that serve no token",) if idle.any() else ()
    return copies & ~idle, dropped
