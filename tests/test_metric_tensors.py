"""Metrics and losses on torch tensors, and those of transformers and Megatron-LM, are taken as they are."""

import pytest

from equipoise import check
from equipoise.balancers.adapters.forms import form_of
from equipoise.balancers.find import Target

torch = pytest.importorskip("torch")


def switch(probs, chosen):
    frequency = torch.bincount(chosen.flatten(), minlength=probs.shape[1]) * probs.shape[1] / chosen.numel()
    return (frequency * probs.mean(dim=0)).sum()


def detached(probs, chosen):
    return switch(probs.detach(), chosen)


def rank_balancedness(load):
    return (load.float().mean(dim=1) / load.max(dim=1).values.clamp(min=1)).mean()


def switch_load_balancing_loss_func(
    probs, tokens_per_expert, total_num_tokens, topk, num_experts, moe_aux_loss_coeff, fused=False
):
    total = (probs.sum(dim=0) * tokens_per_expert).sum()
    return total * num_experts * moe_aux_loss_coeff / (topk * total_num_tokens * total_num_tokens)


@pytest.mark.parametrize(("metric", "kind"), [(switch, "aux-loss"), (rank_balancedness, "balancedness")])
def test_metrics_on_tensors_pass_and_their_gradient_is_that_of_autograd(metric, kind):
    report = check(metric, as_=kind, examples=8, in_process=True)
    assert report.passed, report
    ran = {one.check for one in report.outcomes if one.skipped is None}
    assert ("metric_gradient_is_that_of_its_formula" in ran) == (kind == "aux-loss")


def test_a_loss_that_is_cut_off_from_the_graph_sends_no_gradient():
    report = check(detached, as_="aux-loss", examples=8, in_process=True)
    assert "metric_sends_a_gradient" in {one.check for one in report.findings}


def test_megatrons_loss_is_taken_as_it_is():
    assert form_of(switch_load_balancing_loss_func).name == "megatron-loss"
    report = check(switch_load_balancing_loss_func, examples=8, in_process=True)
    assert (report.role, report.passed) == ("metric", True), report


def test_transformers_loss_is_taken_as_it_is():
    mixtral = pytest.importorskip("transformers.models.mixtral.modeling_mixtral")
    with Target.of(mixtral.load_balancing_loss_func).hold(in_process=True) as balancer:
        assert {"aux-loss", "logits", "counts K times", "takes mask", "takes gradient"} <= balancer.capabilities
    report = check(mixtral.load_balancing_loss_func, examples=8, in_process=True)
    assert report.passed, report
