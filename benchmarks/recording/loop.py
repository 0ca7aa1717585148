"""The training loop of the small MoE: one optimiser step, validation, files written whole."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from corpus import Corpus
from model import LanguageModel, Shape

SEQUENCES = 8
HELD_OUT_SEED = 1


class Learner:
    """A model with its optimiser: AdamW, gradients clipped at 1, linear warm-up to a constant rate."""

    def __init__(self, shape: Shape, seed: int, learning_rate: float, warmup: int) -> None:
        torch.manual_seed(seed)
        self.model = LanguageModel(shape)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.01, fused=True
        )
        self.length, self.seed, self.learning_rate, self.warmup = shape.length, seed, learning_rate, warmup

    def step(self, number: int, corpus: Corpus, aux_weight: float = 0.0) -> float:
        """Learn from batch ``number``, counted from 1, and return its cross-entropy in nats."""
        self.optimizer.param_groups[0]["lr"] = self.learning_rate * min(1.0, number / self.warmup)
        loss = self.model.loss(torch.from_numpy(corpus.batch("train", self.seed, number, SEQUENCES, self.length)))
        total = loss
        if aux_weight:
            total = loss + aux_weight * torch.stack([m.auxiliary for m in self.model.mixtures]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint needs."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


def evaluate(model: LanguageModel, batches: Iterable[torch.Tensor]) -> tuple[float, np.ndarray]:
    """Perplexity per token over ``batches``, and the loads ``[batches, L, E]`` that they caused."""
    model.eval()
    losses, loads = [], []
    with torch.no_grad():
        for tokens in batches:
            losses.append(model.loss(tokens))
            loads.append(torch.stack([mixture.load for mixture in model.mixtures]))
    model.train()
    return math.exp(float(torch.stack(losses).mean())), torch.stack(loads).numpy()


def held_out(corpus: Corpus, length: int, count: int = 8) -> list[torch.Tensor]:
    """Return the first validation batches, the same for every run."""
    numbers = range(count)
    return [torch.from_numpy(corpus.batch("validation", HELD_OUT_SEED, i, SEQUENCES, length)) for i in numbers]


def snapshot(model: LanguageModel, corpus: Corpus, length: int) -> np.ndarray:
    """Router logits ``[L, T, E]`` of the first held-out batch, in half precision."""
    evaluate(model, held_out(corpus, length, 1))
    return torch.stack([mixture.logits for mixture in model.mixtures]).numpy().astype(np.float16)


def write_whole(path: Path, save: Callable[[BinaryIO], object]) -> None:
    """Write through a temporary file, so that a stopped run leaves either the old file or the new one."""
    with open(temporary := path.with_suffix(".partial"), "wb") as file:
        save(file)
    os.replace(temporary, path)
