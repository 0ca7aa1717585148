"""Many load vectors at once: peaks against brute force and the flow engine, every certificate checked, hard shapes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_oracles import least_integral_peak, least_rational_peak, schedules
from equipoise import InvalidProblem, SchedulingProblem, schedule_batch, solve
from equipoise.solvers.solve import claim

EVERYWHERE = np.ones((5, 4), bool)


def batch_like(problem, loads, fractional=False):
    return schedule_batch(loads, problem.hosts, base_load=problem.base_load, speed=problem.speed, fractional=fractional)


def assert_as_the_flow_engine(batch):
    """Every certificate is accepted, and every peak is the one that OR-Tools' max flow ends at."""
    batch.verify()
    for index, peak in enumerate(batch.peaks):
        assert claim(batch.problem(index), "ortools-flow").objective == peak


def random_hosts(rng, experts, devices, replicas):
    return rng.permuted(np.tile(np.arange(devices) < replicas, (experts, 1)), axis=1)


@given(problem=schedules(), data=st.data(), fractional=st.booleans())
def test_peaks_are_those_of_brute_force_and_certificates_hold(problem, data, fractional):
    numbers = st.lists(st.integers(0, 4), min_size=problem.num_experts, max_size=problem.num_experts)
    loads = np.array(data.draw(st.lists(numbers, min_size=1, max_size=4)))
    batch = batch_like(problem, loads, fractional)
    batch.verify()
    least = least_rational_peak if fractional else least_integral_peak
    assert batch.peaks == [least(batch.problem(index)) for index in range(len(loads))]


