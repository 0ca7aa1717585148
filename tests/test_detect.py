"""Roles and adapters told from signatures: frameworks' balancers run unchanged under their own names."""

import enum
import sys

import numpy as np
import pytest

from equipoise.balancers.adapters.forms import form_of, role_of
from equipoise.balancers.find import Target, resolve
from equipoise.balancers.isolated import Isolated
from equipoise.errors import TargetNotFound
from equipoise.reference.placement.eplb import eplb
from equipoise.roles import all_roles

CATALOGUES = {name: role.catalogue for name, role in all_roles().items() if role.catalogue}
LOAD = np.array([[90, 132, 40, 61, 104, 165, 39, 4]])
SIZES = (12, 1, 1, 4)


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    return eplb(weight, num_replicas, num_groups, num_nodes, num_gpus)


class EplbAlgorithm(enum.Enum):
    deepseek = 0
    other = 1


def sglang_rebalance(
    tokens_per_expert,
    num_physical_experts,
    num_local_physical_experts,
    num_groups,
    num_nodes,
    algorithm: EplbAlgorithm,
):
    assert algorithm is EplbAlgorithm.deepseek
    devices = num_physical_experts // num_local_physical_experts
    return eplb(tokens_per_expert.sum(axis=0), num_physical_experts, num_groups or 1, num_nodes, devices)


class VllmPolicy:
    @classmethod
    def rebalance_experts(cls, weight, num_replicas, num_groups, num_nodes, num_ranks, old_global_expert_indices=None):
        return eplb(weight, num_replicas, num_groups, num_nodes, num_ranks)


class AscendPolicy:
    def __init__(self, config):
        self.config = config

    def rebalance_experts(self, current_expert_table, expert_workload):
        return True, current_expert_table


def lp_dispatch(load, log2phy):
    return np.where(log2phy >= 0, 1.0, 0.0)


def route(router_logits, topk, num_groups=1):
    return np.argsort(-router_logits, axis=1)[:, :topk]


class Gate:
    """As torch's modules: any arguments to the call, the real ones in ``forward``."""

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)

    def forward(self, logits, top_k):
        return route(logits, top_k)


class Split:
    def __call__(self, load, hosts):
        return np.where(hosts, 1, 0)


def forecast(history, horizon):
    return np.repeat(history[-1:], horizon, axis=0)


def five(a, b, c, d, e):
    return eplb(a, b, c, d, e)


def unclear(a, b):
    return a, b


def contradictory(scores, hosts):
    return scores, hosts


HERE = "test_detect"
ROLES = {
    "rebalance_experts": "placer",
    "sglang_rebalance": "placer",
    "VllmPolicy": "placer",
    "VllmPolicy.rebalance_experts": "placer",
    "AscendPolicy": "placer",
    "five": "placer",
    "lp_dispatch": "scheduler",
    "Split": "scheduler",
    "route": "router",
    "Gate": "router",
    "forecast": "predictor",
}


def held(name):
    return Target.of(f"{HERE}:{name}").hold(in_process=True)


@pytest.mark.parametrize(("name", "role"), ROLES.items())
def test_the_role_is_told_from_the_parameters(name, role):
    assert resolve(f"{HERE}:{name}")[0].name == role


@pytest.mark.parametrize("thing", [Gate(), Split(), VllmPolicy(), AscendPolicy(None)])
def test_an_object_has_the_role_of_its_class(thing):
    assert role_of(thing).name == role_of(type(thing)).name == ROLES[type(thing).__name__]


@pytest.mark.parametrize("role", CATALOGUES)
def test_built_in_balancers_have_the_role_of_their_catalogue(role):
    for name in CATALOGUES[role]:
        if sum(name in other for other in CATALOGUES.values()) == 1:
            assert resolve(name)[0].name == role
        assert role_of(CATALOGUES[role][name].create()).name == role


@pytest.mark.parametrize("name", ["unclear", "contradictory"])
def test_a_role_that_cannot_be_told_is_asked_for_in_one_sentence(name):
    with pytest.raises(TargetNotFound, match="say it with --role") as raised:
        resolve(f"{HERE}:{name}")
    assert "\n" not in str(raised.value)
    assert resolve(f"{HERE}:{name}", "router")[0].name == "router"


def test_a_name_of_two_roles_needs_the_role():
    with pytest.raises(TargetNotFound, match="--role"):
        resolve("micromoe")


@pytest.mark.parametrize(
    "name", ["rebalance_experts", "sglang_rebalance", "VllmPolicy", "VllmPolicy.rebalance_experts"]
)
def test_framework_placers_place_unchanged_as_what_they_wrap(name):
    assert (held(name).ask(LOAD, *SIZES) == eplb(LOAD, *SIZES)).all()


def test_an_ascend_policy_that_wants_a_configuration_is_made_without_one():
    placed = held("AscendPolicy").ask(LOAD, *SIZES)
    assert sorted(set(placed[0].tolist())) == list(range(8))


def test_probabilities_per_replica_become_a_schedule_on_any_hosts():
    load = np.array([9, 4, 0])
    hosts = np.array([[True, True, True], [False, True, False], [True, False, False]])
    schedule = held("lp_dispatch").ask(load, hosts)
    assert schedule.split.tolist() == [[3, 3, 3], [0, 4, 0], [0, 0, 0]]


def test_what_has_the_form_of_a_role_needs_no_adapter():
    assert all(
        form_of(thing, role) is None for thing, role in ((route, "router"), (five, "placer"), (Split, "scheduler"))
    )


def test_a_function_of_a_module_that_uses_torch_is_given_tensors():
    torch = pytest.importorskip("torch")
    module = type(sys)("uses_torch")
    source = "import torch\ndef solve(load, log2phy):\n    assert torch.is_tensor(load)\n    return log2phy >= 0\n"
    exec(source, module.__dict__)
    adapter = form_of(module.solve, "scheduler").adapt(module.solve)
    assert adapter.to_tensor is torch.from_numpy


def test_a_worker_finds_out_the_role_as_this_process_does():
    with Isolated(f"{HERE}:Gate") as balancer:
        assert balancer.role.name == held("Gate").role.name == "router"
