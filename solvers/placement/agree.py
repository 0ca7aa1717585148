"""Cross-checking: two engines of different families that claim the same optimum."""

from __future__ import annotations

from dataclasses import replace

from equipoise.problems import PlacementProblem
from equipoise.solution import Solution
from equipoise.solvers.engines import engine_named
from equipoise.solvers.solve import solve

_SAME = 1e-6
"""Relative difference of two peaks below which they are the same: the tolerance of a floating-point solver."""


def cross_check(problem: PlacementProblem, solvers: tuple[str, str], time_limit: float | None = None) -> Solution:
    """Solve by two engines; "optimal" and "cross-checked" if both claim optimality at the peak of the better answer.

    A certified answer stays certified. Where they do not agree, the better answer is returned as it is, bounded, with
    the disagreement under ``repairs``.

    Raises
    ------
    ValueError
        If the two engines share code (:class:`equipoise.solvers.engines.Engine`.family).
    """
    families = [engine_named(name, problem).family for name in solvers]
    if families[0] == families[1]:
        raise ValueError(f"{solvers[0]} and {solvers[1]} are both {families[0]}: one witness, not two")
    answers = [solve(problem, name, time_limit) for name in solvers]
    best, peak = answers[0], answers[0].objective
    for answer in answers[1:]:
        if answer.objective is not None and (peak is None or answer.objective < peak or answer.evidence == "certified"):
            best, peak = answer, answer.objective
    if best.evidence == "certified" or peak is None:
        return best
    claims = [(answer.raw_objective, answer.raw_status) for answer in answers]
    agreed = all(
        value is not None and words.startswith("OPTIMAL") and abs(float(value / peak) - 1) <= _SAME
        for value, words in claims
    )
    if agreed:
        return replace(best, status="optimal", evidence="cross-checked", lower=peak, upper=peak)
    words = "; ".join(f"{name}: {text}" for name, (_, text) in zip(solvers, claims, strict=True))
    return replace(best, repairs=(*best.repairs, f"not agreed ({words})"))
