"""Generated streams: made, not measured, and labelled so."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from equipoise.traces.instance import Instance, LoadSeries, apply_gate


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


def generated_series(
    steps: int = 8000, tokens: int = 8192, experts: tuple[int, ...] = (16, 64), seed: int = 0
) -> list[LoadSeries]:
    """Return loads drawn from multinomials of known shares, four kinds for every number of experts (our definition).

    ``tokens`` a step are drawn with the shares ``softmax(a)``, where a starts as a standard normal vector, and then

    * stationary: stays;
    * drift: takes a random-walk step of size 0.02 every time;
    * settling: takes steps of size ``0.5 / t`` at step t, as in training that calms down;
    * switch: is drawn anew halfway.
    """
    random = np.random.default_rng(seed)
    found = []
    for count in experts:
        walk = random.standard_normal((4, steps, count))
        later = np.arange(steps)[:, None]
        paths = {
            "stationary": walk[0, :1].repeat(steps, axis=0),
            "drift": np.cumsum(np.where(later > 0, 0.02 * walk[1], walk[1]), axis=0),
            "settling": np.cumsum(np.where(later > 0, 0.5 / (later + 1) * walk[2], walk[2]), axis=0),
            "switch": np.where(later < steps // 2, walk[3, :1], walk[3, -1:]),
        }
        for kind, path in paths.items():
            name = f"generated-{kind}-E{count}"
            found.append(LoadSeries(name, random.multinomial(tokens, _softmax(path)), name, generated=True))
    return found


def _softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: npt.NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return shares
