"""How often, and how far, do the published sweeps stop short of the optimum on scores without ties?

python benchmarks/findings/stalls.py
"""

from __future__ import annotations

import numpy as np
from measures import NOTHING, SWEEPS, gap, settled, table, vios

from equipoise import AssignmentProblem

SIZES = ((8, 4, 1, 200), (16, 4, 2, 200), (64, 8, 2, 100), (256, 16, 4, 30), (1024, 64, 8, 5), (4096, 64, 8, 2))
LIMIT = 500


def main() -> None:
    rows = []
    for tokens, experts, top_k, count in SIZES:
        for name, sweep in SWEEPS.items():
            random = np.random.default_rng([1, tokens, experts])
            found = []
            for _ in range(count):
                scores = random.random((tokens, experts))
                prices, sweeps = settled(sweep, scores, top_k, LIMIT)
                found.append((gap(AssignmentProblem(scores, top_k), prices), sweeps, *vios(scores, prices, top_k)))
            gaps, sweeps, most, least = (np.array(column) for column in zip(*found, strict=True))
            short = f"{np.mean(gaps > NOTHING):.0%}"
            size = f"{tokens} x {experts}, K={top_k}"
            mean_gap = float(gaps.mean()) if (gaps > NOTHING).any() else 0
            row = (size, count, name, short, mean_gap, int(np.median(sweeps)), float(most.mean()), float(least.mean()))
            rows.append(row)
    table(("size", "instances", "sweep", "short of the optimum", "mean gap", "median sweeps", "MaxVio", "MinVio"), rows)


if __name__ == "__main__":
    main()
