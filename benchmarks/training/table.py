"""The tables of docs/measured/training.md, from finished runs or from their figures. Needs no torch.

python benchmarks/training/table.py RUNS --json benchmarks/training/results.json     # figures of what has finished
python benchmarks/training/table.py benchmarks/training/results.json                 # Markdown
python benchmarks/training/table.py benchmarks/training/results.json --write docs/measured/training.md
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from plan import FINISHED, METHODS, PLANS, Run

from equipoise import metrics

BEGIN, END = "<!-- table.py: begin -->", "<!-- table.py: end -->"
SPEED = Path(__file__).with_name("speed.json")
LAST = 50
Form = tuple[str, str]
TRAINING: dict[str, Form] = {
    "perplexity": ("perplexity", "{:.2f}"),
    "loss_last": (f"loss, last {LAST} steps", "{:.3f}"),
    "avg_max_vio": ("AvgMaxVio", "{:.3f}"),
    "avg_max_vio_last": (f"last {LAST} steps", "{:.3f}"),
    "sup_max_vio": ("SupMaxVio", "{:.2f}"),
    "min_vio": ("MinVio", "{:.2f}"),
    "regret": ("regret", "{:.2%}"),
    "step_ms": ("ms a step", "{:.0f}"),
    "balancer_ms": ("of it balancer", "{:.1f}"),
}
FROZEN: dict[str, Form] = {
    "avg_max_vio_last": (f"in training, last {LAST} steps", "{:.3f}"),
    "fresh_max_vio": ("frozen, next training text", "{:.3f}"),
    "validation_max_vio": ("frozen, held-out text", "{:.3f}"),
    "validation_over_training": ("held-out over training", "{:.1f}"),
    "max_vio_global": ("MaxVio_global", "{:.3f}"),
    "fresh_perplexity": ("perplexity, next training text", "{:.2f}"),
    "perplexity": ("perplexity, held-out", "{:.2f}"),
}
PAIRS = (
    ("midpoint", "bip-4"),
    ("midpoint", "optimum"),
    ("quantile-midpoint", "quantile"),
    ("midpoint", "quantile"),
    ("bip-4-softmax", "bip-4"),
    *((method, "none") for method in METHODS if method != "none"),
)
DIFFERENCES: dict[str, Form] = {
    "perplexity": ("perplexity", "{:+.2f}"),
    "loss_last": (f"loss, last {LAST} steps", "{:+.4f}"),
    "avg_max_vio_last": (f"MaxVio, last {LAST} steps", "{:+.3f}"),
    "validation_max_vio": ("MaxVio, frozen, held-out", "{:+.3f}"),
    "regret": ("regret", "{:+.2%}"),
}


def measure(folder: Path) -> dict[str, float]:
    """The figures of one finished run: means and maxima run over steps and layers, or batches and layers."""
    with np.load(folder / FINISHED) as run:
        loads, validation, fresh = (np.asarray(run[name]) for name in ("loads", "validation_loads", "fresh_loads"))
        batches = loads.reshape(-1, loads.shape[-1])
        last = metrics.avg_max_vio(batches[-LAST * loads.shape[1] :])
        held_out = metrics.avg_max_vio(validation.reshape(-1, loads.shape[-1]))
        figures = {
            "perplexity": float(run["validation_perplexity"]),
            "fresh_perplexity": float(run["fresh_perplexity"]),
            "loss_last": float(run["loss"][-LAST:].mean()),
            "avg_max_vio": metrics.avg_max_vio(batches),
            "avg_max_vio_last": last,
            "sup_max_vio": metrics.sup_max_vio(batches),
            "fresh_max_vio": metrics.avg_max_vio(fresh.reshape(-1, loads.shape[-1])),
            "validation_max_vio": held_out,
            "max_vio_global": statistics.fmean(metrics.max_vio(load) for load in validation.sum(axis=0)),
            "min_vio": statistics.fmean(metrics.min_vio(load) for load in batches),
            "regret": float(run["regret"].mean()),
            "step_ms": 1e3 * float(np.median(run["cpu_seconds"])),
            "balancer_ms": 1e3 * float(np.median(run["balancer_seconds"])),
            "seconds": float(run["seconds"].sum()),
        }
    return figures if last == 0 else figures | {"validation_over_training": held_out / last}


def collect(folder: Path, planned: dict[str, Run]) -> dict[str, dict[str, Any]]:
    """Return what is known of every finished run of the plan, by name: its description and its figures."""
    found = {}
    for name in planned:
        if (folder / name / FINISHED).exists():
            described = json.loads((folder / name / "run.json").read_text())
            found[name] = {"run": described, "figures": measure(folder / name)}
    for experts in (16, 64):
        keys = ("steps", "tokens_per_step", "learning_rate", "corpus")
        own = [name for name in found if planned[name].experts == experts]
        settings = {json.dumps([found[name]["run"][key] for key in keys]) for name in own}
        if len(settings) > 1:
            raise SystemExit(f"{folder} mixes runs of different settings: {' and '.join(sorted(settings))}")
    return found


def by_method(found: dict[str, dict[str, Any]], planned: dict[str, Run], experts: int) -> dict[str, dict[int, Any]]:
    """Return the figures at this E by method and seed, in the order of METHODS."""
    sorted_out: dict[str, dict[int, Any]] = {}
    for method in METHODS:
        own = {
            run.seed: found[name]["figures"]
            for name, run in planned.items()
            if name in found and (run.experts, run.method) == (experts, method)
        }
        if own:
            sorted_out[method] = own
    return sorted_out


def shown(values: list[float], form: str) -> str:
    """Mean ± standard deviation; the mean alone of a single seed."""
    if not values:
        return "-"
    mean = form.format(statistics.fmean(values))
    return mean if len(values) == 1 else f"{mean} ± {form.replace('+', '').format(statistics.stdev(values))}"


def table(head: list[str], lines: list[list[str]]) -> str:
    """Return a Markdown table whose first column is text."""
    rows = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*rows, *("| " + " | ".join(line) + " |" for line in lines)])


def by_column(methods: dict[str, dict[int, Any]], planned: dict[str, int], columns: dict[str, Form]) -> str:
    """Return a row a method: mean and standard deviation of each figure over the seeds."""
    lines = []
    for method, seeds in methods.items():
        line = [METHODS[method].label, f"{len(seeds)}/{planned[method]}"]
        for key, (_, form) in columns.items():
            line.append(shown([figures[key] for figures in seeds.values() if key in figures], form))
        lines.append(line)
    return table(["method", "seeds", *(title for title, _ in columns.values())], lines)


def by_pair(methods: dict[str, dict[int, Any]]) -> str:
    """Return a row a pair: the differences, seed by seed, of what shares weights and batches."""
    lines = []
    for one, other in PAIRS:
        seeds = sorted(set(methods.get(one, {})) & set(methods.get(other, {})))
        if seeds:
            line = [f"{METHODS[one].label} - {METHODS[other].label}", str(len(seeds))]
            for key, (_, form) in DIFFERENCES.items():
                line.append(shown([methods[one][seed][key] - methods[other][seed][key] for seed in seeds], form))
            lines.append(line)
    return table(["difference", "seeds", *(title for title, _ in DIFFERENCES.values())], lines)


def markdown(found: dict[str, dict[str, Any]], planned: dict[str, Run]) -> str:
    """The tables of each E, under a line with their setting."""
    parts = []
    for experts in (16, 64):
        names = [name for name, run in planned.items() if run.experts == experts]
        done = [name for name in names if name in found]
        if not done:
            continue
        run = found[done[0]]["run"]
        shape, versions = run["shape"], run["versions"]
        methods = by_method(found, planned, experts)
        counts = {method: sum(planned[name].method == method for name in names) for method in methods}
        parts += [
            f"### E = {experts}",
            f"K = {shape['top_k']}, {shape['layers']} layers, {run['steps']} steps of {run['tokens_per_step']:,} "
            f"tokens; {len(done)} of {len(names)} runs finished. {run['machine']}, {run['threads']} thread, Python "
            f"{versions['python']}, torch {versions['torch']}, NumPy {versions['numpy']}.",
            "In training:",
            by_column(methods, counts, TRAINING),
            "Balance in training and after it, MaxVio of batches of the same size:",
            by_column(methods, counts, FROZEN),
            "Differences, seed by seed:",
            by_pair(methods),
        ]
    return "\n\n".join(parts or ["No run has finished yet."]) + "\n"


def speed(stored: dict[str, Any]) -> str:
    """Return the table of what speed.py measured."""
    lines = []
    for size, seconds in stored["seconds_a_step"].items():
        loop, grouped = seconds["one by one"], seconds["grouped"]
        lines.append([size.replace("E", "E = "), f"{1 / loop:.2f}", f"{1 / grouped:.2f}", f"{loop / grouped:.2f}"])
    head = ["model, plain top-K", "one by one, steps a second", "grouped, steps a second", "ratio"]
    setting = f"Median of {stored['steps']} steps, processor time, {stored['threads']} thread, {stored['machine']}:"
    return "\n\n".join(["### How fast a step is", setting, table(head, lines)]) + "\n"


def written(page: str, content: str) -> str:
    """Return ``page`` with what stands between its markers replaced by ``content``."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise SystemExit(f"the page needs one line {BEGIN} and, after it, one line {END}")
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{content}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="the --out of train.py, or the --json of this script")
    parser.add_argument("--plan", choices=list(PLANS), default="all")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    planned = PLANS[arguments.plan]()
    stored = arguments.runs.is_file()
    found = json.loads(arguments.runs.read_text()) if stored else collect(arguments.runs, planned)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    if arguments.write:
        timed = speed(json.loads(SPEED.read_text()))
        arguments.write.write_text(written(arguments.write.read_text(), markdown(found, planned) + "\n" + timed))
    if not arguments.json and not arguments.write:
        print(markdown(found, planned), end="")


if __name__ == "__main__":
    main()
