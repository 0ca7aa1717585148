"""Call forms of frameworks: recognised by signature or said by name, adapted, and their answers read."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

import equipoise
import framework_forms as forms
from command_line import run
from equipoise import InvalidProblem, TargetError, strategies
from equipoise.balancers.adapters.forms import all_forms, form_named, form_of
from equipoise.balancers.adapters.megatron_router import MegatronRouter
from equipoise.balancers.adapters.router_answers import logits_of
from equipoise.balancers.find import Target
from equipoise.roles.router import read_routing
from equipoise.traces import Instance

HERE = "framework_forms"
SCORES = np.random.default_rng(1).permutation(4095)[: 24 * 8].reshape(24, 8).astype(np.float32) / 4096

ROUTERS = {
    "grouped-topk": (
        forms.grouped_topk,
        partial(forms.grouped_topk, scoring_func="sigmoid"),
        forms.fused_topk,
        forms.select_experts,
    ),
    "megatron": (
        forms.topk_routing_with_score_function,
        partial(forms.topk_routing_with_score_function, score_function="sigmoid"),
    ),
    "gshard": (partial(forms.topkgating, capacity_factor=8.0), partial(forms.top2gating, capacity_factor=8.0)),
    "tutel": (partial(forms.extract_critical, capacity_factor=8.0),),
    "by-size": (forms.make, forms.HiddenRouter, forms.TinyRouter, forms.LogitsAlone, forms.GateWithBias),
    "hidden-states": (forms.fixed,),
    "megatron-router": (forms.TopKRouter(8, 2),),
    None: (forms.weights_first, forms.logits_weights_ids, forms.probs_and_map),
}
PAIRS = [(name, found) for name, listed in ROUTERS.items() for found in listed]


def held(found, **said):
    return Target.of(found, **said).hold(in_process=True)


def top_k_mask(scores, top_k):
    mask = np.zeros(scores.shape, bool)
    np.put_along_axis(mask, forms.largest(scores, top_k), True, axis=1)
    return mask


@pytest.mark.parametrize(("name", "found"), PAIRS)
def test_a_form_is_told_from_the_signature(name, found):
    form = form_of(found)
    assert (None if form is None else form.name) == name


@pytest.mark.parametrize(("name", "found"), PAIRS)
def test_a_correct_top_k_in_every_form_is_read_as_the_top_k(name, found):
    with held(found) as balancer:
        routed = balancer.ask(SCORES, 2)
        assert balancer.role.name == "router"
        assert (routed.mask == top_k_mask(SCORES, 2)).all()
        if found is not forms.LogitsAlone:
            weights = routed.weights
            assert (weights[routed.mask] > 0).all()
            assert (np.argmax(weights, axis=1) == np.argmax(SCORES, axis=1)).all()


@pytest.mark.parametrize(("name", "found"), PAIRS)
def test_a_correct_top_k_in_every_form_has_no_regret(name, found):
    audit = equipoise.audit(found, trace=SCORES, top_k=2, passes=1)
    assert not audit.broken
    assert [row.values["regret"] for row in audit.rows] == [0]


def test_the_balanced_assignment_is_a_permutation_in_the_order_of_experts():
    with held(forms.balanced_assignment) as balancer:
        assert form_of(forms.balanced_assignment).name == "fairseq-base"
        assert balancer.ask(SCORES, 1).load.tolist() == [3] * 8
        assert not balancer.accepts([10, 8, 1])
        assert not balancer.accepts([16, 8, 2])


def test_a_balanced_assignment_that_loses_tokens_is_no_routing():
    def balanced_assignment(scores):
        return np.zeros(len(scores), int)

    with held(balanced_assignment) as balancer, pytest.raises(TargetError, match="23 of 24 are lost"):
        balancer.ask(SCORES, 1)


def test_what_a_gating_with_capacity_drops_goes_nowhere():
    skewed = SCORES / 2
    skewed[:, 0] += 0.5
    for found in (forms.topkgating, forms.extract_critical):
        with held(found) as balancer:
            assert "drops" in balancer.capabilities
            routed = balancer.ask(skewed, 1)
            assert routed.load[0] == 3
            assert routed.mask.sum() < 24


def test_a_gating_for_two_experts_takes_no_other_k():
    with held(forms.top2gating) as balancer:
        assert balancer.accepts([4, 8, 2])
        assert not balancer.accepts([4, 8, 1])


@given(strategies.distinct_scores())
def test_the_gates_undo_the_logits(scores):
    assert np.allclose(forms.sigmoid(logits_of(scores, "sigmoid")), scores, rtol=1e-5)
    normal = forms.softmax(logits_of(scores, "softmax"))
    assert np.allclose(normal, scores / scores.sum(axis=1, keepdims=True), rtol=1e-4)
    for gate in ("softmax", "sigmoid", "sqrtsoftplus"):
        assert (np.argsort(logits_of(scores, gate), axis=1) == np.argsort(scores, axis=1)).all()
        tiny = logits_of(scores * np.float32(2.0**-100), gate).astype(np.float32)
        assert gate != "sqrtsoftplus" or (np.argsort(forms.softmax(tiny), axis=1) == np.argsort(scores, axis=1)).all()


def test_weights_are_told_from_logits_by_where_they_stand():
    ids = np.array([[1, 0], [0, 1]])
    weights, logits = np.array([[0.6, 0.4], [0.7, 0.3]]), np.array([[5.0, 6.0], [8.0, 7.0]])
    scores = np.array([[0.1, 0.9], [0.8, 0.2]])
    for answer in (
        [weights, ids],
        [logits, weights, ids],
        [weights, ids, logits],
        [ids, weights],
        [ids, weights, logits],
    ):
        assert read_routing(answer, scores, 2).weights.tolist() == [[0.4, 0.6], [0.7, 0.3]]


def test_two_arrays_of_floats_are_no_routing():
    with pytest.raises(TargetError, match="float"):
        read_routing([np.ones((2, 2)), np.ones((2, 2))], np.ones((2, 3)), 2)


def test_a_grouped_top_k_with_a_bias_takes_groups():
    with held(partial(forms.grouped_topk, scoring_func="sigmoid")) as balancer:
        assert "takes topk_groups" in balancer.capabilities
        chosen = balancer.ask(SCORES, 2, num_groups=4, topk_groups=2).mask.reshape(24, 4, 2).any(axis=2)
        assert (chosen.sum(axis=1) <= 2).all()


def test_a_top_k_that_is_told_whether_groups_count_is_told_so():
    with held(partial(forms.select_experts, num_expert_group=4, topk_group=2)) as balancer:
        chosen = balancer.ask(SCORES, 2).mask.reshape(24, 4, 2).any(axis=2)
        assert (chosen.sum(axis=1) <= 2).all()


def test_a_top_k_without_groups_takes_none():
    with held(forms.fused_topk) as balancer:
        assert "takes topk_groups" not in balancer.capabilities


def test_groups_that_a_partial_sets_are_declared():
    with held(partial(forms.grouped_topk, num_expert_group=4, topk_group=2)) as balancer:
        assert "group limited" in balancer.capabilities
        assert (balancer.attribute("num_groups"), balancer.attribute("topk_groups")) == (4, 2)


def test_the_bias_of_a_linear_gate_is_no_balancing_bias_and_the_argument_is_one():
    with held(forms.make) as balancer:
        assert "has bias" not in balancer.capabilities
    with held(forms.GateWithBias) as balancer:
        assert np.allclose(balancer.ask(SCORES, 2).weights.max(axis=1), SCORES.max(axis=1), rtol=1e-5)
        balancer.reset()
        assert {"has bias", "has reset"} <= balancer.capabilities
        skewed = SCORES / 2
        skewed[:, 0] += 0.5
        balancer.ask(skewed, 2)
        bias = balancer.attribute("bias")
        assert bias[0] == bias.min() < 0
        assert abs(bias.sum()) < 1e-6
        balancer.reset()
        assert not balancer.attribute("bias").any()


def test_megatron_s_bias_is_moved_once_for_all_micro_batches():
    skewed = SCORES / 2
    skewed[:, 0] += 0.5
    router = MegatronRouter(forms.TopKRouter(8, 2))
    router.MICRO_BATCHES = 2
    router(skewed, 2)
    assert not router.bias.any()
    assert router.module.local_tokens_per_expert.sum() == 48
    router(skewed, 2)
    assert router.bias[0] == pytest.approx(-0.01)
    assert router.module.local_tokens_per_expert.sum() == 0
    with held(forms.make_megatron) as balancer:
        for _ in range(100):
            routed = balancer.ask(skewed, 2)
        assert routed.load.max() <= 12
        balancer.reset()
        assert balancer.ask(skewed, 2).load[0] == 24


def test_a_module_of_fixed_sizes_is_checked_at_them_alone():
    shapes = []

    class Watched(forms.HiddenRouter):
        def __call__(self, hidden_states):
            shapes.append(hidden_states.shape[1])
            return super().__call__(hidden_states)

    report = equipoise.check(Watched(16, 8, 2), examples=10, in_process=True)
    assert report.passed
    assert report.ran > 10
    assert set(shapes) == {16}


def test_a_factory_is_checked_at_the_sizes_that_are_said():
    asked = set()

    def make(experts, top_k):
        asked.add((experts, top_k))
        return partial(choose, top_k)

    def choose(top_k, scores, k):
        assert (scores.shape[1], k) in asked
        return forms.largest(scores, k)

    report = equipoise.check(make, experts=16, top_k=4, examples=5, in_process=True)
    assert report.passed
    assert report.ran > 10
    assert asked <= {(8, 2), (16, 4)}


def test_one_size_alone_is_refused():
    with pytest.raises(InvalidProblem, match="both experts and top_k"):
        equipoise.check(forms.make, experts=16)


def test_a_module_asked_for_other_sizes_says_its_own():
    with held(forms.fixed) as balancer, pytest.raises(TargetError, match="made for 8 experts and K = 2"):
        balancer.ask(SCORES[:, :4], 1)


def test_a_module_is_copied_not_changed():
    before = forms.fixed.weight.copy()
    with held(forms.fixed) as balancer:
        balancer.ask(SCORES, 2)
    assert (forms.fixed.weight == before).all()


def test_a_form_is_said_by_name_and_kept_with_the_finding(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.py").write_text(
        "import numpy as np\n\ndef route(*arguments):\n    logits, k = arguments\n"
        "    ids = np.zeros((len(logits), k), int)\n    return np.ones(ids.shape), ids\n"
    )
    report = equipoise.check("odd.py:route", form="megatron", examples=3)
    assert report.role == "router"
    assert {finding.form for finding in report.findings} == {"megatron"}
    from equipoise.checks.check import replay

    assert replay(report.findings[0].id)[0] == "STILL FAILS"


def test_an_unknown_form_gets_a_suggestion():
    with pytest.raises(InvalidProblem, match="did you mean 'megatron'"):
        Target.of(forms.make, form="megatrn")
    with pytest.raises(InvalidProblem, match="form"):
        form_named("megatron", "placer")


def test_every_form_has_a_name_of_its_own_and_an_example():
    names = [form.name for form in all_forms()]
    assert len(set(names)) == len(names)
    assert all(form.example for form in all_forms())


TORCH = """
import torch
from torch import nn


