"""Where does the midpoint sweep reach the optimum, and what defeats it?

python benchmarks/findings/midpoint.py
"""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np
from measures import NOTHING, gap, logits, sigmoid, table

from equipoise import AssignmentProblem, metrics
from equipoise.reference.routing.midpoint import midpoint_sweep
from equipoise.reference.routing.topk import top_k_experts

Draw = Callable[[np.random.Generator], np.ndarray]


def main() -> None:
    rows = []
    for name, count, top_k, sweeps, draw in cases():
        random = np.random.default_rng(2)
        short, gaps, excess = 0, [], []
        for _ in range(count):
            scores = draw(random)
            tokens, experts = scores.shape
            prices = np.zeros(experts)
            for _ in range(sweeps):
                prices = midpoint_sweep(scores, prices, top_k)
            gaps.append(gap(AssignmentProblem(scores, top_k), prices))
            short += gaps[-1] > NOTHING
            load = metrics.loads(top_k_experts(scores - prices, top_k), experts)
            excess.append(int(load.max()) + -tokens * top_k // experts)
        largest = float(max(gaps)) if short else 0
        rows.append((name, f"K={top_k}", sweeps, count, short, largest, float(np.mean(excess)), max(excess)))
    head = ("scores", "K", "sweeps", "instances", "short of the optimum", "largest gap")
    table((*head, "mean excess tokens", "worst excess"), rows)


def cases() -> list[tuple[str, int, int, int, Draw]]:
    """Name, instances, K, sweeps, how to draw one."""
    found: list[tuple[str, int, int, int, Draw]] = []
    for shape, count, top_k in (((64, 8), 50, 2), ((256, 16), 10, 4), ((1024, 64), 3, 8)):
        found.append((f"uniform {shape[0]} x {shape[1]}", count, top_k, 400, lambda r, s=shape: r.random(s)))
    for shape, count, top_k in (((10, 4), 100, 1), ((65, 8), 50, 2), ((250, 16), 10, 4)):
        name = f"uniform {shape[0]} x {shape[1]}, capacities with slack"
        found.append((name, count, top_k, 400, lambda r, s=shape: r.random(s)))
    for tokens, sweeps in ((64, 400), (65, 400), (65, 2000), (65, 20000)):
        name = f"sigmoid {tokens} x 8, popularity 3"
        found.append((name, 30, 2, sweeps, lambda r, t=tokens: sigmoid(logits(r, t, 8, 3))))
    for levels in (2, 4, 16, 256, 4096):
        name = f"uniform 64 x 8 on {levels} levels"
        found.append((name, 50, 2, 400, lambda r, n=levels: np.floor(r.random((64, 8)) * n) / n))
    for dtype in (np.float32, np.float16, ml_dtypes.bfloat16):
        name = f"uniform 256 x 16 in {np.dtype(dtype).name}"
        found.append((name, 10, 4, 400, lambda r, d=dtype: r.random((256, 16)).astype(d).astype(np.float64)))
    return found


if __name__ == "__main__":
    main()
