"""The tables of docs/measured/training.md from finished runs; fills as runs end. Needs no torch.

python benchmarks/training/table.py RUNS                              # Markdown
python benchmarks/training/table.py RUNS --json FILE                  # every run and every row, as numbers
python benchmarks/training/table.py RUNS --write docs/measured/training.md
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from plan import FINISHED, METHODS, plan

from equipoise import metrics

BEGIN, END = "<!-- table.py: begin -->", "<!-- table.py: end -->"
LAST = 50
COLUMNS = {
    "perplexity": ("perplexity", "{:.2f}"),
    "avg_max_vio": ("AvgMaxVio", "{:.3f}"),
    "avg_max_vio_last": (f"last {LAST} steps", "{:.3f}"),
    "sup_max_vio": ("SupMaxVio", "{:.2f}"),
    "max_vio_global": ("MaxVio_global", "{:.3f}"),
    "min_vio": ("MinVio", "{:.2f}"),
    "regret": ("regret", "{:.2%}"),
    "step_ms": ("ms a step", "{:.0f}"),
    "balancer_ms": ("of it balancer", "{:.1f}"),
}


def measure(folder: Path) -> dict[str, float]:
    """The figures of one finished run, named as in COLUMNS: means and maxima run over steps and layers."""
    with np.load(folder / FINISHED) as run:
        loads, validation = run["loads"], run["validation_loads"]
        batches = loads.reshape(-1, loads.shape[-1])
        return {
            "perplexity": float(run["validation_perplexity"]),
            "avg_max_vio": metrics.avg_max_vio(batches),
            "avg_max_vio_last": metrics.avg_max_vio(batches[-LAST * loads.shape[1] :]),
            "sup_max_vio": metrics.sup_max_vio(batches),
            "max_vio_global": statistics.fmean(metrics.max_vio(load) for load in validation),
            "min_vio": statistics.fmean(metrics.min_vio(load) for load in batches),
            "regret": float(run["regret"].mean()),
            "step_ms": 1e3 * float(np.median(run["cpu_seconds"])),
            "balancer_ms": 1e3 * float(np.median(run["balancer_seconds"])),
            "seconds": float(run["seconds"].sum()),
        }


def collect(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what is known of every finished run of the plan, by name: its description and its figures."""
    found = {}
    for name in plan():
        if (folder / name / FINISHED).exists():
            described = json.loads((folder / name / "run.json").read_text())
            found[name] = {"run": described, "figures": measure(folder / name)}
    settings = {
        json.dumps([found[name]["run"][key] for key in ("steps", "tokens_per_step", "learning_rate", "corpus")])
        for name in found
    }
    if len(settings) > 1:
        raise SystemExit(f"{folder} mixes runs of different settings: {' and '.join(sorted(settings))}")
    return found


def rows(found: dict[str, dict[str, Any]], experts: int) -> list[dict[str, Any]]:
    """One row a method that has finished runs at this E: mean and standard deviation of each figure over seeds."""
    table = []
    for method, entry in METHODS.items():
        planned = [name for name, run in plan().items() if (run.experts, run.method) == (experts, method)]
        figures = [found[name]["figures"] for name in planned if name in found]
        if figures:
            row = {"method": method, "label": entry.label, "seeds": len(figures), "planned": len(planned)}
            for key in (*COLUMNS, "seconds"):
                values = [run[key] for run in figures]
                spread = statistics.stdev(values) if len(values) > 1 else None
                row[key] = {"mean": statistics.fmean(values), "spread": spread}
            table.append(row)
    return table


def markdown(found: dict[str, dict[str, Any]]) -> str:
    """Both tables, each under a line with its setting."""
    if not found:
        return "No run has finished yet.\n"
    parts = []
    for experts in (16, 64):
        names = [name for name, run in plan().items() if run.experts == experts]
        done = [name for name in names if name in found]
        if not done:
            continue
        run = found[done[0]]["run"]
        shape = run["shape"]
        setting = (
            f"E = {experts}, K = {shape['top_k']}, {shape['layers']} layers, {shape['gate']} gate, "
            f"{run['steps']} steps of {run['tokens_per_step']:,} tokens; {len(done)} of {len(names)} runs finished:"
        )
        head = ["method", "seeds", *(title for title, _ in COLUMNS.values())]
        lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
        for row in rows(found, experts):
            cells = [row["label"], f"{row['seeds']}/{row['planned']}"]
            cells += [shown(row[key], form) for key, (_, form) in COLUMNS.items()]
            lines.append("| " + " | ".join(cells) + " |")
        parts.append("\n".join([setting, "", *lines]))
    return "\n\n".join(parts) + "\n"


def shown(value: dict[str, Any], form: str) -> str:
    """Mean ± standard deviation; the mean alone of a single seed."""
    mean = form.format(value["mean"])
    return mean if value["spread"] is None else f"{mean} ± {form.format(value['spread'])}"


def written(page: str, table: str) -> str:
    """Return ``page`` with what stands between its markers replaced by ``table``."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise SystemExit(f"the page needs one line {BEGIN} and, after it, one line {END}")
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="the --out of train.py")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    found = collect(arguments.runs)
    if arguments.json:
        content = {"runs": found, "rows": {f"E{experts}": rows(found, experts) for experts in (16, 64)}}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")
    if arguments.write:
        arguments.write.write_text(written(arguments.write.read_text(), markdown(found)))
    if not arguments.json and not arguments.write:
        print(markdown(found), end="")


if __name__ == "__main__":
    main()
