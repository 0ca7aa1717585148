"""Published schedulers: feasible, conserving, never above nor below what the optimum allows."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_oracles import peak, schedules
from equipoise import PlacementProblem, SchedulingProblem, TrafficProblem, node_costs, solve
from equipoise.problems.scheduling import replicas_of
from equipoise.reference.scheduling.even import even_split
from equipoise.reference.scheduling.lplb import LPLB, topology, topology_hosts
from equipoise.reference.scheduling.micromoe import MicroMoE, rounded
from equipoise.reference.scheduling.nearest import nearest_replica
from equipoise.reference.scheduling.quota_greedy import quota_greedy
from equipoise.reference.scheduling.ranges import destinations, route_by_ranges
from equipoise.reference.scheduling.sglang_lp import SGLangLP
from equipoise.reference.scheduling.sglang_static import sglang_static, static_map

SCHEDULERS = {
    "even": even_split,
    "micromoe": MicroMoE(),
    "lplb": LPLB(),
    "lplb-32": LPLB(lanes=32),
    "quota-greedy": quota_greedy,
}

plain = schedules(max_experts=5, max_devices=4, max_load=20, unit_speeds=True, bases=False)


@st.composite
def sourced(draw, nodes=(1, 2)):
    num_nodes = draw(st.sampled_from(nodes))
    problem = draw(schedules(max_experts=4, max_devices=2, max_load=9, unit_speeds=True, bases=False))
    hosts = np.repeat(problem.hosts, num_nodes, axis=1)
    devices = hosts.shape[1]
    source = draw(st.lists(st.integers(0, 7), min_size=devices * len(hosts), max_size=devices * len(hosts)))
    return SchedulingProblem(source_load=np.reshape(source, (devices, len(hosts))), hosts=hosts), num_nodes


@pytest.mark.parametrize("name", SCHEDULERS)
@given(problem=plain)
def test_split_serves_every_token_on_a_host_and_never_beats_the_optimum(name, problem):
    split = SCHEDULERS[name](problem.load, problem.hosts)
    assert split.dtype == np.int64
    assert (split >= 0).all()
    assert not split[~problem.hosts].any()
    assert (split.sum(axis=1) == problem.load).all()
    assert peak(problem, split.tolist()) >= solve(problem).objective


@given(problem=plain)
def test_micromoe_reaches_the_integer_optimum(problem):
    assert peak(problem, MicroMoE()(problem.load, problem.hosts).tolist()) == solve(problem).objective


def test_micromoe_stays_on_the_hosts_at_loads_of_millions():
    load = np.array([7_000_001, 2_000_003, 5_000_002])
    hosts = np.array([[True, True, False], [False, True, True], [True, False, True]])
    split = MicroMoE()(load, hosts)
    assert not split[~hosts].any()
    assert split.sum(axis=0).max() == solve(SchedulingProblem(load, hosts)).objective


@given(problem=plain)
def test_rounding_inside_the_flow_moves_no_share_by_a_token_or_more(problem):
    rational = solve(problem.with_form(fractional=True))
    split = rounded(rational.split, float(rational.objective), problem.load)
    assert (np.abs(split - rational.split) < 1).all()
    assert (split.sum(axis=1) == problem.load).all()
    assert split.sum(axis=0).max() <= -(-rational.objective.numerator // rational.objective.denominator)


@given(problem=plain)
def test_optimal_split_is_never_above_the_even_split(problem):
    assert solve(problem).objective <= peak(problem, even_split(problem.load, problem.hosts).tolist())


@given(problem=plain)
def test_even_split_differs_by_at_most_one_token_between_hosts(problem):
    split = even_split(problem.load, problem.hosts)
    for row, hosts in zip(split, problem.hosts, strict=True):
        assert row[hosts].max() - row[hosts].min() <= 1


@st.composite
def counted(draw):
    """Loads, and how many replicas of every expert each device holds: at least one of each."""
    experts, devices = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    row = st.lists(st.integers(0, 3), min_size=devices, max_size=devices).filter(any)
    replicas = draw(st.lists(row, min_size=experts, max_size=experts))
    load = draw(st.lists(st.integers(0, 30), min_size=experts, max_size=experts))
    return np.array(load), np.array(replicas)


@given(drawn=counted())
def test_even_split_deals_tokens_to_replicas_in_turn(drawn):
    load, replicas = drawn
    dealt = np.zeros(replicas.shape, np.int64)
    for expert, row in enumerate(replicas):
        slots = [device for device, count in enumerate(row) for _ in range(count)]
        for token in range(load[expert]):
            dealt[expert, slots[token % len(slots)]] += 1
    assert even_split(load, replicas).tolist() == dealt.tolist()


@given(
    slots=st.lists(st.integers(0, 2), min_size=6, max_size=6), load=st.lists(st.integers(0, 9), min_size=3, max_size=3)
)
def test_even_split_reaches_the_even_peak_of_a_placement_whatever_lies_together(slots, load):
    slots = [0, 1, 2, *slots]
    problem = PlacementProblem(np.array(load) * 420, 9, 3, "even", distinct=False)  # 420: all counts of replicas divide
    split = even_split(problem.load, replicas_of(slots, 3, 3))
    assert split.sum(axis=0).max() == problem.even_peak(np.array(slots))


@pytest.mark.parametrize("scheduler", [even_split, LPLB(), LPLB(lanes=32)])
@given(drawn=counted())
def test_what_counts_replicas_serves_every_token_on_a_host_and_takes_booleans_as_one_each(scheduler, drawn):
    load, replicas = drawn
    split = scheduler(load, replicas)
    assert (split >= 0).all()
    assert not split[replicas == 0].any()
    assert (split.sum(axis=1) == load).all()
    once = replicas > 0
    assert scheduler(load, once).tolist() == scheduler(load, once.astype(np.int64)).tolist()


@given(drawn=counted())
def test_lplb_shares_evenly_among_replicas_where_it_refuses_its_own_result(drawn):
    load, replicas = drawn
    lplb = LPLB()
    split = lplb(load, replicas)
    if not lplb.accepted:
        shared = load[:, None] * replicas / replicas.sum(axis=1, keepdims=True)
        assert (np.abs(split - shared) < 1 + 1e-4).all()


@given(drawn=counted(), source=st.integers(0, 3))
def test_nearest_replica_shares_among_replicas_and_stays_at_home_where_it_can(drawn, source):
    load, replicas = drawn
    source %= replicas.shape[1]
    by_source = np.zeros((replicas.shape[1], len(load)), np.int64)
    by_source[source] = load
    flows = nearest_replica(by_source, replicas)
    assert (flows.sum(axis=2) == by_source).all()
    for expert, row in enumerate(replicas):
        if row[source]:
            assert flows[source, expert, source] == load[expert]
        else:
            assert (np.abs(flows[source, expert] - load[expert] * row / row.sum()) <= row).all()


@given(drawn=counted())
def test_the_number_of_replicas_on_a_device_makes_no_difference_to_the_optimum(drawn):
    load, replicas = drawn
    problem = SchedulingProblem(load, replicas)
    assert problem.hosts.tolist() == (replicas > 0).tolist()
    assert solve(problem).objective == solve(SchedulingProblem(load, replicas > 0)).objective


@given(problem=schedules(max_experts=5, max_devices=2, max_load=20, unit_speeds=True, bases=False))
def test_greedy_quota_is_optimal_on_two_devices(problem):
    assert peak(problem, quota_greedy(problem.load, problem.hosts).tolist()) == solve(problem).objective


@given(drawn=sourced())
def test_ranges_conserve_tokens_and_keep_as_many_at_home_as_the_split_allows(drawn):
    problem, num_nodes = drawn
    split = solve(problem).split
    flows = route_by_ranges(problem.source_load, split, num_nodes)
    assert (flows >= 0).all()
    assert (flows.sum(axis=2) == problem.source_load).all()
    assert (flows.sum(axis=0) == split).all()
    at_home = np.einsum("geg->eg", flows)
    assert (at_home == np.minimum(problem.source_load.T, split)).all()


@given(drawn=sourced(nodes=(2,)))
def test_node_aware_ranges_cross_nodes_as_little_as_the_split_allows(drawn):
    problem, _ = drawn
    split = solve(problem).split
    flows = route_by_ranges(problem.source_load, split, 2)
    half = problem.num_devices // 2
    for expert in range(problem.num_experts):
        for node in (slice(0, half), slice(half, None)):
            inside = flows[node, expert, node].sum()
            assert inside == min(problem.source_load[node, expert].sum(), split[expert, node].sum())


@given(drawn=sourced())
def test_ranges_are_the_least_traffic_for_one_expert_at_a_fixed_split(drawn):
    """With the split fixed, each expert is its own transportation problem on a tree metric, which ranges solve."""
    problem, num_nodes = drawn
    cost = node_costs(problem.num_devices, num_nodes)
    split = solve(problem).split
    flows = route_by_ranges(problem.source_load, split, num_nodes)
    for expert in range(problem.num_experts):
        alone = TrafficProblem(problem.source_load[:, [expert]], split[[expert]] > 0, split[expert], cost)
        if problem.source_load[:, expert].any():
            assert int((cost * flows[:, expert]).sum()) == solve(alone).objective


@given(drawn=sourced(), data=st.data())
def test_every_token_gets_the_destination_that_the_flows_plan(drawn, data):
    problem, num_nodes = drawn
    flows = route_by_ranges(problem.source_load, solve(problem).split, num_nodes)
    for source in range(problem.num_devices):
        tokens = np.repeat(np.arange(problem.num_experts), problem.source_load[source])
        experts = np.array([*data.draw(st.permutations(tokens.tolist())), -1])
        served = destinations(flows, source, experts)
        assert served[-1] == -1
        for expert, device in np.ndindex(problem.num_experts, problem.num_devices):
            assert ((experts == expert) & (served == device)).sum() == flows[source, expert, device]


def test_a_plan_for_other_tokens_is_refused():
    with pytest.raises(ValueError, match="exactly the tokens"):
        route_by_ranges(np.array([[1]]), np.array([[2]]))
    with pytest.raises(ValueError, match="plan 1 tokens of expert 0, there are 2"):
        destinations(np.array([[[1]]]), 0, np.array([0, 0]))


@given(drawn=sourced())
def test_nearest_replica_never_leaves_a_device_or_node_that_has_one(drawn):
    problem, num_nodes = drawn
    flows = nearest_replica(problem.source_load, problem.hosts, num_nodes)
    node = np.arange(problem.num_devices) // (problem.num_devices // num_nodes)
    assert (flows.sum(axis=2) == problem.source_load).all()
    for s, e, g in np.argwhere(flows):
        assert problem.hosts[e, g]
        assert g == s or not problem.hosts[e, s]
        assert node[g] == node[s] or not problem.hosts[e, node == node[s]].any()


@pytest.mark.parametrize(
    ("name", "devices", "slots"), [("ring", 8, 1), ("cube", 8, 2), ("hypercube", 16, 2), ("torus", 16, 2)]
)
def test_topology_shares_every_replicated_expert_between_two_devices(name, devices, slots):
    copies = topology(name)
    assert copies.shape == (devices, slots)
    assert all(sorted(column) == list(range(devices)) for column in copies.T.tolist())
    assert (copies != np.arange(devices)[:, None]).all()
    hosts = topology_hosts(copies, 3)
    assert (hosts.sum(axis=1) == np.tile([2] * slots + [1] * (3 - slots), devices)).all()
    reached = np.linalg.matrix_power(hosts.T.astype(int) @ hosts.astype(int), devices)
    assert (reached > 0).all()


def test_lplb_is_near_the_optimum_where_its_authors_test_it_and_says_when_it_gives_up():
    rng = np.random.default_rng(42)
    hosts = topology_hosts(topology("cube"), 8)
    load = (np.maximum(0, rng.normal(1, 0.3, 64)) * 4096).astype(np.int64)
    problem, scheduler = SchedulingProblem(load, hosts), LPLB()
    ratio = Fraction(peak(problem, scheduler(load, hosts).tolist())) / solve(problem).objective
    assert scheduler.accepted
    assert 1 <= ratio < Fraction(107, 100)
    lazy = LPLB(steps=1)
    assert (lazy(load, hosts) == even_split(load, hosts)).all()
    assert lazy.accepted is False


def test_sglang_draws_a_replica_of_every_token_in_proportion_to_its_plan():
    """Independent oracle: a chi-square of four standard deviations over 20,000 tokens of each expert."""
    load, hosts = np.array([20_000, 20_000, 20_000]), np.array([[1, 1, 0], [0, 1, 1], [0, 0, 2]])
    scheduler = SGLangLP(seed=3)
    split = scheduler(load, hosts)
    assert (split.sum(axis=1) == load).all()
    assert not split[hosts == 0].any()
    spread = np.sqrt(load[:, None] * scheduler.probabilities * (1 - scheduler.probabilities))
    assert (np.abs(split - load[:, None] * scheduler.probabilities) <= 4 * spread).all()


@given(schedules(), st.integers(0, 3))
def test_sglangs_static_map_sends_a_source_and_expert_to_one_replica_and_stays_near(problem, seed):
    hosts = problem.hosts.astype(np.int64)
    source = np.random.default_rng(seed).integers(0, 9, (problem.num_devices, problem.num_experts))
    source[:, ~problem.hosts.any(axis=1)] = 0
    flows = sglang_static(source, hosts)
    assert (flows.sum(axis=2) == source).all()
    assert ((flows > 0).sum(axis=2) <= 1).all()
    for device, expert, served in np.argwhere(flows):
        assert hosts[expert, served]
        assert served == device or not hosts[expert, device]


def test_sglangs_static_map_takes_all_far_replicas_equally_often():
    chosen = static_map(np.array([[0, 0, 0, 0, 0, 0, 1, 1]]))[:6, 0]
    assert sorted(chosen.tolist()) == [6, 6, 6, 7, 7, 7]
