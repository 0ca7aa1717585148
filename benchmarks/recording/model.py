"""A small decoder-only language model whose feed-forward layers are mixtures of experts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Balancing = Literal["none", "aux-loss", "loss-free"]
Choice = Callable[[Tensor, bool], Tensor]
"""From ``scores[T, E]`` and whether this is training to the chosen experts ``[T, K]``."""


@dataclass(frozen=True)
class Shape:
    """Sizes of the model; ``expert_width`` is the hidden width of one expert."""

    experts: int
    top_k: int
    expert_width: int
    gate: Literal["softmax", "sigmoid"]
    vocabulary: int = 2048
    width: int = 128
    layers: int = 4
    heads: int = 4
    length: int = 256


def grouped(rows: Tensor, weight: Tensor, load: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """``weight[i] * (gelu(rows[i] @ up[e]) @ down[e])`` for rows sorted by expert e, ``load[e]`` of them each.

    Weights enter before the second product, where rows are narrower.
    """
    ends = load.cumsum(0).int()
    hidden = F.gelu(F.grouped_mm(rows, up, offs=ends))
    return F.grouped_mm(hidden * weight[:, None], down, offs=ends)


class MixtureOfExperts(nn.Module):
    """K of E two-layer experts per token; the selection bias never enters the gate weights.

    Chosen are the top K of ``scores + bias``, or what ``choose`` says where it is set.
    """

    choose: Choice | None = None
    experts = staticmethod(grouped)

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.gate = nn.Linear(shape.width, shape.experts, bias=False)
        self.up = nn.Parameter(torch.randn(shape.experts, shape.width, shape.expert_width) * shape.width**-0.5)
        self.down = nn.Parameter(
            torch.randn(shape.experts, shape.expert_width, shape.width) * shape.expert_width**-0.5 * 0.5
        )
        self.register_buffer("bias", torch.zeros(shape.experts))
        self.logits = torch.zeros(0)
        self.load = torch.zeros(0)
        self.auxiliary = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        logits = self.gate(flat).float()
        scores = torch.sigmoid(logits) if self.shape.gate == "sigmoid" else torch.softmax(logits, dim=-1)
        if self.choose is None:
            chosen = torch.topk(scores + self.bias, self.shape.top_k, dim=-1).indices
        else:
            chosen = self.choose(scores.detach(), self.training)
        weights = torch.gather(scores, 1, chosen)
        weights = weights / weights.sum(dim=-1, keepdim=True)

        # Tokens are sorted by expert: expert e owns a contiguous slice of `load[e]` rows.
        owner, order = torch.sort(chosen.flatten(), stable=True)
        load = torch.bincount(owner, minlength=self.shape.experts)
        token = order // self.shape.top_k
        weight = weights.flatten().index_select(0, order)
        parts = self.experts(flat.index_select(0, token), weight, load, self.up, self.down)
        mixed = torch.zeros_like(flat).index_add(0, token, parts)

        share = load / (self.shape.top_k * len(flat))
        mean_score = (scores / scores.sum(dim=-1, keepdim=True)).mean(dim=0)
        self.auxiliary = self.shape.experts * (share * mean_score).sum()
        self.logits, self.load = logits.detach(), load
        return mixed.view_as(x)


class Block(nn.Module):
    """Attention, then the mixture, each behind a layer norm and a residual."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.attention_norm, self.mixture_norm = nn.LayerNorm(shape.width), nn.LayerNorm(shape.width)
        self.qkv = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)
        self.mixture = MixtureOfExperts(shape)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(self.attention_norm(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, length, width))
        return x + self.mixture(self.mixture_norm(x))


class LanguageModel(nn.Module):
    """Embedding, blocks, and an output layer tied to the embedding."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        nn.init.normal_(self.embedding.weight, std=0.05)
        self.position = nn.Parameter(torch.randn(shape.length, shape.width) * 0.02)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)

    @property
    def mixtures(self) -> list[MixtureOfExperts]:
        return [block.mixture for block in self.blocks]  # type: ignore[misc, union-attr]

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) + self.position[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.embedding.weight)

    def loss(self, tokens: Tensor) -> Tensor:
        """Mean cross-entropy in nats of ``tokens[:, 1:]`` given the tokens before."""
        return F.cross_entropy(self(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
