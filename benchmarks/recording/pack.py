"""Select from finished runs what ships with the package, and report what the routers look like.

    python benchmarks/recording/pack.py --runs runs --into src/equipoise/traces/recorded
    python benchmarks/recording/pack.py --runs runs --report docs/measured/trace.md

The selection: router logits of held-out tokens at chosen steps in every layer, the first 256 tokens of
consecutive training batches in one layer, and the load of every expert in every layer at every step.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

STREAM_LAYER = 1
TOKENS = {16: 1024, 64: 512}
SNAPSHOTS = {16: (30, 300, 1000), 64: (30, 1000)}
STREAMS = {
    "E16-none": (1, 64),
    "E16-aux-loss": (937, 1000),
    "E16-loss-free": (937, 1000),
    "E64-loss-free": (969, 1000),
}
SIZES = (16, 64)
LARGEST = 8_000_000


def select(folder: Path, name: str, experts: int) -> dict[str, np.ndarray]:
    """The arrays of one run that ship."""
    steps = [step for step in (*SNAPSHOTS[experts], 8000) if (folder / "snapshots" / f"{step:05d}.npz").exists()]
    snapshots = [np.load(folder / "snapshots" / f"{step:05d}.npz") for step in steps]
    arrays = {
        "steps": np.array(steps),
        "logits": np.stack([snapshot["logits"][:, : TOKENS[experts]] for snapshot in snapshots]),
        "bias": np.stack([snapshot["bias"] for snapshot in snapshots]).astype(np.float32),
        "loads": np.load(folder / "loads.npy"),
    }
    if name in STREAMS:
        first, last = STREAMS[name]
        stream = np.load(folder / "stream.npy", mmap_mode="r")
        arrays["stream"] = np.array(stream[first - 1 : last, STREAM_LAYER])
        arrays["stream_steps"] = np.arange(first, last + 1)
    return arrays


def pack(runs: Path, into: Path) -> None:
    """Write one archive per model size and the provenance with their hashes."""
    head = {"schema": "equipoise-recorded/1", "licence": "Apache-2.0"}
    described: dict[str, Any] = {**head, "stream_layer": STREAM_LAYER, "files": {}, "runs": {}}
    total = 0
    into.mkdir(parents=True, exist_ok=True)
    for experts in SIZES:
        arrays = {}
        for folder in sorted(runs.glob(f"E{experts}-*")):
            run = json.loads((folder / "run.json").read_text())
            described["runs"][folder.name] = run
            log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
            run["validation_perplexity"] = {
                row["step"]: row["validation_perplexity"] for row in log if "validation_perplexity" in row
            }
            arrays |= {f"{folder.name}/{key}": value for key, value in select(folder, folder.name, experts).items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        content, name = buffer.getvalue(), f"e{experts}.npz"
        described["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        total += len(content)
        (into / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes")
    total += sum(path.stat().st_size for path in into.glob("balancers.npz"))
    if total > LARGEST:
        raise SystemExit(f"the selection has {total:,} bytes, more than {LARGEST:,}")
    (into / "provenance.json").write_text(json.dumps(described, indent=1) + "\n")


def report(runs: Path) -> str:
    """Peak over mean load of the training batches by run, layer and step, with validation perplexity, as Markdown."""
    lines = [
        "# The recorded trace",
        "",
        "Six small MoE language models, trained on the standard library's sources by `benchmarks/recording/train.py`;",
        "the selection that ships was made by `benchmarks/recording/pack.py`, which also prints this page. Largest",
        "expert load over mean load per layer (four layers), averaged over the ten training steps that end at the",
        "step named; E / K is the worst possible value. Perplexity is per token of the validation files.",
        "What ships of it is described in [the dataset](../reference/dataset.md).",
        "",
        "| run | gate | E / K | step | layer 0 | layer 1 | layer 2 | layer 3 | validation perplexity |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for experts in SIZES:
        for folder in sorted(runs.glob(f"E{experts}-*")):
            run = json.loads((folder / "run.json").read_text())
            shape = run["shape"]
            loads = np.load(folder / "loads.npy").astype(float)
            log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
            perplexity = {row["step"]: row.get("validation_perplexity") for row in log}
            for step in (10, 30, 100, 300, 1000, 3000, 8000):
                if step <= run["steps"] and perplexity.get(step):
                    window = loads[step - 10 : step]
                    skew = (window.max(axis=2) / window.mean(axis=2)).mean(axis=0)
                    cells = " | ".join(f"{value:.2f}" for value in skew)
                    gate, worst = shape["gate"], shape["experts"] / shape["top_k"]
                    lines.append(f"| {folder.name} | {gate} | {worst:g} | {step} | {cells} | {perplexity[step]:.2f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--into", type=Path)
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    if arguments.into:
        pack(arguments.runs, arguments.into)
    if arguments.report:
        arguments.report.write_text(report(arguments.runs))


if __name__ == "__main__":
    main()
