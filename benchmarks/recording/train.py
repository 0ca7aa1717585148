"""Train one small MoE language model and record what its routers did.

    python benchmarks/recording/train.py E16-none --out runs      # one of RUNS; `all` runs each in turn

A run stores, in a folder of its own under --out: `loads.npy` (steps, layers, experts), `stream.npy` (router logits
of the first tokens of every training batch), `snapshots/` (router logits of one held-out batch at chosen steps),
`log.jsonl` (losses, validation perplexity) and `run.json` (the whole description). It continues where it stopped.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from corpus import Corpus, load_corpus
from loop import SEQUENCES, Learner, evaluate, held_out, snapshot, write_whole
from model import Balancing, Shape

STREAM_TOKENS, CHECKPOINT_EVERY = 256, 250


@dataclass(frozen=True)
class Run:
    """What distinguishes one training run."""

    shape: Shape
    balancing: Balancing
    steps: int = 1000
    seed: int = 0
    learning_rate: float = 1e-3
    warmup: int = 50
    aux_weight: float = 1e-3
    bias_step: float = 1e-3

    @property
    def snapshot_steps(self) -> tuple[int, ...]:
        return tuple(step for step in (1, 10, 30, 100, 300, 1000, 3000, 8000) if step <= self.steps)


def _shape(experts: int, gate: str) -> Shape:
    return Shape(experts, *((4, 64) if experts == 16 else (8, 32)), gate=gate)  # type: ignore[arg-type]


RUNS = {
    f"E{experts}-{balancing}": Run(
        _shape(experts, "sigmoid" if balancing == "loss-free" else "softmax"),
        balancing,  # type: ignore[arg-type]
        steps=8000 if (experts, balancing) == (16, "aux-loss") else 1000,
    )
    for experts in (16, 64)
    for balancing in ("none", "loss-free", "aux-loss")
}


def train(name: str, run: Run, corpus: Corpus, folder: Path) -> None:
    """Train to the last step, from the last checkpoint if there is one."""
    shape = run.shape
    (folder / "snapshots").mkdir(parents=True, exist_ok=True)
    learner = Learner(shape, run.seed, run.learning_rate, run.warmup)
    model, aux_weight = learner.model, run.aux_weight if run.balancing == "aux-loss" else 0.0
    loads = np.zeros((run.steps, shape.layers, shape.experts), np.uint16)
    stream_steps = min(run.steps, 1000)
    stream_shape = (stream_steps, shape.layers, STREAM_TOKENS, shape.experts)
    checkpoint, first, seconds = folder / "checkpoint.pt", 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        learner.restore(state)
        first, seconds = state["step"], state["seconds"]
        loads[:first] = np.load(folder / "loads.npy")[:first]
        stream = np.lib.format.open_memmap(folder / "stream.npy", mode="r+")
    else:
        stream = np.lib.format.open_memmap(folder / "stream.npy", "w+", np.float16, stream_shape)
    if first >= run.steps:
        return
    started = time.perf_counter()
    for step in range(first + 1, run.steps + 1):
        loss = learner.step(step, corpus, aux_weight)
        for layer, mixture in enumerate(model.mixtures):
            loads[step - 1, layer] = mixture.load.numpy()
            if step <= stream_steps:
                stream[step - 1, layer] = mixture.logits[:STREAM_TOKENS].numpy()
            if run.balancing == "loss-free":
                mixture.bias += run.bias_step * torch.sign(mixture.load.float().mean() - mixture.load)
        last = step == run.steps
        if step in run.snapshot_steps:
            logits = snapshot(model, corpus, shape.length)
            bias = torch.stack([mixture.bias for mixture in model.mixtures]).numpy()
            write_whole(
                folder / "snapshots" / f"{step:05d}.npz", lambda f, a=logits, b=bias: np.savez(f, logits=a, bias=b)
            )
        if step % 50 == 0 or step in run.snapshot_steps:
            row = {
                "step": step,
                "loss": round(loss, 4),
                "peak_over_mean": [round(float(load.max() / load.mean()), 3) for load in loads[step - 1]],
                "seconds": round(seconds + time.perf_counter() - started, 1),
            }
            if step in run.snapshot_steps or step % CHECKPOINT_EVERY == 0:
                row["validation_perplexity"] = round(evaluate(model, held_out(corpus, shape.length))[0], 3)
            with open(folder / "log.jsonl", "a") as log:
                log.write(json.dumps(row) + "\n")
            print(name, json.dumps(row), flush=True)
        if step % CHECKPOINT_EVERY == 0 or last:
            stream.flush()
            write_whole(folder / "loads.npy", lambda f: np.save(f, loads))
            state = learner.state() | {"step": step, "seconds": seconds + time.perf_counter() - started}
            write_whole(checkpoint, lambda f, s=state: torch.save(s, f))


def describe(name: str, run: Run, corpus: Corpus) -> dict[str, object]:
    """Everything that someone needs to make the same run again."""
    return {
        "name": name,
        "command": f"python benchmarks/recording/train.py {name}",
        **asdict(run),
        "tokens_per_step": SEQUENCES * run.shape.length,
        "corpus": {"source": "the standard library of the Python named below", "sha256": corpus.sha256},
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "machine": platform.machine(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", choices=[*RUNS, "all"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1, help="threads of one run; results depend on it slightly")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    corpus = load_corpus()
    print(f"{len(corpus.train):,} training tokens, {len(corpus.validation):,} validation tokens", file=sys.stderr)
    for name in RUNS if "all" in arguments.runs else arguments.runs:
        folder = arguments.out / name
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "run.json").exists():
            text = json.dumps(describe(name, RUNS[name], corpus), indent=1)
            write_whole(folder / "run.json", lambda f, t=text: f.write(t.encode()))
        train(name, RUNS[name], corpus, folder)


if __name__ == "__main__":
    main()
