"""Faulty metrics that go wrong at production sizes alone; ``FAULTY`` names the check that must catch each."""

from __future__ import annotations

import numpy as np

from miniature_metrics import balance, computes, violation
from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


@faulty("metric_is_exact_at_production_size")
@computes("max-vio")
def ranks_in_a_byte(load):
    return violation(load[:, :256])


@faulty("metric_is_exact_at_production_size")
@computes("balancedness")
def layers_of_one_warp(load):
    load = load[:32].astype(float)
    return float(np.mean([row.mean() / row.max() if row.any() else 1.0 for row in load]))


@faulty("metric_counts_thousands_of_tokens_as_few")
@computes("expert-load")
def counts_in_half_precision(experts, num_experts):
    given = experts[experts >= 0]
    return np.bincount(given, minlength=num_experts).astype(np.float16).astype(np.int64)


@faulty("metric_counts_thousands_of_tokens_as_few")
@computes("aux-loss")
def tokens_of_whole_tiles(scores, experts):
    whole = len(scores) // 128 * 128 or len(scores)
    return balance(scores[:whole], experts[:whole])


@faulty("metric_counts_thousands_of_tokens_as_few")
@computes("expert-load")
def experts_of_a_byte(experts, num_experts):
    return np.bincount(experts[experts >= 0] % 256, minlength=num_experts)[:num_experts]
