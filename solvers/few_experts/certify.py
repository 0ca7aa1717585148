"""What a problem of few experts makes of a claim: an answer as it stands, and the best token prices at hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.certificates.check.few_experts import LARGEST, dual_bound
from equipoise.certificates.kinds.few_experts import FewExpertsCertificate
from equipoise.problems import FewExpertsProblem
from equipoise.solvers.assignment.certify import experts_of, nobody
from equipoise.solvers.claim import Candidate, Claim

Integers = npt.NDArray[np.int64]


def certify(problem: FewExpertsProblem, claim: Claim, deadline: float | None) -> Iterator[Candidate]:
    """Take the answer if it keeps every constraint; prices bound the optimum, evaluated in exact integers."""
    del deadline
    plain = problem.assignment
    held = claim.answer if claim.answer is not None and keeps(problem, claim.answer) else None
    refused = ("refused: the answer breaks a constraint",) if claim.answer is not None and held is None else ()
    experts = nobody(plain) if held is None else experts_of(plain, held)
    prices = np.zeros(plain.num_tokens, np.int64)
    prices[plain.tokens] = best_prices(problem, claim.duals, held)
    answer = {} if held is None else {"experts": experts}
    yield Candidate(FewExpertsCertificate.of(problem, experts, prices), answer, refused)


def best_prices(
    problem: FewExpertsProblem, duals: npt.NDArray[Any] | None, held: npt.NDArray[np.bool_] | None
) -> Integers:
    """Return the token prices of the least bound: duals, rounded or at the nearest score, or the K-th best score."""
    plain, values = problem.assignment, problem.real_values
    given = values if held is None else np.where(held, values, np.iinfo(np.int64).max)
    kth = np.sort(values, axis=1)[:, -plain.top_k] if held is None else given.min(axis=1, initial=2**61)
    choices = [np.where(np.abs(kth) < 2**61, kth, 0)]
    if duals is not None:
        choices.append(np.rint(np.clip(duals, -LARGEST / 2, LARGEST / 2)).astype(np.int64))
        nearest = np.abs(values - duals[:, None]).argmin(axis=1)
        snapped = values[np.arange(len(values)), nearest]
        close = np.abs(snapped - duals) <= 1e-6 * max(1.0, float(np.abs(values).max(initial=0)))
        choices.append(np.where(close, snapped, choices[1]))
    choices = [np.maximum(0, one) if plain.drop else one for one in choices]
    form = (values, plain.top_k, plain.capacity, problem.most_experts)
    return min(choices, key=lambda one: dual_bound(*form, one))


def keeps(problem: FewExpertsProblem, held: npt.NDArray[np.bool_]) -> bool:
    """Whether ``held[real tokens, E]`` keeps K, the capacities and the limit on experts."""
    plain = problem.assignment
    if held.dtype != np.bool_ or held.shape != problem.real_values.shape:
        return False
    taken = held.sum(axis=1)
    whole = (taken <= plain.top_k).all() if plain.drop else (taken == plain.top_k).all()
    few = int(held.any(axis=0).sum()) <= problem.most_experts
    return bool(whole and few and (held.sum(axis=0) <= plain.capacity).all())
