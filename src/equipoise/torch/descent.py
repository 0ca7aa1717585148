"""Dual descent with its two passes over the scores in torch: the rest of it only sees arcs near a decision.

The arithmetic is that of the compiled passes (:mod:`equipoise.solvers.assignment.dual_descent.rows` and ``passes``):
int64, the same refined values, the same windows. A pass reads the scores block by block on their device; the arcs of
the core, the experts of each token and a few counts are what it sends to the host.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from equipoise.problems import AssignmentProblem
from equipoise.solvers.assignment.dual_descent.core import ByToken, Core, Windows, core_of, load_of, starts
from equipoise.solvers.assignment.dual_descent.engine import DualDescent
from equipoise.solvers.assignment.dual_descent.rows import Integers, tie_breaker
from equipoise.torch.problem import TensorProblem, blocks, on_grid


class DeviceRows(NamedTuple):
    """The real tokens' scores and how to refine them; the fields of ``dual_descent.rows.Rows``, on a device."""

    scores: torch.Tensor
    exponent: int
    shift: int
    mask: int
    factor: torch.Tensor

    def refined(self, tokens: torch.Tensor) -> torch.Tensor:
        """Refined values ``[n, E]`` of some tokens."""
        salt = (tokens * 0x9E3779B1 + 0x7F4A7C15) & 0xFFFFFFFF
        salt = ((salt ^ (salt >> 15)) * 0x45D9F3B) & 0xFFFFFFFF
        noise = ((salt[:, None] * self.factor) >> 24) & self.mask
        return (on_grid(self.scores[tokens], self.exponent) << self.shift) + noise


class Block(NamedTuple):
    """What a pass finds for a block of tokens, on the host."""

    chosen: npt.NDArray[np.int32]
    member: Integers
    arcs: Integers
    node: npt.NDArray[np.int32]
    value: Integers
    held: npt.NDArray[np.bool_]
    worth: npt.NDArray[np.float64]


class TensorDescent(DualDescent):
    """Dual descent of a :class:`TensorProblem`."""

    def read(self, problem: AssignmentProblem) -> DeviceRows:
        """Leave the scores on their device."""
        assert isinstance(problem, TensorProblem)
        exponent = problem.grid.exponent
        scores, device = problem.tensor, problem.tensor.device
        largest = max(abs(int(on_grid(bound, exponent))) for bound in (scores.min(), scores.max()))
        shift, mask, factor = tie_breaker(largest, problem.num_experts, self.tuning)
        if problem.mask is not None:
            scores = scores[torch.tensor(problem.tokens).to(device)]
        return DeviceRows(scores, exponent, shift, mask, torch.tensor(factor).to(device))

    def gather(self, tokens: Integers, windows: Windows, given: npt.NDArray[np.int32] | None = None) -> Core:
        """Top-K sets of ``tokens`` under the prices, and the core within ``windows``, as ``passes.gather`` does."""
        found = []
        limits = [self._on_device(window) for window in windows]
        price = self._on_device(self.price[:-1])
        rows = self._on_device(tokens)
        for part in blocks(self.rows.scores[: len(tokens)]):
            kept = None if given is None else self._on_device(given[part]).long()
            found.append(self._decide(rows[part], price, limits, kept))
        chosen = np.concatenate([block.chosen for block in found])
        first = np.cumsum([0] + [len(block.chosen) for block in found[:-1]])
        member = np.concatenate([block.member + start for block, start in zip(found, first, strict=True)])
        if given is not None:
            given[:] = chosen
            chosen = given
        worth = sum(float(block.worth) for block in found)
        self.dual = worth + float(self.capacity @ self.price[:-1].astype(np.float64))
        by_token = self._by_token(found, (chosen[member] < 0).sum(axis=1))
        fixed = (
            load_of(chosen, self.experts) - np.bincount(by_token.node[by_token.held], minlength=self.experts + 1)[:-1]
        )
        return core_of(tokens, chosen, member, by_token, fixed)

    def unproved(self, core: Core) -> Integers:
        """Pass over all tokens: those that hold no top-K set under the current prices."""
        price, wrong = self._on_device(self.price[:-1]), []
        for part in blocks(self.rows.scores):
            reduced = self.rows.refined(self._tokens(part)) - price
            chosen = self._on_device(core.chosen[part]).long()
            worth = self._worth(reduced, chosen)
            worst = worth.min(dim=1, keepdim=True).values
            better = (reduced > worst).sum(dim=1) - ((worth > worst) & (chosen >= 0)).sum(dim=1)
            wrong.append(torch.nonzero((better != 0) | (worst[:, 0] < self.form.nothing))[:, 0] + part.start)
        return np.concatenate([found.cpu().numpy() for found in wrong])

    def _decide(
        self, tokens: torch.Tensor, price: torch.Tensor, limits: list[torch.Tensor], kept: torch.Tensor | None
    ) -> Block:
        top_k, nothing = self.form.top_k, self.form.nothing
        reduced = self.rows.refined(tokens) - price
        best, where = torch.topk(reduced, min(top_k + 1, self.experts), dim=1)
        chosen = torch.where(best[:, :top_k] > nothing, where[:, :top_k], -1)
        if kept is not None:
            gap = best[:, :top_k].clamp(min=nothing).sum(dim=1) - self._worth(reduced, kept).sum(dim=1)
            chosen = torch.where((gap == 0)[:, None], kept, chosen)
        inside = best[:, top_k - 1 : top_k].clamp(min=nothing)
        outside = best[:, top_k : top_k + 1].clamp(min=nothing) if top_k < self.experts else inside.clamp(max=nothing)
        mine = torch.zeros((len(tokens), self.experts + 1), dtype=torch.bool, device=reduced.device)
        mine = mine.scatter_(1, chosen % (self.experts + 1), True)[:, :-1]  # -1, no expert, is the column left out
        below, above = limits
        near = torch.where(mine, reduced - above <= outside, reduced + below >= inside)
        member = near.any(dim=1)
        arcs = (near | (reduced == torch.where(mine, inside, outside))) & member[:, None]
        token, node = torch.nonzero(arcs, as_tuple=True)
        sent = (chosen.int(), torch.nonzero(member)[:, 0], arcs.sum(dim=1)[member], node.int())
        value = reduced[token, node] + price[node]
        worth = best[:, :top_k].clamp(min=nothing).double().sum()
        return Block(*(tensor.cpu().numpy() for tensor in (*sent, value, mine[token, node], worth)))

    def _worth(self, reduced: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Reduced scores of the chosen experts, and what no expert is worth."""
        return torch.where(chosen >= 0, reduced.gather(1, chosen.clamp(min=0)), self.form.nothing)

    def _by_token(self, found: list[Block], free: Integers) -> ByToken:
        """Join the blocks; in the drop form the dump is the last arc of each member."""
        length = np.concatenate([block.arcs for block in found])
        node, value, held = (np.concatenate([getattr(b, name) for b in found]) for name in ("node", "value", "held"))
        before = starts(length)
        places = free + np.add.reduceat(np.append(held, 0), before[:-1]) if len(length) else free
        if self.form.drop:
            ends = before[1:]
            node, value, held = (
                np.insert(array, ends, last) for array, last in ((node, self.experts), (value, 0), (held, free > 0))
            )
            length = length + 1
        return ByToken(starts(length), node, value, held, places.astype(np.int64))

    def _tokens(self, part: slice) -> torch.Tensor:
        return torch.arange(part.start, part.stop, device=self.rows.scores.device)

    def _on_device(self, array: npt.NDArray[Any]) -> torch.Tensor:
        return torch.tensor(array).to(self.rows.scores.device)
