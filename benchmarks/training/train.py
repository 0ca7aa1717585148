"""Train the small MoE of benchmarks/recording with each balancer in the loop, one run after the other.

    python benchmarks/training/train.py all --out runs        # plan.py has the order
    python benchmarks/training/train.py first --out first     # or the plan of the first 200 steps, or names of runs

A run has a folder of its own under --out: `run.json` describes it, `metrics.npz` appears when it has finished. Finished
runs are passed over and a stopped one continues from its last checkpoint. `metrics.npz` holds, for S steps: `loads`
[S, L, E], `loss` [S] in nats, `seconds`, `cpu_seconds` and `balancer_seconds` [S], `regret` [n, L] at `regret_steps`
[n], and after the last step, with the balancers frozen, `validation_loads` [B, L, E] and `validation_perplexity` of
held-out batches, `fresh_loads` and `fresh_perplexity` of as many batches of training text that would have come next,
and `bias` [L, E], what the frozen routing adds to the scores (or multiplies them by). `snapshots/` has the router
logits [L, T, E] of the first held-out batch at SNAPSHOTS and the bias then.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "recording"))

from balanced import Balanced
from corpus import Corpus, load_corpus
from loop import SEQUENCES, Learner, evaluate, held_out, snapshot, write_whole
from model import Shape
from plan import FINISHED, METHODS, PLANS, Run, unfinished

LEARNING_RATE, WARMUP = 1e-3, 50
CHECKPOINT_EVERY, REGRET_EVERY, VALIDATION_BATCHES = 50, 25, 32
SNAPSHOTS = (30, 100, 300)
SIZES = {16: Shape(16, 4, 64, "sigmoid"), 64: Shape(64, 8, 32, "sigmoid")}


def train(run: Run, shape: Shape, corpus: Corpus, folder: Path) -> None:
    """Train to the last step, from the last checkpoint if there is one, then evaluate with the balancers frozen."""
    method = METHODS[run.method]
    learner = Learner(shape, run.seed, LEARNING_RATE, WARMUP)
    balancers = [Balanced(method.router(), shape.top_k) for _ in range(shape.layers)]
    for mixture, balancer in zip(learner.model.mixtures, balancers, strict=True):
        mixture.choose = balancer
    measured = {
        "loads": np.zeros((run.steps, shape.layers, shape.experts), np.uint16),
        **{name: np.zeros(run.steps) for name in ("loss", "seconds", "cpu_seconds", "balancer_seconds")},
        "regret": np.zeros((run.steps // REGRET_EVERY + 1, shape.layers)),
        "regret_steps": np.array([1, *range(REGRET_EVERY, run.steps + 1, REGRET_EVERY)]),
    }
    first = restore(folder / "checkpoint.pt", learner, balancers, measured)
    for step in range(first + 1, run.steps + 1):
        for balancer in balancers:
            balancer.seconds = 0.0
        wall, processor = time.perf_counter(), time.process_time()
        measured["loss"][step - 1] = learner.step(step, corpus, method.aux_weight)
        measured["seconds"][step - 1] = time.perf_counter() - wall
        measured["cpu_seconds"][step - 1] = time.process_time() - processor
        measured["balancer_seconds"][step - 1] = sum(balancer.seconds for balancer in balancers)
        measured["loads"][step - 1] = [mixture.load.numpy() for mixture in learner.model.mixtures]
        if step in measured["regret_steps"]:
            place = int(np.searchsorted(measured["regret_steps"], step))
            measured["regret"][place] = [balancer.relative_regret() for balancer in balancers]
        if step in (*SNAPSHOTS, run.steps):
            seen = {"logits": snapshot(learner.model, corpus, shape.length), "bias": frozen_bias(balancers, shape)}
            (folder / "snapshots").mkdir(exist_ok=True)
            path = folder / "snapshots" / f"{step:05d}.npz"
            write_whole(path, lambda file, seen=seen: np.savez_compressed(file, **seen))
        if step % CHECKPOINT_EVERY == 0:
            save(folder / "checkpoint.pt", step, learner, balancers, measured)
            print(f"{run.name} step {step} loss {measured['loss'][step - 1]:.3f}", flush=True)
    numbers = range(run.steps + 1, run.steps + 1 + VALIDATION_BATCHES)
    texts = {
        "validation": held_out(corpus, shape.length, VALIDATION_BATCHES),
        "fresh": [torch.from_numpy(corpus.batch("train", run.seed, i, SEQUENCES, shape.length)) for i in numbers],
    }
    for name, batches in texts.items():
        perplexity, loads = evaluate(learner.model, batches)
        measured |= {f"{name}_perplexity": np.array(perplexity), f"{name}_loads": loads}
    measured["bias"] = frozen_bias(balancers, shape)
    write_whole(folder / FINISHED, lambda file: np.savez_compressed(file, **measured))
    (folder / "checkpoint.pt").unlink(missing_ok=True)


def frozen_bias(balancers: list[Balanced], shape: Shape) -> np.ndarray:
    """``[L, E]``: what frozen routing adds to the scores, or multiplies them by."""
    start = np.ones if hasattr(balancers[0].router, "factors") else np.zeros
    return np.concatenate([balancer.keys(start((1, shape.experts))) for balancer in balancers])


def save(path: Path, step: int, learner: Learner, balancers: list[Balanced], measured: dict[str, np.ndarray]) -> None:
    """Write a checkpoint."""
    state = learner.state() | {
        "step": step,
        "balancers": [balancer.state() for balancer in balancers],
        "measured": {name: torch.from_numpy(values) for name, values in measured.items()},
    }
    write_whole(path, lambda file: torch.save(state, file))


def restore(path: Path, learner: Learner, balancers: list[Balanced], measured: dict[str, np.ndarray]) -> int:
    """Continue from a checkpoint, if there is one, and return the last step done."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    learner.restore(state)
    for balancer, kept in zip(balancers, state["balancers"], strict=True):
        balancer.restore(kept)
    measured |= {name: values.numpy() for name, values in state["measured"].items()}
    return int(state["step"])


