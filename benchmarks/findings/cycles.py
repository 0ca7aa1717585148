"""Do fixed-step sign updates settle? One batch, seen again and again, through two gates.

python benchmarks/findings/cycles.py
"""

from __future__ import annotations

import numpy as np
from measures import logits, sigmoid, softmax, table

from equipoise import metrics
from equipoise.reference.routing.loss_free import LossFree

TOKENS, EXPERTS, TOP_K, STEPS, WATCHED = 512, 32, 4, 4000, 400


def main() -> None:
    raw = logits(np.random.default_rng(4), TOKENS, EXPERTS, 0.5)
    rows = []
    for gate, scores in (("sigmoid", sigmoid(raw)), ("softmax", softmax(raw))):
        for rate in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5):
            router = LossFree(rate)
            biases, violations, still = [], [], 0
            for step in range(STEPS):
                before = router.bias
                load = metrics.loads(router(scores, TOP_K).chosen, EXPERTS)
                if step >= STEPS - WATCHED:
                    biases.append(router.bias)
                    violations.append(metrics.max_vio(load))
                    still += before is not None and bool((before == router.bias).all())
            width = np.ptp(np.array(biases), axis=0)
            spread = float(scores.std(axis=0).mean())
            steps_wide = float(np.round(width.max() / rate))
            row = (gate, spread, f"{rate:g}", rate / spread, float(np.mean(violations)), steps_wide, still)
            rows.append(row)
    head = ("gate", "score spread", "u", "u / spread", "MaxVio, mean of the end", "widest swing in u", "steps at rest")
    table(head, rows)


if __name__ == "__main__":
    main()
