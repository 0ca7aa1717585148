"""What the exact inner evaluation is worth: free placements before and after the descent, and their proved gaps.

    python benchmarks/placement_search.py [-o DIRECTORY]
    python benchmarks/placement_search.py --write    # also puts the table into docs/measured/placement-search.md

"Before" is the best of greedy and chain; "after" adds the descent of solvers/placement/descent.py, which counts
evaluations and not seconds, so that the peaks are the same on every machine. Both are compared with the best bound that
a certificate can carry. Zipf loads of 65,536 tokens, seeds fixed by the sizes; no time limit.
"""

from __future__ import annotations

import argparse
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
from measure import Results, environment, table

from equipoise import PlacementProblem
from equipoise.solvers.placement.bounds import best_bound
from equipoise.solvers.placement.certify import peak_of_counts
from equipoise.solvers.placement.chain import chained
from equipoise.solvers.placement.descent import descended
from equipoise.solvers.placement.greedy import greedy_counts

PAGE = "measured/placement-search.md"

CASES = (
    (16, 20, 10, 0.6),
    (32, 36, 12, 0.6),
    (32, 40, 10, 1.0),
    (64, 72, 12, 1.0),
    (64, 72, 24, 0.6),
    (128, 144, 48, 0.6),
    (256, 288, 32, 1.0),
    (256, 288, 96, 0.6),
    (256, 288, 96, 1.0),
    (256, 288, 144, 0.6),
)
"""Experts, slots, devices, Zipf exponent; but for one, too few slots for a chain of all devices."""


def instance(experts: int, slots: int, devices: int, zipf: float) -> PlacementProblem:
    random = np.random.default_rng([experts, slots, devices, int(10 * zipf)])
    share = random.permutation(np.arange(1, experts + 1) ** -zipf)
    return PlacementProblem(random.multinomial(65_536, share / share.sum()), slots, devices, "free")


def main() -> int:
    """Search every case, write JSON and Markdown, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("results"))
    parser.add_argument("--write", action="store_true", help=f"also put the table into docs/{PAGE}")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    facts = environment(["equipoise", "numpy", "numba"])
    results = Results(options.output / "placement_search.json", facts)
    header = ["E", "P", "G", "Zipf", "bound", "argument", "peak before", "peak after", "gap before", "gap after"]
    header += ["seconds before", "seconds of the descent"]
    rows = []
    descended(warm := instance(4, 6, 3, 0.6), greedy_counts(warm), Fraction(0))  # compiles what is compiled
    for case in CASES:
        problem = instance(*case)
        started = time.perf_counter()
        start = chained(problem, greedy_counts(problem))
        between = time.perf_counter()
        before = peak_of_counts(problem, start)
        floor = best_bound(problem).value
        resumed = time.perf_counter()
        counts = start if before == floor else descended(problem, start, floor)
        searched = time.perf_counter() - resumed
        after = peak_of_counts(problem, counts)
        assert before is not None
        assert after is not None
        bound = best_bound(problem, after)
        row = [*case, float(bound.value), bound.argument, float(before), float(after)]
        row += [gap(before, bound.value), gap(after, bound.value), between - started, searched]
        results.add("-".join(map(str, case)), dict(zip(header, row, strict=True)))
        rows.append([f"{value:.6g}" if isinstance(value, float) else value for value in row[:-2]] + row[-2:])
        print(table(header, rows[-1:]).splitlines()[-1], flush=True)
    results.markdown("Free placements", "python benchmarks/placement_search.py", [table(header, rows)])
    if options.write:
        results.into_page(PAGE, [table(header, rows)])
    return 0


def gap(peak: Fraction, bound: Fraction) -> str:
    return f"{float(peak / bound - 1):.3%}"


if __name__ == "__main__":
    sys.exit(main())
