"""Schedulers that break at production sizes alone; ``FAULTY`` names the check that must catch each."""

from __future__ import annotations

import numpy as np

from miniature_schedulers import even
from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


@faulty("scheduler_serves_every_token_at_production_size")
def counts_in_float32(load, hosts):
    return even(np.asarray(load).astype(np.float32).astype(np.int64), hosts)


@faulty("scheduler_serves_every_token_at_production_size")
def counts_in_32_bits(load, hosts):
    return even(load, hosts).astype(np.int32)


@faulty("scheduler_serves_every_token_at_production_size")
def names_experts_by_8_bits(load, hosts):
    names = np.arange(len(load)).astype(np.uint8)
    return even(np.asarray(load)[names], np.asarray(hosts)[names])


@faulty("scheduler_serves_every_token_at_production_size")
def serves_whole_tiles_of_experts(load, hosts):
    split = even(load, hosts)
    if len(load) > 64:
        split[len(load) // 64 * 64 :] = 0
    return split


@faulty("scheduler_is_no_worse_than_trivial_at_production_size")
def sees_devices_in_a_mask_of_32_bits(load, hosts):
    seen = np.array(hosts)
    seen[seen[:, :32].any(axis=1), 32:] = False
    return even(load, seen)


@faulty("scheduler_is_no_worse_than_trivial_at_production_size")
def uses_first_hosts_of_many_experts(load, hosts):
    first = np.cumsum(hosts, axis=1) <= 1
    return even(load, hosts & first if len(hosts) > 200 else hosts)
