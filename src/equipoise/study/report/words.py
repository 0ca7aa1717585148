"""What a report says, once: how to read every figure and column."""

from __future__ import annotations

from equipoise.audits.run import role_audit
from equipoise.study.run import Study
from equipoise.study.statistics import BOOTSTRAP_SEED, LEVEL, RESAMPLES
from equipoise.study.summary import SHIFT, quantities

MEANS = (
    f"Means are shifted geometric means over instances and seeds, exp(mean(log(v + s))) - s with s = {SHIFT:g}; "
    "failures are part of no mean and counted beside it."
)
ZEROS = "At the bound: rows in which the first number is exactly zero."
STEP = "Est. step: mean of the load-to-time model's estimate below, not measured."

PAIRS = (
    f"Method minus baseline on the same instances and seeds; negative is better. Means over instances of the means "
    f"over seeds, with {LEVEL:.0%} percentile intervals of a bootstrap that draws instances and, within them, seeds "
    f"({RESAMPLES} resamples, generator seed {BOOTSTRAP_SEED}). A pair counts if both methods have an answer."
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


def heading(role: str) -> str:
    """Return the role as the title of a section."""
    return f"{role}s".capitalize()


def legend(study: Study, role: str) -> str:
    """Return what the quantities of a role are, and what else its audit says about reading them."""
    lines = [f"{_begun(one.title)}: {one.words}." for one in quantities(study, role) if one.words]
    return " ".join(filter(None, [*lines, role_audit(role).reading]))


def means(study: Study, role: str) -> str:
    """Return how the columns of a role's summary are made."""
    found = quantities(study, role)
    zeros = "" if found[0].floor else ZEROS
    return " ".join(filter(None, [MEANS, zeros, STEP if any(one.estimated for one in found) else ""]))


def _begun(title: str) -> str:
    return title[:1].upper() + title[1:]


REFUSED = "What a method does not take, as it says itself or the description says: neither failed nor in any mean."
