"""How wide is the window of optimal biases, and what is left of it when scores or biases are stored coarsely?

python benchmarks/findings/margins.py
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
from measures import logits, sigmoid, table

from equipoise import AssignmentProblem, margin, metrics, solve
from equipoise.reference.routing.topk import top_k_experts

TYPES = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


def main() -> None:
    windows, stored = [], []
    for tokens, experts, top_k in ((128, 8, 2), (512, 16, 4), (2048, 32, 4), (8192, 64, 8)):
        size = f"{tokens} x {experts}, K={top_k}"
        exact = sigmoid(logits(np.random.default_rng(7), tokens, experts, 0.5))
        for name, dtype in (("float64", np.float64), *TYPES.items()):
            problem = AssignmentProblem(exact.astype(dtype).astype(np.float64), top_k)
            solution = solve(problem)
            found = margin(problem, solution)
            windows.append((size, name, float(found.delta), "yes" if found.bias else "no"))
            if name == "float64":
                for kind, small in TYPES.items():
                    bias = found.bias_values.astype(small).astype(np.float64)
                    chosen = top_k_experts(exact + bias, top_k)
                    moved = int((np.sort(chosen, axis=1) != solution.experts).any(axis=1).sum())
                    load = metrics.loads(chosen, experts)
                    stored.append((size, kind, moved, metrics.max_vio(load), metrics.min_vio(load)))
    table(("size", "scores in", "margin delta*", "some bias gives the optimum"), windows)
    print()
    table(("size", "optimal bias stored in", "tokens routed otherwise", "MaxVio", "MinVio"), stored)


if __name__ == "__main__":
    main()
