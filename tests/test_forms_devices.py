"""Call forms of placers and schedulers: told from the signature, and what a framework chooses by itself."""

import sys
from functools import partial
from types import SimpleNamespace

import numpy as np

import framework_forms as forms
from equipoise.balancers.adapters import token_dispatch
from equipoise.balancers.adapters.forms import form_of
from equipoise.balancers.find import Target
from test_adapters import LOAD, SIZES, ThreeTables


def held(found, **said):
    return Target.of(found, **said).hold(in_process=True)


def test_tokens_sent_one_by_one_make_a_schedule():
    hosts = np.array([[True, True, False], [False, True, True], [True, False, False]])
    with held(forms.in_turns) as balancer:
        assert form_of(forms.in_turns).name == "token-dispatch"
        split = balancer.ask(np.array([5, 4, 3]), hosts).split
    assert split.tolist() == [[3, 2, 0], [0, 2, 2], [3, 0, 0]]


def test_more_tokens_than_a_batch_come_in_batches(monkeypatch):
    monkeypatch.setattr(token_dispatch, "MOST", 10)
    hosts = np.array([[True, True], [True, False]])
    load = np.array([1001, 2])
    with held(forms.in_turns) as balancer:
        split = balancer.ask(load, hosts).split
        batches = balancer.ask(load * 20, hosts).split
    assert split.sum(axis=1).tolist() == [1001, 2]
    assert batches.sum(axis=1).tolist() == [20_020, 40]
    assert min(split[0]) >= 0.4 * 1001


def test_sglang_chooses_the_algorithm_itself_unless_one_is_said():
    with held(partial(sglang_rebalance, algorithm="vec")) as placer:
        placer.ask(LOAD, *SIZES)
    with held(sglang_rebalance) as placer:
        placer.ask(LOAD, *SIZES)
    assert SEEN == ["vec", "hierarchical for 1 groups"]


SEEN: list[str] = []


def compute_algorithm(raw_algorithm, num_groups, num_nodes):
    return f"hierarchical for {num_groups} groups"


def sglang_rebalance(
    tokens_per_expert, num_physical_experts, num_local_physical_experts, num_groups, num_nodes, algorithm
):
    SEEN.append(algorithm)
    return np.broadcast_to(
        np.arange(num_physical_experts) % tokens_per_expert.shape[2], (tokens_per_expert.shape[1], num_physical_experts)
    )


def test_a_policy_that_takes_its_last_placement_gets_none_for_other_sizes():
    ThreeTables.seen.clear()
    with held(ThreeTables) as placer:
        placer.ask(LOAD, 12, 1, 1, 4)
        placer.ask(LOAD, 16, 1, 1, 4)
    assert ThreeTables.seen == [None, None]


def test_a_function_that_must_be_told_of_groups_and_ranks_is_told():
    told = []

    def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, enable_hierarchical, active_ranks):
        told.append((enable_hierarchical, active_ranks.tolist()))
        return np.tile(np.arange(num_replicas) % weight.shape[1], (len(weight), 1))

    slots, _, _, devices = SIZES
    with held(rebalance_experts) as placer:
        placer.ask(LOAD, slots, 1, 1, devices)
        placer.ask(LOAD, slots, 1, 2, devices)
    assert told == [(True, [1] * devices), (False, [1] * devices)]


WITHOUT_NUMPY = """
class Policy:
    def rebalance_experts(self, current_expert_table, expert_workload):
        return 1, [0], current_expert_table
"""


def test_an_ascend_policy_written_without_numpy_gets_tensors_as_from_the_worker(monkeypatch):
    made, written = [], {"__name__": "a_policy"}
    torch = SimpleNamespace(from_numpy=lambda array: made.append(array.shape) or array, Tensor=type("Tensor", (), {}))
    monkeypatch.setitem(sys.modules, "torch", torch)
    exec(WITHOUT_NUMPY, written)
    with held(written["Policy"]) as placer:
        placer.ask(LOAD, *SIZES)
    assert len(made) == 2
    assert made[0] == made[1]
