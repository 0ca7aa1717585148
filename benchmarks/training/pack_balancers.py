"""Select from the runs of train.py the part "balancers" of the dataset that ships (docs/reference/dataset.md).

    python benchmarks/training/pack_balancers.py --runs runs --into src/equipoise/traces/recorded
    python benchmarks/training/pack_balancers.py --runs runs --into elsewhere --whole

Of each run of seed 0: the logits of the first held-out tokens in every layer after the last step, the bias then, and
the loads of every tenth step. `--whole` keeps both seeds, every recorded step, all 2,048 tokens and every load.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from plan import FINISHED, PLANS, Run

TOKENS = {16: 256, 64: 128}
EVERY = 10
LARGEST = 8_000_000
NAME = "balancers"


def select(folder: Path, run: Run, whole: bool) -> dict[str, np.ndarray]:
    """The arrays of one finished run."""
    paths = sorted((folder / "snapshots").glob("*.npz"))[0 if whole else -1 :]
    snapshots = [np.load(path) for path in paths]
    tokens = None if whole else TOKENS[run.experts]
    with np.load(folder / FINISHED) as measured:
        loads = measured["loads"]
    every = 1 if whole else EVERY
    return {
        "steps": np.array([int(path.stem) for path in paths]),
        "logits": np.stack([snapshot["logits"][:, :tokens] for snapshot in snapshots]),
        "bias": np.stack([snapshot["bias"] for snapshot in snapshots]).astype(np.float32),
        "loads": loads[every - 1 :: every],
        "load_steps": np.arange(every, len(loads) + 1, every),
    }


def describe(folder: Path, run: Run) -> dict[str, Any]:
    """What a run of the dataset says of itself: its own description, its command, and its perplexity at the end."""
    described = json.loads((folder / "run.json").read_text())
    command = f"python benchmarks/training/train.py {run.name} --out runs"
    with np.load(folder / FINISHED) as measured:
        perplexity = {str(run.steps): round(float(measured["validation_perplexity"]), 3)}
    named = {"name": run.name, "command": command, "balancing": described.pop("method")}
    return {**named, **described, "validation_perplexity": perplexity}


def pack(runs: Path, into: Path, whole: bool) -> None:
    """Write the archive and its description."""
    arrays, described = {}, {}
    for name, run in PLANS["all"]().items():
        if (runs / name / FINISHED).exists() and (whole or run.seed == 0):
            described[name] = describe(runs / name, run)
            arrays |= {f"{name}/{key}": value for key, value in select(runs / name, run, whole).items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    content = buffer.getvalue()
    others = sum(path.stat().st_size for path in into.glob("*.npz") if path.stem != NAME)
    if not whole and len(content) + others > LARGEST:
        raise SystemExit(f"the dataset would have {len(content) + others:,} bytes, more than {LARGEST:,}")
    into.mkdir(parents=True, exist_ok=True)
    files = {f"{NAME}.npz": {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}}
    head = {"schema": "equipoise-recorded/1", "licence": "Apache-2.0", "files": files, "runs": described}
    (into / f"{NAME}.npz").write_bytes(content)
    (into / f"{NAME}.json").write_text(json.dumps(head, indent=1) + "\n")
    print(f"{NAME}.npz: {len(described)} runs, {len(content):,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--whole", action="store_true")
    arguments = parser.parse_args()
    pack(arguments.runs, arguments.into, arguments.whole)


if __name__ == "__main__":
    main()
