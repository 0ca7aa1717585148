"""Generated streams: made, not measured, and labelled so."""

from __future__ import annotations

import numpy as np

from equipoise.traces.instance import Instance, apply_gate


def drifting(
    steps: int = 64,
    tokens: int = 256,
    experts: int = 16,
    top_k: int = 4,
    *,
    skew: float = 1.0,
    drift: float = 0.05,
    gate: str = "softmax",
    seed: int = 0,
) -> list[Instance]:
    """Return a stream whose expert popularity wanders.

    Logits are ``a[step, e] + n[t, e]`` with standard normal n; the popularity a starts as ``skew`` times a standard
    normal vector and takes a random-walk step of size ``skew * drift`` per batch (our definition).
    """
    rng = np.random.default_rng(seed)
    popularity = skew * rng.standard_normal(experts)
    stream = []
    for step in range(1, steps + 1):
        logits = (popularity + rng.standard_normal((tokens, experts))).astype(np.float32)
        name = f"generated-drift-{seed}"
        stream.append(Instance(f"{name}/step{step}", apply_gate(logits, gate), top_k, name))
        popularity = popularity + skew * drift * rng.standard_normal(experts)
    return stream
