"""Adapters: small balancers written here with exactly the frameworks' signatures run unchanged."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import pytest

from equipoise import SchedulingProblem, TargetError
from equipoise.balancers.adapters import AscendPolicy, EplbFunction, LplbProbabilities, SglangFunction, VllmPolicy
from equipoise.reference.placement.eplb import eplb
from equipoise.reference.scheduling.even import even_split

LOAD = np.array([[90, 132, 40, 61, 104, 165, 39, 4], [20, 107, 104, 64, 19, 197, 187, 157]])
SIZES = (12, 1, 1, 4)
EXPECTED = eplb(LOAD, *SIZES)


def tables(placed, experts):
    """log2phy and logcnt for phy2log, as EPLB returns them."""
    counts = np.stack([np.bincount(row[row >= 0], minlength=experts) for row in placed])
    replicas = np.full((*counts.shape, counts.max()), -1)
    for layer, expert in np.ndindex(counts.shape):
        where = np.flatnonzero(placed[layer] == expert)
        replicas[layer, expert, : len(where)] = where
    return placed, replicas, counts


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    return tables(eplb(weight, num_replicas, num_groups, num_nodes, num_gpus), weight.shape[1])


def test_eplb_function_places_as_it_does_alone():
    assert (EplbFunction(rebalance_experts)(LOAD, *SIZES) == EXPECTED).all()


class AbstractEplbPolicy(ABC):
    @classmethod
    @abstractmethod
    def rebalance_experts(cls, weight, num_replicas, num_groups, num_nodes, num_ranks, old_global_expert_indices=None):
        raise NotImplementedError


class ThreeTables(AbstractEplbPolicy):
    seen: list = []  # noqa: RUF012

    @classmethod
    def rebalance_experts(cls, weight, num_replicas, num_groups, num_nodes, num_ranks, old_global_expert_indices=None):
        cls.seen.append(old_global_expert_indices)
        return rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_ranks)


class MapAlone:
    @classmethod
    def rebalance_experts(cls, weight, num_replicas, num_groups, num_nodes, num_ranks):
        placed = np.full((len(weight), num_replicas), -1)
        placed[:, : weight.shape[1]] = np.arange(weight.shape[1])
        return placed


def test_vllm_policy_with_three_tables_sees_its_last_placement():
    placer = VllmPolicy(ThreeTables)
    ThreeTables.seen.clear()
    assert (placer(LOAD, *SIZES) == EXPECTED).all()
    placer(LOAD, *SIZES)
    placer.reset()
    placer(LOAD, *SIZES)
    assert ThreeTables.seen[0] is None
    assert (ThreeTables.seen[1] == EXPECTED).all()
    assert ThreeTables.seen[2] is None


def test_vllm_policy_with_the_map_alone_may_leave_slots_unused():
    placed = VllmPolicy(MapAlone)(LOAD, *SIZES)
    assert placed[0].tolist() == [*range(8), -1, -1, -1, -1]


def test_sglang_function_gets_a_window_of_steps():
    def rebalance(
        tokens_per_expert, num_physical_experts, num_local_physical_experts, num_groups, num_nodes, algorithm
    ):
        assert (tokens_per_expert.shape, num_local_physical_experts, algorithm) == ((1, 2, 8), 3, "auto")
        gpus = num_physical_experts // num_local_physical_experts
        return rebalance_experts(tokens_per_expert.sum(axis=0), num_physical_experts, num_groups, num_nodes, gpus)

    assert (SglangFunction(rebalance, "auto")(LOAD, *SIZES) == EXPECTED).all()


class SwapLastSlots:
    """An Ascend policy that swaps the last slots of two ranks once, and reports no change after that."""

    def __init__(self):
        self.calls = 0

    def rebalance_experts(self, current_expert_table, expert_workload):
        self.calls += 1
        assert current_expert_table.shape == expert_workload.shape == (2, 4, 3)
        table = current_expert_table.copy()
        table[:, [0, 1], -1] = table[:, [1, 0], -1]
        return (1, list(range(len(table))), table) if self.calls == 1 else (0, [], None)


def test_ascend_policy_changes_its_table_only_when_it_says_so():
    placer = AscendPolicy(SwapLastSlots())
    start = np.arange(12) % 8
    swapped = start.copy()
    swapped[[2, 5]] = swapped[[5, 2]]
    assert placer(LOAD, *SIZES).tolist() == [swapped.tolist()] * 2
    assert placer(LOAD, *SIZES).tolist() == [swapped.tolist()] * 2
    placer.reset()
    assert placer(LOAD, *SIZES).tolist() == [start.tolist()] * 2


def test_ascend_s_worker_keeps_a_layer_whose_table_it_would_refuse():
    class Turns:
        """Moves experts within the first rank of layer 0, and swaps slots of two ranks in layer 1."""

        def __init__(self):
            self.seen = []

        def rebalance_experts(self, current_expert_table, expert_workload):
            self.seen.append(current_expert_table.copy())
            table = current_expert_table.copy()
            table[0, 0] = table[0, 0, ::-1]
            table[1, [0, 1], -1] = table[1, [1, 0], -1]
            return 0, [], table

    policy = Turns()
    placer = AscendPolicy(policy)
    judged = placer(LOAD, *SIZES).reshape(2, 4, 3)
    placer(LOAD, *SIZES)
    first, second = policy.seen
    assert (judged[0, 0] == first[0, 0, ::-1]).all()
    assert (second[0] == first[0]).all()
    assert (second[1] == judged[1]).all()
    assert (second[1] != first[1]).any()


def test_ascend_workload_conserves_the_load():
    class Watch:
        def rebalance_experts(self, current_expert_table, expert_workload):
            for layer, table in enumerate(current_expert_table):
                per_expert = np.bincount(table.ravel(), expert_workload[layer].ravel(), 8)
                assert np.allclose(per_expert, LOAD[layer])
            return 0, None

    AscendPolicy(Watch())(LOAD, *SIZES)


def wrong(change):
    def function(weight, num_replicas, num_groups, num_nodes, num_gpus):
        phy2log, log2phy, logcnt = rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus)
        return change(phy2log, log2phy, logcnt)

    return function


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p, r, c: (p.astype(float), r, c), "phy2log float64"),
        (lambda p, r, c: (p[:, :-1], r, c), "allowed: integers [2, 12]"),
        (lambda p, r, c: (p * 0, r, c), "places expert 1 of layer 0 nowhere"),
        (lambda p, r, c: (p + 1, r, c), "names experts 1 to 8"),
        (lambda p, r, c: (p, r, c + 1), "logcnt is not how often"),
        (lambda p, r, c: (p, r[:, ::-1], c), "log2phy and phy2log differ on expert"),
        (lambda p, r, c: (p, r), "returned 2 tables"),
        (lambda p, r, c: [[1, 2], [3]], "returned 2 tables"),
        (lambda p, r, c: "table", "phy2log"),
    ],
)
def test_a_placer_that_returns_nonsense_is_caught(change, words):
    with pytest.raises(TargetError) as caught:
        EplbFunction(wrong(change))(LOAD, *SIZES)
    assert words in str(caught.value)


def test_lplb_probabilities_become_whole_tokens():
    slots = np.array([0, 1, 1, 2, 0, 2])
    log2phy = np.array([[0, 4], [1, 2], [3, 5]])
    hosts = SchedulingProblem([1, 1, 1], physical_to_logical=slots, num_devices=3).hosts
    even = LplbProbabilities(lambda load: np.ones((3, 2)), log2phy, 2)
    load = np.array([7, 4, 2])
    assert (even(load, hosts) == even_split(load, hosts)).sum() >= 6
    assert even(load, hosts).sum(axis=1).tolist() == [7, 4, 2]
    skewed = LplbProbabilities(lambda load: np.array([[0.75, 0.25], [0.5, 0.5], [0, 0]], np.float32), log2phy, 2)
    assert skewed(np.array([8, 4, 2]), hosts).tolist() == [[6, 0, 2], [2, 2, 0], [0, 1, 1]]
    assert skewed(np.array([[8, 0, 2], [0, 4, 0]]), hosts).tolist() == [[6, 0, 2], [2, 2, 0], [0, 1, 1]]


@pytest.mark.parametrize("answer", [np.ones((3, 3)), np.full((3, 2), np.nan), -np.ones((3, 2)), "chances"])
def test_a_scheduler_that_returns_no_probabilities_is_caught(answer):
    hosts = np.ones((3, 3), bool)
    with pytest.raises(TargetError, match="it returned"):
        LplbProbabilities(lambda load: answer, [[0, 4], [1, 2], [3, 5]], 2)(np.array([1, 1, 1]), hosts)


def test_torch_balancers_get_and_return_tensors():
    torch = pytest.importorskip("torch", reason="torch is not installed")

    def function(weight, num_replicas, num_groups, num_nodes, num_gpus):
        assert isinstance(weight, torch.Tensor)
        placed = rebalance_experts(weight.numpy(), num_replicas, num_groups, num_nodes, num_gpus)
        return tuple(torch.from_numpy(table) for table in placed)

    assert (EplbFunction(function, torch.from_numpy)(LOAD, *SIZES) == EXPECTED).all()
