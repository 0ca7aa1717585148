"""The golden placements: FlashLB's case (vllm-ascend PR 3042) and the two layers of EPLB's README, as Markdown.

python benchmarks/golden.py
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from equipoise import PlacementProblem, Solution, solve
from equipoise.reference.placement.eplb import eplb

FLASH = (600, 560, 120, 120, 20, 10, 10, 10)
README = (
    (90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86),
    (20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27),
)
SLOTS, DEVICES = 16, 8

CASES = {
    "FlashLB": (FLASH, 1, 1),
    "EPLB README, layer 0, 4 groups on 2 nodes": (README[0], 4, 2),
    "EPLB README, layer 1, 4 groups on 2 nodes": (README[1], 4, 2),
    "EPLB README, layer 0, flat": (README[0], 1, 1),
    "EPLB README, layer 1, flat": (README[1], 1, 1),
}
"""Loads, groups and nodes by name; all with 16 slots on 8 devices."""

TIME_LIMIT = 60.0


@dataclass(frozen=True)
class Golden:
    """EPLB's peaks and the optima of one case."""

    name: str
    mean: Fraction
    eplb: Fraction
    eplb_split: Fraction
    even: Solution
    free: Solution


def published(name: str) -> tuple[Fraction, Fraction]:
    """Return EPLB's peak on one of ``CASES``, and the certified peak of the best split on its placement."""
    load, groups, nodes = CASES[name]
    problem = PlacementProblem(load, SLOTS, DEVICES, "even", groups, nodes)
    placed = eplb(np.array(load), SLOTS, groups, nodes, DEVICES)
    split = solve(problem.schedule(placed))
    assert split.evidence == "certified", split.raw_status
    assert split.objective is not None
    return problem.even_peak(placed), split.objective


def golden(name: str) -> Golden:
    """Work out one of ``CASES``."""
    load, groups, nodes = CASES[name]
    even, free = (
        solve(PlacementProblem(load, SLOTS, DEVICES, split, groups, nodes), time_limit=TIME_LIMIT)
        for split in ("even", "free")
    )
    return Golden(name, Fraction(sum(load), DEVICES), *published(name), even, free)


def lines() -> Iterator[str]:
    """Return the table, a line at a time."""
    yield "| case | mean | EPLB | EPLB, optimal split | optimum, even split | optimum, free split |"
    yield "|---|---:|---:|---:|---|---|"
    for row in map(golden, CASES):
        figures = (exact(figure) for figure in (row.mean, row.eplb, row.eplb_split))
        yield f"| {row.name} | {' | '.join(figures)} | {proved(row.even)} | {proved(row.free)} |"


def exact(value: Fraction) -> str:
    """Show a fraction as a decimal if that is exact, else as p/q as well."""
    shown = f"{float(value):g}"
    return shown if Fraction(shown) == value else f"{value} = {float(value):.2f}"


def proved(solution: Solution) -> str:
    """Show an optimum and its evidence, or the bounds around it."""
    argument = getattr(solution.certificate, "argument", "")
    if solution.status == "optimal" and solution.objective is not None:
        by = f" ({argument})" if argument else ""
        return f"{exact(solution.objective)}, {solution.evidence}{by}"
    bounds = (solution.lower, solution.upper)
    return "{} to {}, bounded".format(*("?" if bound is None else exact(bound) for bound in bounds))


if __name__ == "__main__":
    for line in lines():
        print(line, flush=True)
