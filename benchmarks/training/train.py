"""Train the small MoE of benchmarks/recording with each balancer in the loop, one run after the other.

    python benchmarks/training/train.py all --out runs        # or names of single runs; plan.py has their order

A run has a folder of its own under --out: `run.json` describes it, `metrics.npz` appears when it has finished. `all`
passes over finished runs and continues a stopped one from its last checkpoint. `metrics.npz` holds, for S steps:
`loads` [S, L, E], `loss` [S] in nats, `seconds`, `cpu_seconds` and `balancer_seconds` [S], `regret` [n, L] at
`regret_steps` [n], and after the last step `validation_loads` [L, E], `validation_perplexity` and `bias` [L, E], what
the frozen routing adds to the scores (or multiplies them by).
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "recording"))

from balanced import Balanced
from corpus import Corpus, load_corpus
from loop import SEQUENCES, Learner, validate, write_whole
from model import Shape
from plan import FINISHED, GATE, METHODS, STEPS, Run, plan, unfinished

LEARNING_RATE, WARMUP = 1e-3, 50
CHECKPOINT_EVERY, REGRET_EVERY, VALIDATION_BATCHES = 50, 25, 32
SIZES = {16: Shape(16, 4, 64, GATE), 64: Shape(64, 8, 32, GATE)}


def train(run: Run, shape: Shape, corpus: Corpus, folder: Path) -> None:
    """Train to the last step, from the last checkpoint if there is one, then validate with the balancers frozen."""
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
        if step % CHECKPOINT_EVERY == 0:
            save(folder / "checkpoint.pt", step, learner, balancers, measured)
            print(f"{run.name} step {step} loss {measured['loss'][step - 1]:.3f}", flush=True)
    perplexity, loads = validate(learner.model, corpus, shape.length, VALIDATION_BATCHES)
    start = np.ones if hasattr(balancers[0].router, "factors") else np.zeros
    neutral = start((1, shape.experts))
    measured["bias"] = np.concatenate([balancer.keys(neutral) for balancer in balancers])
    measured |= {"validation_perplexity": np.array(perplexity), "validation_loads": loads}
    write_whole(folder / FINISHED, lambda file: np.savez_compressed(file, **measured))
    (folder / "checkpoint.pt").unlink(missing_ok=True)


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
    parser.add_argument("runs", nargs="+", help="names of runs, or `all`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS, help="for trials; runs of different lengths do not mix")
    arguments = parser.parse_args()
    planned = plan(arguments.steps)
    names = list(planned) if "all" in arguments.runs else arguments.runs
    if unknown := [name for name in names if name not in planned]:
        parser.error(f"no run is called {unknown[0]}; there are: all, {', '.join(planned)}")
    torch.set_num_threads(1)
    corpus = load_corpus()
    for run in unfinished(arguments.out, {name: planned[name] for name in names}):
        folder, shape = arguments.out / run.name, SIZES[run.experts]
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
