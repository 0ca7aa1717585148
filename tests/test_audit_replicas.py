"""What a scheduler is told of replicas that share a device, in an audit."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from equipoise import audit
from equipoise.balancers.find import Target
from equipoise.reference.placement.catalogue import PLACERS
from equipoise.traces import LoadInstance

SIZES = {"slots": 8, "devices": 4}
EPLB = PLACERS["eplb"].create()

loads = st.lists(st.integers(0, 60), min_size=6, max_size=6).map(lambda load: np.array(load, np.int64))


def scheduled(scheduler, batch):
    return audit([Target("mine", None, scheduler, "scheduler")], role="scheduler", trace=batch, **SIZES).rows


def test_only_a_scheduler_that_counts_replicas_is_told_how_many_a_device_holds():
    def masked(load, hosts):
        given.append(hosts)
        split = np.zeros(hosts.shape, np.int64)
        for expert, row in enumerate(hosts):
            split[expert, np.arange(4)[row][0]] = load[expert]
        return split

    def counting(load, hosts):
        given.append(hosts)
        return equipoise.solve(equipoise.SchedulingProblem(load, hosts)).split

    given, counting.capabilities = [], {"counts replicas"}
    batch = [LoadInstance("hot", np.array([90, 1, 1, 1, 1, 1]))]
    assert all(row.error is None for row in scheduled(masked, batch) + scheduled(counting, batch))
    assert given[0].dtype == np.bool_
    assert given[1].dtype == np.int64
    assert given[1].sum() == SIZES["slots"]
    assert ((given[1] > 0) == given[0]).all()


@given(loads)
@settings(max_examples=30, deadline=None)
def test_even_as_a_scheduler_is_within_rounding_of_the_even_peak_of_its_placement(load):
    (row,) = audit(["even"], role="scheduler", trace=[LoadInstance("one", load)], **SIZES).rows
    problem = equipoise.PlacementProblem(load, 8, 4, "even", distinct=False)
    assert abs(row["peak"] - problem.even_peak(EPLB(load[None], 8, 1, 1, 4)[0])) < SIZES["slots"] // SIZES["devices"]
