"""The frontier of peak against copies in docs/measured/replication.md: one layer of the DeepSeek-V3 counts.

python benchmarks/replication.py FOLDER            # where prefill_in1024.json of sglang issue 6017 is; print it
python benchmarks/replication.py FOLDER --write    # put it into its page
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from pages import fill

import equipoise

LAYER, DEVICES, SLOTS = 10, 32, 2
COPIES = (0, 1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 48, 64)


def table(folder: Path) -> str:
    """Return a row for every number of copies: peak, proved bound, gap, which argument proves it."""
    loads = equipoise.read_loads(folder / "prefill_in1024.json").loads
    load = loads.reshape(-1, loads.shape[-1])[LAYER]
    home = np.repeat(np.arange(DEVICES), len(load) // DEVICES)
    problem = equipoise.ReplicationProblem(load, home, DEVICES, SLOTS)
    lines = [
        "| copies at most | used | peak / mean | proved bound / mean | gap | by |",
        "|---:|---:|---:|---:|---:|---|",
    ]
    for most, found in equipoise.replication_frontier(problem, COPIES).items():
        assert found.objective is not None
        assert found.lower is not None
        assert found.copies is not None
        peak, bound = float(found.objective / problem.mean), float(found.lower / problem.mean)
        gap = float(found.objective / found.lower) - 1
        proof = found.proof.argument if found.proof is not None else "-"  # type: ignore[attr-defined]
        lines.append(f"| {most} | {int(found.copies.sum())} | {peak:.4f} | {bound:.4f} | {gap:.2%} | {proof} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    made = table(options.folder)
    if options.write:
        fill("measured/replication.md", "replication.py", made)
    else:
        print(made)
