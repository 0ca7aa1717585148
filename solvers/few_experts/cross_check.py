"""`cross-check`: the search first; where no prices meet it, an optimum if CP-SAT and CBC claim exactly the same."""

from __future__ import annotations

from dataclasses import replace

from equipoise.grid import total
from equipoise.problems import FewExpertsProblem
from equipoise.solvers.claim import Claim, ClaimStatus
from equipoise.solvers.few_experts import search
from equipoise.solvers.few_experts.certify import keeps
from equipoise.solvers.judge import judge
from equipoise.solvers.solve import claim

WITNESSES = ("ortools-cpsat", "pulp-cbc")


def solve(problem: FewExpertsProblem, time_limit: float | None) -> Claim:
    """Ask one after the other, each with half of the time; compare the integers that their answers score."""
    first = search.solve(problem, time_limit)
    if judge(problem, first, "exchange-search").status == "optimal":
        return first
    share = None if time_limit is None else time_limit / len(WITNESSES)
    claims = [claim(problem, name, share) for name in WITNESSES]
    said = "; ".join(f"{name}: {one.message or one.status}" for name, one in zip(WITNESSES, claims, strict=True))
    answers = [one for one in claims if one.answer is not None and keeps(problem, one.answer)]
    found = [one for one in [*answers, first] if one.answer is not None]
    if not found:
        return Claim("time limit", message=said, duals=first.duals)
    scores = [total(problem.real_values[one.answer]) for one in found]
    best = found[scores.index(max(scores))]
    same = len({total(problem.real_values[one.answer]) for one in answers}) == 1 and len(answers) == len(WITNESSES)
    agreed = same and all(one.status == "optimal" for one in answers) and scores[0] == max(scores)
    status: ClaimStatus = "optimal" if agreed else "feasible"
    return replace(best, status=status, message=said, duals=first.duals, cross_checked=agreed)
