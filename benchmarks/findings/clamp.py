"""What does BIP's clamp do to experts that nobody likes?

python benchmarks/findings/clamp.py
"""

from __future__ import annotations

import numpy as np
from measures import SWEEPS, logits, sigmoid, table, vios

TOKENS, EXPERTS, TOP_K, ROUNDS, SEEDS = 1024, 64, 8, 14, 5


def main() -> None:
    rows = []
    for skew in (0.0, 0.5, 1.0, 2.0):
        for name, sweep in SWEEPS.items():
            found = []
            for seed in range(SEEDS):
                scores = sigmoid(logits(np.random.default_rng([3, seed]), TOKENS, EXPERTS, skew))
                prices = np.zeros(EXPERTS)
                for _ in range(ROUNDS):
                    prices = sweep(scores, prices, TOP_K)
                found.append((*vios(scores, prices, TOP_K), float((prices == 0).sum())))
            rows.append((skew, name, *(float(value) for value in np.mean(found, axis=0))))
    table(("popularity", f"{ROUNDS} sweeps of", "MaxVio", "MinVio", "experts at price 0"), rows)


if __name__ == "__main__":
    main()