def describe(run: Run, shape: Shape, corpus: Corpus) -> dict[str, Any]:
    """Everything that someone needs to make the same run again."""
    return {
        **asdict(run),
        "aux_weight": METHODS[run.method].aux_weight,
        "shape": asdict(shape),
        "learning_rate": LEARNING_RATE,
        "warmup": WARMUP,
        "tokens_per_step": SEQUENCES * shape.length,
        "validation_tokens": VALIDATION_BATCHES * SEQUENCES * shape.length,
        "regret_every": REGRET_EVERY,
        "threads": torch.get_num_threads(),
        "corpus": {"source": "the standard library of the Python named below", "sha256": corpus.sha256},
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "machine": platform.machine(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="names of runs, or a plan: all, first")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, help="for trials; runs of different lengths do not mix")
    arguments = parser.parse_args()
    known = PLANS["first"](arguments.steps) | PLANS["all"](arguments.steps)
    planned: dict[str, Run] = {}
    for name in arguments.runs:
        if name not in known and name not in PLANS:
            parser.error(f"no run is called {name}; there are: {', '.join([*PLANS, *known])}")
        planned |= PLANS[name](arguments.steps) if name in PLANS else {name: known[name]}
    torch.set_num_threads(1)
    corpus = load_corpus()
    for run in unfinished(arguments.out, planned):
        folder, shape = arguments.out / run.name, replace(SIZES[run.experts], gate=METHODS[run.method].gate)
        folder.mkdir(parents=True, exist_ok=True)
        described, path = describe(run, shape, corpus), folder / "run.json"
        if path.exists() and json.loads(path.read_text()) != described:
            parser.error(f"{path} describes another run: other steps, sizes, corpus or versions; use another --out")
        text = json.dumps(described, indent=1).encode()
        write_whole(path, lambda file, text=text: file.write(text))
        started = time.perf_counter()
        train(run, shape, corpus, folder)
        print(f"{run.name} finished, {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
