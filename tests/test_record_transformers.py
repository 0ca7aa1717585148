"""Recording tiny models of transformers with random weights: what the hooks see is what the model computed."""

import numpy as np
import pytest

import equipoise

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SMALL = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
LATENT = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8}
ROUTED = {"num_experts_per_tok": 2, "moe_intermediate_size": 16}
DEEPSEEK = {**ROUTED, "n_routed_experts": 8, "n_shared_experts": 1, "n_group": 2, "topk_group": 1}
DEEPSEEK |= {"first_k_dense_replace": 1, "num_key_value_heads": 4}

FAMILIES = {
    "Mixtral": ({"num_local_experts": 8, "num_experts_per_tok": 2}, "softmax", 2, 8),
    "Qwen2Moe": ({**ROUTED, "num_experts": 8, "shared_expert_intermediate_size": 16}, "softmax", 2, 8),
    "Qwen3Moe": ({**ROUTED, "num_experts": 8, "head_dim": 8}, "softmax", 2, 8),
    "Olmoe": ({"num_experts": 8, "num_experts_per_tok": 2}, "softmax", 2, 8),
    "FlexOlmo": ({"num_experts": 8, "num_experts_per_tok": 2}, "softmax", 2, 8),
    "DeepseekV2": ({**DEEPSEEK, **LATENT, "topk_method": "greedy"}, "softmax", 1, 8),
    "DeepseekV3": ({**DEEPSEEK, **LATENT}, "sigmoid", 1, 8),
    "Glm4Moe": (DEEPSEEK, "sigmoid", 1, 8),
    "Dots1": (DEEPSEEK, "sigmoid", 1, 8),
    "GptOss": ({"num_local_experts": 8, "num_experts_per_tok": 2, "head_dim": 8}, "softmax", 2, 8),
    "Phimoe": ({"num_local_experts": 8, "num_experts_per_tok": 2}, "softmax", 2, 8),
    "GraniteMoe": ({"num_local_experts": 8, "num_experts_per_tok": 2}, "softmax", 2, 8),
    "JetMoe": ({"num_local_experts": 8, "num_experts_per_tok": 2, "kv_channels": 8}, "softmax", 4, 8),
    "MiniMax": ({"num_local_experts": 8, "num_experts_per_tok": 2}, "softmax", 2, 8),
    "Ernie4_5_Moe": ({**ROUTED, "moe_k": 2, "moe_num_experts": 8, "moe_layer_start_index": 0}, "softmax", 2, 8),
    "Llama4Text": ({"num_local_experts": 8, "num_experts_per_tok": 1, "interleave_moe_layer_step": 1}, "sigmoid", 2, 8),
}


def tiny(family, settings):
    config = getattr(transformers, f"{family}Config")(**{**SMALL, **settings})
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    for name, parameter in model.named_parameters():
        if any(word in name for word in ("gate.weight", "router.weight", "router.layer.weight", "gate.wg.weight")):
            torch.nn.init.normal_(parameter, std=0.5)  # some are made as zeros: every choice would be a tie
    return model.eval()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_every_router_of_the_family_is_recorded_with_its_gate_and_its_own_choice(family, tmp_path):
    if not hasattr(transformers, f"{family}Config"):
        pytest.skip(f"transformers {transformers.__version__} has no {family}")
    settings, gate, routers, experts = FAMILIES[family]
    model, answers = tiny(family, settings), []
    for module in model.modules():
        if type(module).__name__.endswith("TopkRouter"):
            module.register_forward_hook(lambda module, inputs, output: answers.append(output[2].numpy()))
    with torch.no_grad(), equipoise.record(model, tmp_path / "trace.npz") as recording:
        for step in range(2):
            model(torch.randint(3, 64, (2, 16), generator=torch.Generator().manual_seed(step)))
    assert len(recording.routers) == routers
    layers = equipoise.traces.read_recording(tmp_path / "trace.npz")
    assert sorted(layers) == sorted(recording.routers)
    for layer in layers.values():
        assert layer.gate == gate
        assert layer.top_k == (settings["num_experts_per_tok"])
        assert list(layer.steps) == [0, 1]
        for step in layer.steps.values():
            assert step.logits.shape == (32, experts)
            assert step.chosen.shape == (32, layer.top_k)
            if answers:  # groups may keep the best from being chosen
                assert (step.chosen == answers.pop(0)).all()
            else:
                best = np.sort(np.argsort(-step.logits, axis=1, kind="stable")[:, : layer.top_k], axis=1)
                assert (np.sort(step.chosen, axis=1) == best).mean() > 0.95
    instances = equipoise.read_trace(tmp_path / "trace.npz")
    assert len(instances) == 2 * routers


@pytest.mark.filterwarnings("ignore")
def test_what_is_recorded_can_be_audited_and_training_with_recomputed_activations_counts_once(tmp_path):
    settings, _, routers, _ = FAMILIES["Mixtral"]
    model = tiny("Mixtral", settings).train()
    model.gradient_checkpointing_enable()
    with equipoise.record(model, tmp_path / "trace.npz", tokens=16):
        tokens = torch.randint(3, 64, (2, 16))
        model(tokens, labels=tokens).loss.backward()
    audit = equipoise.audit(["topk", "bip"], trace=str(tmp_path / "trace.npz"))
    assert len(audit.rows) == 2 * routers
    assert not any(row.error for row in audit.rows)
    assert {row.about["tokens"] for row in audit.rows} == {16}


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
def test_a_monitor_takes_tensors_with_gradients_and_says_what_it_says_of_arrays(kind):
    scores = torch.rand(32, 8, generator=torch.Generator().manual_seed(0)).to(kind).requires_grad_()
    bias = torch.linspace(-0.1, 0.1, 8)
    chosen = torch.topk(scores.float() + bias, 2).indices
    monitor = equipoise.Monitor()
    of_tensors = monitor.step(scores, chosen, bias=bias, mask=torch.arange(32) < 30, step=0)
    arrays = [scores.detach().float().numpy(), chosen.numpy()]
    assert of_tensors == monitor.step(*arrays, bias=bias.numpy(), mask=np.arange(32) < 30, step=0)
