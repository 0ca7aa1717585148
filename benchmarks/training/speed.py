"""Processor time of a training step with the experts' products grouped and one by one, taken in turns in one run.

python benchmarks/training/speed.py --steps 40 --json benchmarks/training/speed.json
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.append(str(Path(__file__).resolve().parents[1] / "recording"))

from corpus import Corpus, load_corpus
from loop import Learner, write_whole
from model import MixtureOfExperts, Shape, grouped
from train import LEARNING_RATE, SIZES, WARMUP


def one_by_one(rows: Tensor, weight: Tensor, load: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """The same as :func:`model.grouped`, an expert at a time."""
    slices = torch.split(rows, load.tolist())
    parts = [F.gelu(part @ first) @ second for part, first, second in zip(slices, up, down, strict=True)]
    return torch.cat(parts) * weight[:, None]


FORMS = {"one by one": one_by_one, "grouped": grouped}


def measure(shape: Shape, corpus: Corpus, steps: int) -> dict[str, float]:
    """Median seconds of a step by form; both learn from the same batches, and the form that begins alternates."""
    learners = {form: Learner(shape, 0, LEARNING_RATE, WARMUP) for form in FORMS}
    seconds: dict[str, list[float]] = {form: [] for form in FORMS}
    for step in range(1, steps + 1):
        for form in list(FORMS)[:: 1 if step % 2 else -1]:
            MixtureOfExperts.experts = staticmethod(FORMS[form])
            started = time.process_time()
            learners[form].step(step, corpus)
            seconds[form].append(time.process_time() - started)
    return {form: statistics.median(taken) for form, taken in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    corpus = load_corpus()
    found = {f"E{experts}": measure(shape, corpus, arguments.steps) for experts, shape in SIZES.items()}
    content = {
        "steps": arguments.steps,
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "machine": platform.machine(),
        "seconds_a_step": found,
    }
    text = json.dumps(content, indent=1) + "\n"
    write_whole(arguments.json, lambda file: file.write(text.encode()))
    print(text, end="")


if __name__ == "__main__":
    main()