@st.composite
def placements_with_loads(draw):
    """Middling sizes, from a seed: chains, sparse, dense, few tokens to far beyond 32 bits."""
    experts, devices = draw(st.integers(1, 24)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    hosts = rng.random((experts, devices)) < draw(st.sampled_from([0.0, 0.1, 0.3, 0.9]))
    hosts[np.arange(experts), rng.integers(0, devices, experts)] = True
    most = draw(st.sampled_from([1, 3, 1000, 2**31, 2**45]))
    loads = (rng.random((draw(st.integers(1, 6)), experts)) ** draw(st.integers(1, 8)) * most).astype(np.int64)
    base = rng.integers(0, draw(st.sampled_from([1, most + 1])), devices)
    return loads, hosts, base, rng.integers(1, draw(st.sampled_from([2, 5, 1000])), devices)


@given(instance=placements_with_loads(), fractional=st.booleans())
def test_every_vector_is_certified_and_agrees_with_the_flow_engine(instance, fractional):
    loads, hosts, base, speed = instance
    assert_as_the_flow_engine(schedule_batch(loads, hosts, base_load=base, speed=speed, fractional=fractional))


@given(instance=placements_with_loads())
def test_an_answer_depends_on_its_vector_alone(instance):
    loads, hosts, base, speed = instance
    together = schedule_batch(loads, hosts, base_load=base, speed=speed)
    for index in range(len(loads)):
        alone = schedule_batch(loads[index : index + 1], hosts, base_load=base, speed=speed)
        np.testing.assert_array_equal(alone.shares[0], together.shares[index])
        np.testing.assert_array_equal(alone.devices[0], together.devices[index])


def test_an_answer_depends_neither_on_its_place_in_a_large_batch_nor_on_the_width_of_integers():
    rng = np.random.default_rng(3)
    hosts = random_hosts(rng, 40, 8, 3)
    loads = (rng.random((75, 40)) ** rng.integers(1, 9, (75, 1)) * 10_000).astype(np.int64)
    loads[40] = loads[40] == loads[40].max()
    batch, order = schedule_batch(loads, hosts), rng.permutation(75)
    shuffled = schedule_batch(loads[order], hosts)
    wide = schedule_batch(np.vstack([loads, np.full(40, 2**31)]), hosts)
    batch.verify()
    assert (batch.shares.dtype, wide.shares.dtype) == (np.int32, np.int64)
    np.testing.assert_array_equal(shuffled.shares, batch.shares[order])
    np.testing.assert_array_equal(wide.shares[:75], batch.shares)
    np.testing.assert_array_equal(wide.devices[:75], batch.devices)


@pytest.mark.parametrize(
    "loads",
    [
        np.zeros((2, 5), int),
        np.eye(5, dtype=int) * 1001,
        np.array([[2**31 - 1, 2**31, 2**31 + 1, 0, 1]]),
        np.array([[2**53, 2**53 - 1, 1, 0, 2**53 - 7]]),
    ],
    ids=["zero", "one expert has all", "near 2^31", "near 2^53"],
)
@pytest.mark.parametrize("fractional", [False, True])
@pytest.mark.parametrize("hosts", [EVERYWHERE, np.arange(4) == np.arange(5)[:, None] % 4], ids=["everywhere", "once"])
def test_extreme_loads(loads, hosts, fractional):
    assert_as_the_flow_engine(schedule_batch(loads, hosts, fractional=fractional))


@pytest.mark.parametrize("fractional", [False, True])
@pytest.mark.parametrize("length", [3, 40, 400])
def test_a_long_chain_passes_its_surplus_from_end_to_end(length, fractional):
    """Expert e lives on devices e and e + 1; all the room is at the far end of the chain from the surplus."""
    hosts = np.zeros((length + 1, length + 1), bool)
    hosts[np.arange(length), np.arange(length)] = hosts[np.arange(length), np.arange(1, length + 1)] = True
    hosts[length, 0] = True
    loads = np.full((3, length + 1), 10)
    loads[0, length], loads[1, length] = 9, 0
    loads[2, ::7] = 200
    batch = schedule_batch(loads, hosts, fractional=fractional)
    batch.verify()
    if not fractional:
        assert batch.peaks[0] == 10  # a surplus of 9 tokens, one each for 9 others, or the mean rounded up


@pytest.mark.parametrize("most", [2**31 - 1, 2**31])
def test_totals_around_2_to_the_31_are_certified(most):
    hosts = random_hosts(np.random.default_rng(5), 9, 3, 2)
    loads = np.zeros((2, 9), np.int64)
    loads[0, 0], loads[1] = most, most // 9
    assert_as_the_flow_engine(schedule_batch(loads, hosts))


@pytest.mark.parametrize("devices", [63, 64, 65, 130])
def test_more_devices_than_bits_in_a_word(devices):
    rng = np.random.default_rng(devices)
    loads = (rng.random((3, 2 * devices)) ** 6 * 1000).astype(np.int64)
    assert_as_the_flow_engine(schedule_batch(loads, random_hosts(rng, 2 * devices, devices, 2)))


def test_integers_of_any_layout_are_taken_and_left_alone():
    loads = np.arange(40).reshape(5, 8)[:, ::-1]
    variants = (loads, np.asfortranarray(loads), loads.astype(np.int32), loads.astype(float), loads.tolist())
    hosts = np.asfortranarray(random_hosts(np.random.default_rng(0), 8, 4, 2))
    frozen = loads.copy()
    frozen.flags.writeable = False
    batches = [schedule_batch(variant, hosts) for variant in (*variants, frozen)]
    for batch in batches:
        np.testing.assert_array_equal(batch.splits, batches[0].splits)
        assert not batch.shares.flags.writeable
    np.testing.assert_array_equal(loads, np.arange(40).reshape(5, 8)[:, ::-1])


def test_no_vector_and_one_vector():
    nothing = schedule_batch(np.zeros((0, 5), int), EVERYWHERE)
    nothing.verify()
    assert (len(nothing), nothing.peaks, nothing.splits.shape) == (0, [], (0, 5, 4))
    one = schedule_batch([[4, 0, 0, 0, 1]], EVERYWHERE)
    assert (one.peaks, one.splits.sum(), one.split(0).sum()) == ([2], 5, 5)


def test_slots_may_be_given_instead_of_hosts():
    slots, loads = [0, -1, 1, 0], [[5, 3], [0, 9]]
    batch = schedule_batch(loads, physical_to_logical=slots, num_devices=2)
    assert batch.peaks == [4, 9]


@pytest.mark.parametrize("zipf", [0.6, 1.0, 1.5])
@pytest.mark.parametrize(("experts", "devices", "replicas"), [(64, 8, 2), (64, 16, 2), (256, 64, 2), (256, 64, 4)])
def test_working_sizes_are_certified(experts, devices, replicas, zipf):
    rng = np.random.default_rng(experts + devices)
    share = np.arange(1, experts + 1) ** -zipf
    loads = np.array([rng.multinomial(65536, rng.permutation(share / share.sum())) for _ in range(3)])
    assert_as_the_flow_engine(schedule_batch(loads, random_hosts(rng, experts, devices, replicas)))


def test_solve_offers_the_engine_and_takes_its_proof_as_it_is():
    rng = np.random.default_rng(1)
    problem = SchedulingProblem(rng.integers(0, 1000, 64), random_hosts(rng, 64, 8, 2))
    solution = solve(problem, "push-relabel")
    assert (solution.status, solution.evidence, solution.repairs) == ("optimal", "certified", ())
    assert solution.objective == solution.raw_objective == solve(problem, "ortools-flow").objective


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"loads": [1, 2], "hosts": [[True], [True]]}, "loads is of shape (2,)"),
        ({"loads": [[1, -2]], "hosts": [[True], [True]]}, "loads is too small (-2 at [0, 1])"),
        ({"loads": [[1, 2]], "hosts": [[True]]}, "hosts is of shape (1, 1)"),
        ({"loads": [[0, 0], [0, 2]], "hosts": [[True], [False]]}, "without a device for expert 1"),
        ({"loads": [[2**53]], "hosts": [[True]], "speed": [2**31]}, "in total in vector 0"),
        ({"loads": [[1, 2], [1]], "hosts": [[True], [True]]}, "loads is"),
    ],
)
def test_impossible_batch_is_refused_in_one_sentence(arguments, words):
    with pytest.raises(InvalidProblem) as caught:
        schedule_batch(**arguments)
    assert words in str(caught.value)


def test_numba_is_loaded_by_the_first_call_only():
    code = (
        "import sys, equipoise; f = equipoise.schedule_batch; assert 'numba' not in sys.modules;"
        "f([[3]], [[True]]).verify(); assert 'numba' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
