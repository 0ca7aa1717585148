"""The price of histogram bins: the same batch until the bias settles, by the number of bins.

python benchmarks/findings/bins.py
"""

from __future__ import annotations

import numpy as np
from measures import gap, logits, quantile_sweep, settled, sigmoid, softmax, table, vios

from equipoise import AssignmentProblem
from equipoise.reference.routing.quantile_histogram import QuantileHistogram

TOKENS, EXPERTS, TOP_K, STEPS = 2048, 64, 8, 50


def main() -> None:
    raw = logits(np.random.default_rng(6), TOKENS, EXPERTS, 0.5)
    rows = []
    for gate, scores in (("sigmoid", sigmoid(raw)), ("softmax", softmax(raw))):
        problem = AssignmentProblem(scores, TOP_K)
        for bins in (10, 100, 1000, 10_000):
            router = QuantileHistogram(bins)
            for _ in range(STEPS):
                router(scores, TOP_K)
            rows.append((gate, str(bins), gap(problem, router.prices), *vios(scores, router.prices, TOP_K)))
        prices, _ = settled(quantile_sweep, scores, TOP_K, STEPS)
        rows.append((gate, "exact sweep", gap(problem, prices), *vios(scores, prices, TOP_K)))
    table(("gate", "bins", "gap", "MaxVio", "MinVio"), rows)


if __name__ == "__main__":
    main()
