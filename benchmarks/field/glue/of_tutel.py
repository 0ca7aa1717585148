"""Settings of Tutel's routing: a capacity factor of 0 means that no token is dropped."""

from functools import partial

from tutel.impls.fast_dispatch import extract_critical

by_priority = partial(extract_critical, batch_prioritized_routing=True)
no_drop = partial(extract_critical, capacity_factor=0)
by_priority_no_drop = partial(extract_critical, capacity_factor=0, batch_prioritized_routing=True)
