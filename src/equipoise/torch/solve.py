"""`equipoise.torch.solve`: the certified optimum of a batch where it is."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from equipoise.certificates.check.assignment import infeasible
from equipoise.certificates.check.verdict import Verdict
from equipoise.certificates.kinds.assignment import AssignmentCertificate
from equipoise.solution import Solution
from equipoise.solvers.assignment.certify import sorted_experts
from equipoise.solvers.assignment.dual_descent.engine import announce_compilation, threads_restored
from equipoise.solvers.solve import solve as on_host
from equipoise.solvers.solve import start_prices
from equipoise.torch.descent import TensorDescent
from equipoise.torch.problem import TensorProblem, blocks, on_grid, total


def solve(
    scores: torch.Tensor | TensorProblem,
    top_k: int | None = None,
    capacity: npt.ArrayLike | None = None,
    *,
    drop: bool = False,
    mask: npt.ArrayLike | None = None,
    start: Solution | npt.ArrayLike | None = None,
) -> Solution:
    """Return the optimum of a batch with its certificate; the matrix of scores stays on its device.

    The prices are found by dual descent, whose passes over all tokens run on the device. The bound ``D(q)`` and the
    score of the answer are summed there too, in 64-bit integers, and decide what the solution may call itself;
    ``solution.certificate.verify()`` makes the same comparison on the host, without torch, and copies the scores for it
    block by block. The time that it takes depends on the prices' being found; where they are not, the scores are copied
    and min-cost flow answers, which ``repairs`` says.

    Parameters
    ----------
    scores
        Tensor, shape (T, E); or a :class:`TensorProblem`, and then nothing else but ``start``.
    top_k, capacity, drop, mask
        As in :class:`equipoise.AssignmentProblem`.
    start
        Where to start, as in :func:`equipoise.solve`.

    Raises
    ------
    InvalidProblem
        As :class:`equipoise.AssignmentProblem` and :func:`equipoise.solve`.
    TypeError
        If ``top_k`` is missing, or given beside a problem.
    """
    began = time.monotonic()
    if isinstance(scores, TensorProblem) != (top_k is None):
        raise TypeError("solve takes scores and top_k, or a TensorProblem alone")
    problem = scores if isinstance(scores, TensorProblem) else TensorProblem(scores, top_k or 0, capacity, drop, mask)
    prices = None if start is None else start_prices(start, problem)
    announce_compilation()
    with torch.no_grad(), threads_restored():
        proof = TensorDescent(problem, prices).solve()
        solution = None if proof is None else _judged(problem, *proof)
    if solution is None:
        solution = on_host(problem, "ortools-flow")
        solution = replace(solution, repairs=("no proof was found on the device", *solution.repairs))
    return replace(solution, seconds=time.monotonic() - began)


def _judged(problem: TensorProblem, chosen: npt.NDArray[np.int32], prices: npt.NDArray[np.int64]) -> Solution | None:
    """Make a solution of experts and prices that prove each other, else nothing."""
    experts = sorted_experts(problem, chosen)
    verdict = check(problem, experts, prices)
    if not verdict.valid or verdict.lower is None:
        return None
    return Solution(
        "optimal",
        "dual-descent",
        "certified",
        objective=verdict.lower + problem.rounding,
        lower=verdict.lower,
        upper=verdict.upper,
        experts=experts,
        certificate=AssignmentCertificate.of(problem, experts, prices),
        raw_objective=verdict.lower + problem.rounding,
        raw_status="OPTIMAL",
        problem=problem,
    )


def check(problem: TensorProblem, experts: npt.NDArray[np.int64], prices: npt.NDArray[np.int64]) -> Verdict:
    """Decide, as :func:`equipoise.certificates.check.assignment.check_assignment` does, on the scores' device.

    The answer is optimal if it is feasible and its score equals ``D(q)``, for prices that are not negative.
    """
    device, drop, grid = problem.tensor.device, problem.drop, problem.grid
    real = np.ones(problem.num_tokens, bool) if problem.mask is None else problem.mask
    reason = infeasible(problem.shape, problem.top_k, problem.capacity, drop, real, experts)
    if reason is None and (prices < 0).any():
        reason = "a price is negative"
    if reason is not None:
        return Verdict(False, reason)
    value, dual = 0, sum(int(limit) * int(price) for limit, price in zip(problem.capacity, prices, strict=True))
    price, among = torch.tensor(prices).to(device), torch.tensor(real).to(device)
    for rows in blocks(problem.tensor):
        here = among[rows]
        values = on_grid(problem.tensor[rows], grid.exponent)[here]
        chosen = torch.tensor(experts[rows]).to(device)[here]
        value += total(values.gather(1, chosen.clamp(min=0))[chosen >= 0])
        best = torch.topk(values - price, problem.top_k, dim=1).values
        dual += total(best.clamp(min=0) if drop else best)
    lower, upper = value * grid.unit - problem.rounding, dual * grid.unit + problem.rounding
    said = "the score equals the dual bound" if value == dual else "the prices leave a gap above the score"
    return Verdict(value == dual, said, lower, upper)
