"""The bound on regret of :mod:`equipoise.monitor.bound`, in torch: nothing waits for the device."""

from __future__ import annotations

import torch

from equipoise.errors import InvalidProblem

UNIT = 2.0**-53


@torch.no_grad()
def regret_bound(scores: torch.Tensor, chosen: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """Bound the regret of a routing at its own peak load, at the cost of one top-K.

    With ``m`` the largest load and ``q = max(b) - b`` the prices that the bias stands for,

        regret <= sum_t (K largest of s[t] - q, minus the chosen ones of s[t] - q) + sum_e q[e] * (m - load[e])

    for any bias, in the scores' own units; rounding is allowed for. Gradients do not flow through it.

    Parameters
    ----------
    scores
        Tensor, shape (T, E), after the gate and before any bias, on any device that has float64.
    chosen
        Tensor, shape (T, K): distinct experts of each token, -1 for none (then the bound is that of the form that may
        drop).
    bias
        Tensor, shape (E,): what the router adds to the scores before it chooses. None: nothing.

    Returns
    -------
    torch.Tensor
        One float64 number on the scores' device, at least the exact regret; inf or NaN where scores or bias are not
        finite or too large. Nothing is copied to the host before somebody reads it.

    Raises
    ------
    InvalidProblem
        If the shapes or types do not fit; the values of ``chosen`` are not looked at.
    """
    _check(scores, chosen, bias)
    values = scores.detach().double()
    experts, top_k = values.shape[1], chosen.shape[1]
    prices = torch.zeros(experts, device=values.device, dtype=values.dtype) if bias is None else bias.detach().double()
    prices = prices.max() - prices
    held = chosen >= 0
    reduced = values - prices
    best = torch.topk(reduced, top_k, dim=1).values
    short = ~held.all()
    best = torch.where(short, best.clamp(min=0), best)
    mine = torch.where(held, reduced.gather(1, chosen.long().clamp(min=0)), 0.0)
    load = torch.zeros(experts + 1, device=values.device, dtype=values.dtype)
    load = load.scatter_add_(0, torch.where(held, chosen, experts).long().flatten(), held.double().flatten())[:-1]
    lost = (best.sum(dim=1) - mine.sum(dim=1)).clamp(min=0)
    gap = lost.sum() + (prices * (load.max() - load)).sum()
    size = 2 * top_k * reduced.abs().amax(dim=1).sum()
    return gap + 2 * UNIT * ((top_k + 3) * size + (len(values) + experts + 5) * gap)


def _check(scores: torch.Tensor, chosen: torch.Tensor, bias: torch.Tensor | None) -> None:
    if scores.ndim != 2 or not scores.numel() or scores.is_complex() or scores.dtype is torch.bool:
        raise InvalidProblem("scores", f"{scores.dtype} of shape {tuple(scores.shape)}", "numbers [T, E]")
    tokens, experts = scores.shape
    whole = not (chosen.is_floating_point() or chosen.is_complex() or chosen.dtype is torch.bool)
    if not whole or chosen.ndim != 2 or len(chosen) != tokens or not 1 <= chosen.shape[1] <= experts:
        given = f"{chosen.dtype} of shape {tuple(chosen.shape)}"
        raise InvalidProblem("chosen", given, f"integers [T, K], T={tokens} and K from 1 to E={experts}")
    if bias is not None and bias.shape != (experts,):
        raise InvalidProblem("bias", f"of shape {tuple(bias.shape)}", f"shape ({experts},)")
