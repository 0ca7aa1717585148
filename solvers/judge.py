"""From a claim to a solution, for every kind of problem: only the solver-free check makes an answer optimal.

claim -> mended answer with a certificate (each problem's own ``certify``) -> verdict of the check -> solution. The
objective and both bounds are those that the check computed, not the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from equipoise.certificates.certificate import Certificate
from equipoise.certificates.check.verdict import Verdict
from equipoise.problems import (
    AssignmentProblem,
    CommunicationProblem,
    FewExpertsProblem,
    GroupLimitedProblem,
    LimitedProblem,
    MigrationProblem,
    PlacementProblem,
    Problem,
    ReplicationProblem,
    SchedulingProblem,
    ScoredProblem,
    TrafficProblem,
)
from equipoise.solution import Evidence, Solution
from equipoise.solvers.assignment.certify import certify as of_assignment
from equipoise.solvers.claim import Candidate, Claim
from equipoise.solvers.communication.certify import certify as of_communication
from equipoise.solvers.few_experts.certify import certify as of_few_experts
from equipoise.solvers.group_limited.certify import certify as of_group_limited
from equipoise.solvers.limited.certify import certify as of_limited
from equipoise.solvers.migration.certify import certify as of_migration
from equipoise.solvers.placement.certify import certify as of_placement
from equipoise.solvers.replication.certify import certify as of_replication
from equipoise.solvers.scheduling.certify import certify as of_scheduling
from equipoise.solvers.traffic.certify import certify as of_traffic

CERTIFY: dict[type, Callable[[Any, Claim, float | None], Iterable[Candidate]]] = {
    AssignmentProblem: of_assignment,
    LimitedProblem: of_limited,
    GroupLimitedProblem: of_group_limited,
    FewExpertsProblem: of_few_experts,
    SchedulingProblem: of_scheduling,
    TrafficProblem: of_traffic,
    PlacementProblem: of_placement,
    CommunicationProblem: of_communication,
    ReplicationProblem: of_replication,
    MigrationProblem: of_migration,
}
"""For every kind of problem: what can be made of a claim by a deadline (of ``time.monotonic``), best first."""


def judge(problem: Problem, claim: Claim, solver: str, deadline: float | None = None) -> Solution:
    """Return the first candidate that the check accepts, else the last one with the bounds that the check proves.

    Where time runs out, and where engines agree beyond what is proved (then the evidence is "cross-checked"), the
    bounds remain the proved ones.
    """
    certify = next(CERTIFY[kind] for kind in type(problem).__mro__ if kind in CERTIFY)
    for candidate in certify(problem, claim, deadline):
        certificate = candidate.certificate
        verdict = Verdict(False, "nothing is known") if certificate is None else certificate.verify()
        if verdict.valid:
            break
    solution = Solution(
        "unknown",
        solver,
        problem=problem,
        lower=verdict.lower,
        upper=verdict.upper,
        raw_objective=claim.objective,
        raw_status=claim.message or claim.status,
        repairs=candidate.repairs,
    )
    if verdict.valid and (candidate.answer or candidate.infeasible):
        solution = replace(solution, evidence=_proved(certificate), certificate=certificate)
    else:
        evidence: Evidence = "cross-checked" if claim.cross_checked else "claimed"
        bound = verdict.upper if isinstance(problem, ScoredProblem) else verdict.lower
        solution = replace(solution, evidence=evidence, bound_proof=None if bound is None else certificate)
    if candidate.infeasible:
        return replace(solution, status="infeasible")
    objective = _objective(problem, verdict) if candidate.answer else None
    if objective is None:
        refused = (f"refused: {verdict.reason}",) if candidate.answer else ()
        return replace(solution, evidence="claimed", repairs=candidate.repairs + refused)
    answer: dict[str, Any] = dict(candidate.answer)
    optimal = solution.evidence != "claimed"
    return replace(solution, status="optimal" if optimal else "bounded", objective=objective, **answer)


def _proved(certificate: Certificate | None) -> Evidence:
    """The argument of dealing is checked by the search that finds it: evidence of another name than a short proof."""
    return "searched" if getattr(certificate, "argument", "") == "deal" else "certified"


def _objective(problem: Problem, verdict: Verdict) -> Fraction | None:
    """Value of the answer as the check computed it; None if the check refused the answer.

    A maximisation's lower bound is the value on the grid less what rounding can have added.
    """
    if not isinstance(problem, ScoredProblem):
        return verdict.upper
    return None if verdict.lower is None else verdict.lower + problem.rounding
