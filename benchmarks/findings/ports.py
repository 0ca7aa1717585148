"""Two loops as they are published: does Megatron-LM's Sinkhorn meet its own stopping test, does BASE's auction end?

python benchmarks/findings/ports.py
"""

from __future__ import annotations

import numpy as np
from measures import logits, table

from equipoise import metrics
from equipoise.reference.routing.base_layers import BASE, auction
from equipoise.reference.routing.sinkhorn import Sinkhorn, entropic_gap, megatron_plan, stable_plan

ROUNDS = 3000


def main() -> None:
    rows = []
    for skew in (0.0, 2.0):
        for scale in (1.0, 2.0, 3.0, 8.0, 20.0):
            given = scale * logits(np.random.default_rng(8), 1024, 16, skew)
            plan, ended = megatron_plan(given, max_iterations=ROUNDS)
            lost = np.isnan(plan).any()
            stable, _ = stable_plan(given, max_iterations=ROUNDS)
            load = metrics.loads(Sinkhorn(max_iterations=ROUNDS)(given, 2).chosen, 16)
            says = "NaN" if lost else "met" if ended else f"not met in {ROUNDS}"
            column = "-" if lost else float(np.abs(16 * plan.sum(axis=0) - 1).max())
            gaps = ("-" if lost else max(0.0, entropic_gap(given, plan)), max(0.0, entropic_gap(given, stable)))
            rows.append((skew, scale, says, column, *gaps, metrics.max_vio(load)))
    head = ("popularity", "logits times", "its own test", "column error", "entropic gap", "stable form's gap")
    table((*head, "MaxVio of its top 2"), rows)
    print()
    rows = []
    for tokens, experts in ((256, 16), (250, 16), (64, 8), (65, 8), (71, 8)):
        for name, draw in (("uniform", 1.0), ("all equal", 0.0)):
            scores = draw * np.random.default_rng(9).random((tokens, experts))
            published = "ends" if auction(scores, ROUNDS)[0] is not None else f"not in {ROUNDS} rounds"
            router = BASE()
            load = metrics.loads(router(scores, 1).chosen, experts)
            rows.append(
                (
                    f"{tokens} x {experts}",
                    name,
                    published,
                    "by its guard" if router.guarded else "by itself",
                    load.max(),
                )
            )
    table(("size", "scores", "published loop", "guarded form ends", "peak load"), rows)


if __name__ == "__main__":
    main()
