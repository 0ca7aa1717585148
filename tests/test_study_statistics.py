"""Shifted geometric means, bootstrap intervals, and the load-to-time model."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.study.report.tables import interval
from equipoise.study.statistics import paired_bootstrap, shifted_geometric_mean
from equipoise.study.steptime import StepTime

gaps = st.lists(st.floats(0, 20), min_size=1, max_size=20)


@given(gaps, st.sampled_from([0.001, 0.01, 1.0]))
def test_shifted_geometric_mean_is_the_root_of_the_product(values, shift):
    direct = math.prod(value + shift for value in values) ** (1 / len(values)) - shift
    assert shifted_geometric_mean(values, shift) == pytest.approx(direct, rel=1e-9, abs=1e-12)


@given(gaps, st.floats(1e-3, 10))
def test_shifted_geometric_mean_lies_between_least_and_largest_and_below_the_mean(values, shift):
    mean = shifted_geometric_mean(values, shift)
    assert min(values) - 1e-9 <= mean <= np.mean(values) * (1 + 1e-12) + 1e-9


def test_shifted_geometric_mean_of_zeros_is_exactly_zero_and_of_nothing_is_not_a_number():
    assert shifted_geometric_mean([0.0, 0.0, 0.0], 0.01) == 0.0
    assert math.isnan(shifted_geometric_mean([], 0.01))


def drawn(rng, instances, seeds, mean):
    centres = rng.normal(mean, 1.0, instances)
    return {str(i): rng.normal(centre, 0.5, seeds).tolist() for i, centre in enumerate(centres)}


def test_bootstrap_intervals_cover_the_true_mean_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    found = [paired_bootstrap(drawn(rng, 25, 3, 0.3), 400) for _ in range(300)]
    covered = np.mean([one.low <= 0.3 <= one.high for one in found])
    assert 0.88 <= covered <= 0.98


def test_seeds_of_one_instance_do_not_count_as_so_many_instances():
    rng = np.random.default_rng(1)
    few = {str(i): [float(value)] for i, value in enumerate(rng.normal(0, 1, 12))}
    many = {name: values * 50 for name, values in few.items()}
    one, other = paired_bootstrap(few), paired_bootstrap(many)
    assert other.mean == pytest.approx(one.mean)
    assert other.high - other.low == pytest.approx(one.high - one.low, rel=0.05)


def test_bootstrap_of_a_constant_difference_is_that_constant_and_of_nothing_is_not_a_number():
    constant = paired_bootstrap({"a": [0.5, 0.5], "b": [0.5]})
    assert (constant.mean, constant.low, constant.high) == (0.5, 0.5, 0.5)
    assert constant.decided
    assert math.isnan(paired_bootstrap({"a": []}).mean)


def test_one_pair_has_a_difference_and_no_interval():
    single = paired_bootstrap({"a": [0.5]})
    assert single.mean == 0.5
    assert math.isnan(single.low)
    assert not single.decided
    assert interval(single, "share") == "+50.00%"


def test_bootstrap_gives_the_same_interval_every_time():
    data = drawn(np.random.default_rng(2), 6, 2, 0.0)
    assert paired_bootstrap(data) == paired_bootstrap(data)


@given(st.floats(1, 50), st.floats(1, 50))
def test_estimated_time_never_falls_with_the_peak(one, other):
    model = StepTime()
    low, high = sorted((one, other))
    assert model.step(low) <= model.step(high)


def test_estimated_time_follows_the_stated_formula():
    model = StepTime(
        tokens=1000, top_k=2, devices=4, tile=128, hidden=64, width=32, layers=3, teraflops=1.0,
        gigabytes_per_second=1.0, bytes_per_value=2.0,
    )  # fmt: skip
    # 1.5 * 1000 * 2 / 4 = 750 tokens, 6 tiles of 128
    compute = 3 * 768 * 6 * 64 * 32 / 1e12
    transfer = 2 * 2 * 750 * 64 * 2 / 1e9
    assert model.step(1.5) == pytest.approx(3 * (compute + transfer))
