"""Averaged against pooled quantiles when micro-batches are not alike.

python benchmarks/findings/sharding.py
"""

from __future__ import annotations

import numpy as np
from measures import sigmoid, table, vios

from equipoise.reference.routing.quantile import quantile_sweep
from equipoise.reference.routing.quantile_histogram import QuantileHistogram

SHARDS, TOKENS, EXPERTS, TOP_K, STEPS = 8, 512, 64, 8, 20


def main() -> None:
    rows = []
    for strength in (0.0, 1.0, 2.0, 4.0):
        random = np.random.default_rng(5)
        topics = strength * random.normal(size=(SHARDS, 1, EXPERTS))
        shards = list(sigmoid(random.normal(size=(SHARDS, TOKENS, EXPERTS)) + topics))
        whole = np.concatenate(shards)
        averaged, pooled, histogram = np.zeros(EXPERTS), np.zeros(EXPERTS), QuantileHistogram()
        for _ in range(STEPS):
            averaged = np.mean([quantile_sweep(shard, averaged, TOP_K) for shard in shards], axis=0)
            pooled = quantile_sweep(whole, pooled, TOP_K)
            histogram.learn(sum(histogram.count(shard, TOP_K) for shard in shards), TOP_K)
        for name, prices in (("averaged", averaged), ("pooled", pooled), ("pooled, 1000 bins", histogram.prices)):
            rows.append((strength, name, *vios(whole, prices, TOP_K)))
    table(("topic strength", f"quantiles of {SHARDS} micro-batches", "MaxVio", "MinVio"), rows)


if __name__ == "__main__":
    main()
