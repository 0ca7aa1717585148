"""Train the small language model of benchmarks/recording with a monitor and a recording. Needs torch.

python examples/monitor/small_model.py --steps 50 --out runs
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks" / "recording"))

from corpus import load_corpus
from loop import Learner
from model import MixtureOfExperts, Shape

import equipoise
from equipoise.recorder import Observed

SHAPE = Shape(experts=16, top_k=4, expert_width=64, gate="sigmoid")
BIAS_STEP = 1e-3


def read(mixture: MixtureOfExperts, inputs: object, keywords: object, output: object) -> Observed:
    """Say what a mixture of this model did: its class is not one that Equipoise knows."""
    return Observed(mixture.logits, gate=SHAPE.gate, top_k=SHAPE.top_k)


def train(steps: int, folder: Path) -> None:
    """Train with Loss-Free Balancing."""
    corpus, learner = load_corpus(), Learner(SHAPE, seed=0, learning_rate=1e-3, warmup=50)
    sinks = [equipoise.monitor.jsonl(folder / "run.jsonl"), equipoise.monitor.prometheus(folder / "equipoise.prom")]
    with (
        equipoise.Monitor(sinks, exact_every=20) as monitor,
        equipoise.record(learner.model, folder / "trace.npz", every=10, tokens=512, readers={"MixtureOfExperts": read}),
    ):
        for step in range(1, steps + 1):
            loss = learner.step(step, corpus)
            for layer, mixture in enumerate(learner.model.mixtures):
                scores = torch.sigmoid(mixture.logits)
                chosen = torch.topk(scores + mixture.bias, SHAPE.top_k, dim=-1).indices
                monitor.step(scores, chosen, layer=f"layer{layer}", bias=mixture.bias)
                mixture.bias += BIAS_STEP * torch.sign(mixture.load.float().mean() - mixture.load)
            if step % 10 == 0:
                print(f"step {step}  loss {loss:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    train(arguments.steps, arguments.out)


if __name__ == "__main__":
    main()
