"""`cross-check`: an optimum if CP-SAT with and without presolve and CBC claim exactly the same.

They are asked only where prices leave a gap; that is less often than one would think.
"""

from __future__ import annotations

from dataclasses import replace

from equipoise.grid import total
from equipoise.problems import GroupLimitedProblem
from equipoise.solvers.claim import Claim
from equipoise.solvers.group_limited import lagrangian
from equipoise.solvers.group_limited.certify import keeps
from equipoise.solvers.judge import judge
from equipoise.solvers.solve import claim

WITNESSES = ("ortools-cpsat", "ortools-cpsat-plain", "pulp-cbc")


def solve(problem: GroupLimitedProblem, time_limit: float | None) -> Claim:
    """Ask one after the other, each with its share of the time; compare the integers that their answers score."""
    share = None if time_limit is None else time_limit / (len(WITNESSES) + 1)
    first = lagrangian.solve(problem, share)
    if judge(problem, first, "lagrangian").status == "optimal":
        return first
    claims: list[Claim] = [claim(problem, name, share) for name in WITNESSES]
    said = "; ".join(f"{name}: {one.message}" for name, one in zip(WITNESSES, claims, strict=True))
    if all(one.status == "infeasible" for one in claims):
        return Claim("infeasible", message=said, cross_checked=True)
    answers = [one for one in claims if one.answer is not None and keeps(problem, one.answer)]
    if not answers:
        return Claim("time limit", message=said)
    scores = [total(problem.real_values[one.answer]) for one in answers]
    best = answers[scores.index(max(scores))]
    agree = len(answers) == len(WITNESSES) and len(set(scores)) == 1
    if agree and all(one.status == "optimal" for one in answers):
        return replace(best, message=said, cross_checked=True)
    return replace(best, status="feasible", message=said)
