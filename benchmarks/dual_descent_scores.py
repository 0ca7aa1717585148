"""The inputs of `dual_descent.py`: float32 scores through the gates in use, made cheaply, in blocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from equipoise.traces import recorded

Floats = npt.NDArray[np.float32]

GATES = ("sigmoid", "low-rank", "low-rank 3", "low-rank 48", "softmax", "uniform", "bf16", "17 levels", "trace")
FACTORS = 12
"""Of low-rank logits, unless the gate says how many: real routers are nearer to these than to independent ones."""
_BLOCK = 4096


def scores(tokens: int, experts: int, gate: str = "sigmoid", skew: float = 1.0, seed: int = 0) -> Floats:
    """Scores ``[tokens, experts]``, read-only, of random logits or of the recorded trace with noise.

    Logits are normal, plus ``skew`` times a normal popularity an expert; "uniform" and "trace" have no skew. "bf16" and
    "17 levels" are rounded sigmoids; "low-rank R" is the sigmoid of logits ``A[T, R] B[R, E]``, scaled to the size
    that R = 12 has with a factor of 1/2.4, plus popularity.
    """
    random = np.random.default_rng(seed)
    popularity = np.float32(skew) * random.standard_normal(experts, dtype=np.float32)
    return through(random, tokens, popularity, gate)


def through(random: np.random.Generator, tokens: int, popularity: Floats, gate: str) -> Floats:
    """Scores of fresh tokens with the given popularity of the experts."""
    out = np.empty((tokens, len(popularity)), np.float32)
    trace = tiled_trace(len(popularity)) if gate == "trace" else None
    rank = int(gate.removeprefix("low-rank") or FACTORS) if gate.startswith("low-rank") else 0
    factors = random.standard_normal((rank, len(popularity)), dtype=np.float32)
    factors /= np.float32(2.4 * max(rank, 1) ** 0.5 / FACTORS**0.5)
    for start in range(0, tokens, _BLOCK):
        block = out[start : start + _BLOCK]
        if gate == "uniform":
            random.random(out=block, dtype=np.float32)
            continue
        if rank:
            np.matmul(random.standard_normal((len(block), rank), dtype=np.float32), factors, out=block)
        else:
            random.standard_normal(out=block, dtype=np.float32)
        if trace is None:
            block += popularity
        else:
            block *= trace.std() / 10
            block += trace[np.arange(start, start + len(block)) % len(trace)]
        gated(block, gate)
    out.flags.writeable = False
    return out


def gated(logits: Floats, gate: str) -> None:
    """Put logits through a gate, in place."""
    if gate == "softmax":
        np.exp(logits - logits.max(axis=1, keepdims=True), out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        return
    np.reciprocal(1 + np.exp(-logits), out=logits)
    if gate == "bf16":
        bits = logits.view(np.uint32)
        bits[:] = (bits + 0x8000) & 0xFFFF0000
    if gate == "17 levels":
        np.round(logits * 16, out=logits)
        logits /= 16


def tiled_trace(experts: int) -> Floats:
    """Recorded logits of the last layer and step of the run with the largest K, repeated over ``experts`` columns."""
    trace = recorded()
    run = max(trace.runs, key=trace.top_k)
    logits = trace.arrays[f"{run}/logits"][-1, -1].astype(np.float32)
    return np.tile(logits, (1, -(-experts // logits.shape[1])))[:, :experts]


def drifting(tokens: int, experts: int, steps: int, drift: float = 0.02, seed: int = 0) -> Iterator[Floats]:
    """Batches of one layer, step after step: fresh tokens each, the popularity on a random walk."""
    random = np.random.default_rng(seed)
    popularity = random.standard_normal(experts, dtype=np.float32)
    for _ in range(steps):
        yield through(random, tokens, popularity, "sigmoid")
        popularity = popularity + np.float32(drift) * random.standard_normal(experts, dtype=np.float32)
