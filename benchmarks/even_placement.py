"""How far from the proved bound `placement-search` ends with an even split, at mid sizes, and how long it takes.

    python benchmarks/even_placement.py [-o DIRECTORY]
    python benchmarks/even_placement.py --before OLD/even_placement.json --write

With ``--before``, the results of an older checkout stand beside those of this one; ``--write`` puts the table into
docs/measured/placement-search.md. Loads: 65,536 tokens, Zipf exponents of EXPONENTS, SEEDS seeds of each, and a layer
of a recorded training run where it has as many experts. No time limit; times are those of ``solve``, with the check.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from measure import Results, environment, table

from equipoise import PlacementProblem, solve
from equipoise.traces import recorded

PAGE = "measured/placement-search.md"

SIZES = ((32, 40, 8), (64, 72, 8), (160, 192, 16))
"""Experts, slots, devices."""

EXPONENTS = (0.3, 0.6, 1.0, 1.4, 1.8)
SEEDS = 5
RUN = "E64-none"


def loads(experts: int, slots: int, devices: int) -> Iterator[tuple[str, int, npt.NDArray[np.int64]]]:
    """Kind of loads, seed or step, and tokens of each expert."""
    for exponent in EXPONENTS:
        for seed in range(SEEDS):
            random = np.random.default_rng([experts, slots, devices, int(10 * exponent), seed])
            share = random.permutation(np.arange(1, experts + 1) ** -exponent)
            yield f"Zipf {exponent}", seed, random.multinomial(65_536, share / share.sum())
    run = recorded().loads(RUN)
    if experts == run.shape[2]:
        for step in range(0, len(run), len(run) // SEEDS)[:SEEDS]:
            yield "recorded", step, run[step, 1].astype(np.int64)


def solved(problem: PlacementProblem) -> dict[str, Any]:
    """What one call of ``solve`` gives."""
    solution = solve(problem, "placement-search")
    assert solution.objective is not None
    assert solution.lower is not None
    gap = float(solution.objective / solution.lower - 1)
    return {"peak": str(solution.objective), "bound": str(solution.lower), "gap": gap, "seconds": solution.seconds}


def summary(entries: list[dict[str, Any]]) -> list[Any]:
    """Proved of all, largest and median gap, median and most seconds."""
    gaps, seconds = [entry["gap"] for entry in entries], [entry["seconds"] for entry in entries]
    proved = f"{sum(entry['peak'] == entry['bound'] for entry in entries)} of {len(entries)}"
    middle, most = f"{statistics.median(gaps):.3%}", f"{max(gaps):.3%}"
    return [proved, middle, most, statistics.median(seconds), max(seconds)]


def main() -> int:
    """Solve every case, write JSON and Markdown, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("results"))
    parser.add_argument("--before", type=Path, help="JSON file of an older checkout")
    parser.add_argument("--write", action="store_true", help=f"also put the table into docs/{PAGE}")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    results = Results(options.output / "even_placement.json", environment(["equipoise", "numpy", "numba"]))
    before = json.loads(options.before.read_text())["results"] if options.before else {}
    solve(next(PlacementProblem(load, 40, 8) for _, _, load in loads(32, 40, 8)), "placement-search")  # compiles
    columns = ["proved", "median gap", "largest gap", "median seconds", "most seconds"]
    header = ["E", "P", "G", "loads", *([f"{name} before" for name in columns] if before else []), *columns]
    rows = []
    for sizes in SIZES:
        found: dict[str, list[str]] = {}
        for kind, number, load in loads(*sizes):
            key = "-".join(map(str, (*sizes, kind, number)))
            found.setdefault(kind, []).append(key)
            if key not in results:
                results.add(key, solved(PlacementProblem(load, *sizes[1:])))
        for kind, keys in found.items():
            older = summary([before[key] for key in keys]) if before else []
            rows.append([*sizes, kind, *older, *summary([results[key] for key in keys])])
            print(table(header, rows[-1:]).splitlines()[-1], flush=True)
    results.markdown("Even placements", "python benchmarks/even_placement.py", [table(header, rows)])
    if options.write:
        results.into_page(PAGE, [table(header, rows)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
