"""How long does a certified optimum take where the batch is: `equipoise.torch.solve` against `torch.topk`.

    python benchmarks/torch_batches.py                     on the GPU if there is one, else on the CPU
    python benchmarks/torch_batches.py --sizes 16384x64    other sizes T x E

Medians of the sides, in turn in every round, after one call each that is not counted. `bound` is
`equipoise.torch.regret_bound` of plain top-K. Sides that are not installed or do not fit are said not to be measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import torch
from dual_descent_scores import scores
from measure import environment, race

import equipoise.torch as batches

TOP_K = 8


def finished(side: Callable[[], object], device: str) -> Callable[[], None]:
    """``side`` until the device has nothing left to do."""

    def run() -> None:
        side()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sizes", nargs="*", default=["65536x256", "1048576x256"], help="T x E")
    arguments.add_argument("--gates", nargs="*", default=["sigmoid", "low-rank", "bf16"])
    arguments.add_argument("--rounds", type=int, default=5)
    given = arguments.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print("device:", torch.cuda.get_device_name() if device == "cuda" else "CPU", environment(("equipoise", "torch")))
    print(f"{'batch':>24}  {'topk, ms':>9}  {'bound / topk':>12}  {'solve / topk':>12}  {'start / topk':>12}")
    for size in given.sizes:
        tokens, experts = map(int, size.split("x"))
        for gate in given.gates:
            batch = torch.tensor(scores(tokens, experts, gate)).to(device)
            chosen = torch.topk(batch, TOP_K).indices
            first = batches.solve(batch, TOP_K)
            sides = {
                "topk": partial(torch.topk, batch, TOP_K),
                "bound": partial(batches.regret_bound, batch, chosen),
                "solve": partial(batches.solve, batch, TOP_K),
                "start": partial(batches.solve, batch, TOP_K, start=first),
            }
            timings = race({name: finished(side, device) for name, side in sides.items()}, given.rounds)
            ratios = "  ".join(f"{timings[name].times(timings['topk']):12.2f}" for name in ("bound", "solve", "start"))
            print(f"{size + ' ' + gate:>24}  {1000 * timings['topk'].median:9.2f}  {ratios}  {first.evidence}")


if __name__ == "__main__":
    main()