def plain(scores, top_k):
    weights, ids = torch.topk(scores, top_k)
    return weights, ids


class Module(nn.Module):
    def forward(self, scores, top_k, *, mask=None):
        weights, ids = torch.topk(scores, top_k)
        return ids if mask is None else torch.where(mask[:, None], ids, -1), weights


class Router(nn.Module):
    def __init__(self, hidden_size, num_experts, top_k):
        super().__init__()
        self.gate = nn.Linear(hidden_size, num_experts, dtype=torch.bfloat16)
        self.register_buffer("expert_bias", torch.zeros(num_experts))
        self.top_k = top_k

    def forward(self, hidden_states):
        scores = self.gate(hidden_states).float().sigmoid()
        ids = torch.topk(scores + self.expert_bias, self.top_k).indices
        if self.training:
            load = torch.bincount(ids.flatten(), minlength=len(self.expert_bias)).float()
            self.expert_bias += 0.01 * torch.sign(load.mean() - load)
        return scores.gather(1, ids), ids


gate = Router(32, 8, 2)
"""


@pytest.fixture
def torch_file(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "torch_routers.py"
    path.write_text(TORCH)
    return path


@pytest.mark.parametrize("name", ["plain", "Module", "Router", "gate"])
def test_torch_routers_get_tensors_and_have_no_regret(torch_file, name):
    scores = (
        SCORES
        if name in ("plain", "Module")
        else np.float32([np.random.default_rng(t).permutation(8) / 8 for t in range(24)])
    )
    with held(f"{torch_file}:{name}") as balancer:
        assert (balancer.ask(scores, 2).mask == top_k_mask(scores, 2)).all()
        assert "returns weights" in balancer.probe()
        assert ("takes mask" in balancer.capabilities) == (name == "Module")
        assert ("has bias" in balancer.capabilities) == (name in ("Router", "gate"))
    audit = equipoise.audit(f"{torch_file}:{name}", trace=scores, top_k=2, passes=1)
    assert [row.values["regret"] for row in audit.rows] == [0]


def test_the_command_line_takes_forms_and_sizes(tmp_path):
    (tmp_path / "gate.py").write_text(Path(forms.__file__).read_text())
    few = ("--examples", "3")
    checked = run(tmp_path, "check", "gate.py:HiddenRouter", "--experts", "16", "--top-k", "4", *few)
    assert checked.returncode == 0, checked.stdout
    named = run(tmp_path, "check", "gate.py:grouped_topk", "--form", "grouped-topk", *few)
    assert named.returncode == 0, named.stdout
    audited = run(tmp_path, "audit", "gate.py:logits_weights_ids", "--experts", "7", "topk")
    assert audited.returncode == 2
    assert "experts is 7; allowed: what the trace has" in audited.stderr
    listed = run(tmp_path, "list", "--forms", "--format", "json")
    entries = json.loads(listed.stdout)["forms"]
    assert {entry["name"] for entry in entries} == {form.name for form in all_forms()}
    unknown = run(tmp_path, "audit", "gate.py:make", "--form", "by-sizes")
    assert unknown.returncode == 2
    assert "did you mean 'by-size'" in unknown.stderr


def test_an_audit_makes_a_module_at_the_sizes_of_the_trace_and_may_leave_others_out():
    traces = [Instance(name, SCORES[:, :width], 2, name) for name, width in (("wide", 8), ("narrow", 4))]
    audit = equipoise.audit([forms.make, "topk"], trace=traces, form="by-size", passes=1)
    assert [row.values["regret"] for row in audit.rows] == [0] * 4
    only = equipoise.audit(forms.make, trace=traces, experts=4, passes=1)
    assert [row.instance for row in only.rows] == ["narrow"]
    with pytest.raises(InvalidProblem, match="what the trace has: 4, 8"):
        equipoise.audit(forms.make, trace=traces, experts=5)


def test_a_torch_module_in_training_moves_its_bias_and_in_evaluation_does_not(torch_file):
    skewed = SCORES / 2
    skewed[:, 0] += 0.5
    with held(f"{torch_file}:gate") as balancer:
        assert {"takes training", "has reset", "has bias"} <= balancer.capabilities
        balancer.ask(skewed, 2, training=False)
        assert not balancer.attribute("bias").any()
        for _ in range(60):
            balancer.ask(skewed, 2, training=True)
        assert balancer.ask(skewed, 2).load[0] < 24
        balancer.reset()
        assert balancer.ask(skewed, 2).load[0] == 24


def test_groups_of_single_experts_are_refused_where_two_best_of_each_are_wanted():
    def by_two_best(hidden_states, gating_output, correction_bias, topk, renormalize, num_expert_group, topk_group):
        if num_expert_group == gating_output.shape[1]:
            raise RuntimeError("selected index k out of range")
        return forms.grouped_topk(hidden_states, gating_output, topk, renormalize, 1, 1)

    with held(by_two_best) as balancer:
        with pytest.raises(TargetError, match="no two best") as refused:
            balancer.ask(np.eye(4, dtype=np.float32), 1, num_groups=4, topk_groups=1)
        assert refused.value.on_purpose
        assert balancer.ask(np.eye(4, dtype=np.float32), 1, num_groups=2, topk_groups=1).mask.sum() == 4
