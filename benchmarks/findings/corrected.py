"""What does quantile balancing gain if its sweep takes the middle of the interval instead of the lower end?

python benchmarks/findings/corrected.py
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from measures import table

import equipoise
from equipoise.reference.routing.memory import KeepsPrices
from equipoise.reference.routing.midpoint import midpoint_sweep
from equipoise.reference.routing.quantile import quantile_sweep
from equipoise.reference.routing.topk import top_k_experts

SWEEPS = {"lower end, as published": quantile_sweep, "middle": midpoint_sweep}


class Swept(KeepsPrices):
    """Quantile balancing with a sweep of one's choice: after routing, as published, or before."""

    sweep: Callable[[np.ndarray, np.ndarray, int], np.ndarray]
    before, after = 0, 1

    def __call__(self, scores: np.ndarray, top_k: int) -> np.ndarray:
        scores = np.asarray(scores, np.float64)
        prices = self.kept(scores.shape[1])
        for _ in range(self.before):
            prices = type(self).sweep(scores, prices, top_k)
        chosen = top_k_experts(scores - prices, top_k)
        for _ in range(self.after):
            prices = type(self).sweep(scores, prices, top_k)
        self.prices = prices
        return chosen


PROTOCOLS: dict[str, tuple[dict[str, bool], int, int]] = {
    "one batch until the prices rest, at most 64 calls": ({}, 0, 1),
    "stream of batches, one sweep after each": ({"stream": True}, 0, 1),
    "stream of batches, four sweeps before each": ({"stream": True}, 4, 0),
}


def main() -> None:
    rows = []
    for protocol, (options, before, after) in PROTOCOLS.items():
        for name, sweep in SWEEPS.items():
            router = type("Swept", (Swept,), {"sweep": staticmethod(sweep), "before": before, "after": after})
            audit = equipoise.audit([router], **options)
            mine = [row for row in audit.rows if "Swept" in row.balancer]  # a stream brings comparators of its own
            regret = np.array([row["relative_regret"] for row in mine], float)
            vio = np.array([row["max_vio"] for row in mine], float)
            rows.append((protocol, name, f"{regret.mean():.2%}", f"{regret.max():.2%}", vio.mean(), vio.max()))
    table(("protocol", "end of the interval", "mean regret", "largest", "mean MaxVio", "largest"), rows)


if __name__ == "__main__":
    main()
