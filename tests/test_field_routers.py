"""Routers of transformers as they are: recognised by their class alone, sound, and given the scores that are meant."""

import os

import numpy as np
import pytest

import equipoise
from equipoise.balancers.find import Target

pytest.importorskip("torch")
pytest.importorskip("transformers")

FAMILIES = {
    "mixtral": "MixtralTopKRouter",
    "qwen3_moe": "Qwen3MoeTopKRouter",
    "gpt_oss": "GptOssTopKRouter",
    "deepseek_v3": "DeepseekV3TopkRouter",
    "afmoe": "AfmoeTokenChoiceRouter",
}
NORMALISED = "weights: normalised"
FORMULAS = {
    "mixtral": [NORMALISED],
    "gpt_oss": [NORMALISED],
    "deepseek_v3": [NORMALISED, "weights: scaled by 2.5"],
    "afmoe": [NORMALISED],
}
"""What makes the gate weights, where it gives every token the same at K = 1."""
BEYOND = "router_refuses_more_experts_than_its_groups_hold"
"""DeepSeek-V3's router answers a K that its groups cannot hold, which no configuration that ships asks for."""
NIGHTLY = os.environ.get("EQUIPOISE_PROFILE") == "nightly"
SCORES = (np.random.default_rng(0).permutation(4095)[: 12 * 8].reshape(12, 8) / 4096).astype(np.float32)


def named(family):
    return f"transformers.models.{family}.modeling_{family}:{FAMILIES[family]}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES if NIGHTLY else ["mixtral"])
def test_no_check_finds_anything(family):
    options = {"declares": FORMULAS.get(family, ()), "exclude": [BEYOND] * (family == "deepseek_v3")}
    report = equipoise.check(named(family), examples=2, in_process=True, **options)
    assert report.findings == []
    assert report.ran > 20


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_the_gate_gives_the_scores_back_as_weights(family):
    with Target.of(named(family)).hold(in_process=True) as balancer:
        routed = balancer.ask(SCORES, 3)
    assert (routed.mask.sum(axis=1) == 3).all()
    assert (np.where(routed.mask, SCORES, 0).sum(axis=1) >= np.sort(SCORES, axis=1)[:, -3:].sum(axis=1) - 1e-6).all()
    ratio = routed.weights[routed.mask].reshape(12, 3) / SCORES[routed.mask].reshape(12, 3)
    assert np.allclose(ratio, ratio[:, :1], rtol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_a_bias_that_no_call_moves_is_not_shown_and_makes_negative_scores():
    with Target.of(named("deepseek_v3")).hold(in_process=True) as balancer:
        assert "has bias" not in balancer.capabilities
        below = balancer.ask(SCORES - 1, 2, num_groups=2, topk_groups=1).mask
        above = balancer.ask(SCORES, 2, num_groups=2, topk_groups=1).mask
    assert (below.reshape(12, 2, 4).any(axis=2).sum(axis=1) == 1).all()
    assert above.sum() == below.sum() == 24
