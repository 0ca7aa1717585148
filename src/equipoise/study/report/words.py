"""What a report says, once: how to read every figure and column."""

from __future__ import annotations

from equipoise.study.statistics import BOOTSTRAP_SEED, LEVEL, RESAMPLES
from equipoise.study.summary import GAP_SHIFT, VIO_SHIFT

ROLES = {"router": "Routers", "scheduler": "Schedulers", "placer": "Placers", "predictor": "Predictors"}

GAPS = {
    "router": "Gap: score lost against the certified optimum with the same peak load, over that optimum's gain on "
    "random balanced routing. Plain top-K has none by definition and pays in load: read gap and MaxVio together.",
    "scheduler": "Gap: peak device load beyond the certified optimum of whole tokens on the same placement, relative.",
    "placer": "Gap: peak device load, replicas sharing evenly, beyond a proved lower bound over all placements; "
    "the bound may lie below the optimum, so a gap is an upper limit on what was lost.",
    "predictor": "Relative L1 error of load forecasts, experts weighted by load: of every step of the horizon, and of "
    "the horizon's mean load. Beside each stands the noise floor: the error that is expected of one who knows the true "
    "shares, from sampling alone. It is an expectation and proves nothing: on one series an error may lie below it. "
    "Series called generated were made, not measured.",
}

MEANS = (
    f"Gap and MaxVio are shifted geometric means over instances and seeds, exp(mean(log(v + s))) - s with s = "
    f"{GAP_SHIFT:g} and {VIO_SHIFT:g}; failures are part of no mean and counted beside it. At the bound: rows whose "
    "gap is exactly zero. MaxVio: peak over mean load, minus one; of experts for routers, of devices otherwise. Est. "
    "step: mean of the load-to-time model's estimate below, not measured."
)

PAIRS = (
    f"Method minus baseline on the same instances and seeds; negative is better. Means over instances of the means "
    f"over seeds, with {LEVEL:.0%} percentile intervals of a bootstrap that draws instances and, within them, seeds "
    f"({RESAMPLES} resamples, generator seed {BOOTSTRAP_SEED}). A pair counts if both methods have an answer."
)

AS_ABOVE = "Columns and panels are as above: shifted geometric means, and differences from the baseline with intervals."

FORECASTS = (
    f"Means are shifted geometric means over series and seeds, s = {GAP_SHIFT:g}, of means over a series' forecasts. A "
    "horizon counts on the series that it fits twice, so that long ones stand for fewer series than short ones. "
    "Stable: forecasts made in the stable state, as the history alone shows it."
)

MODEL = (
    "An estimate, not a measurement: the busiest device sets the pace; its tokens are rounded up to whole tiles of a "
    "grouped matrix product, and go through its link to the experts and back, forward and backward. Attention, latency "
    "and overlap are left out. Peaks of routers count as if every device held one expert, or experts of equal load."
)

FORMULA = (
    "load = (1 + MaxVio) * tokens * top_k / devices;  "
    "compute = 3 * ceil(load / tile) * tile * 6 * hidden * width / (teraflops * 1e12);  "
    "transfer = 2 * 2 * load * hidden * bytes_per_value / (gigabytes_per_second * 1e9);  "
    "step = layers * (compute + transfer)"
)
