"""How fast is `dual-descent`, against whom, and in how much memory?

    python benchmarks/dual_descent.py                      everything; writes .json, .md, .svg
    python benchmarks/dual_descent.py --only 65536x256     the cases whose name contains this
    python benchmarks/dual_descent.py --list               their names
    python benchmarks/dual_descent.py --write              also puts tables and plot into docs/measured/dual-descent.md

The sides of a case run in the same rounds, after one call that is not counted (it compiles). `solve` is
`equipoise.solve` from float32 scores to a certified solution, the solver-free check included; `engine` is its engine
alone. Memory is the peak of a process of its own that makes the scores, in blocks, and runs one side once; min-cost
flow of more than ten million arcs runs only there. Results are kept by name, so an interrupted run continues.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from dual_descent_report import plot, sections
from dual_descent_scores import GATES, drifting, scores
from measure import Results, Timing, environment, peak_memory, race

from equipoise import AssignmentProblem, frontier, solve
from equipoise.solvers.assignment import flow
from equipoise.solvers.assignment.dual_descent import engine
from equipoise.solvers.solve import claim

PACKAGES = ("equipoise", "numpy", "numba", "ortools", "scipy", "pot", "pulp")
SKEWS = (0.0, 1.0, 2.0, 3.0)
DOCS = Path(__file__).parents[1] / "docs"
PICTURE = "Seconds and memory against the number of tokens, log-log, and the ratio to argpartition by kind of scores"
LIMIT = 16 << 30
"""Address space of a side that runs in a process of its own; what does not fit is said not to."""


def linear_sum(problem: AssignmentProblem) -> None:
    """SciPy's assignment: K = 1, every expert repeated as often as it has room."""
    from scipy.optimize import linear_sum_assignment

    linear_sum_assignment(np.repeat(problem.scores, problem.capacity, axis=1), maximize=True)


def transport(problem: AssignmentProblem) -> None:
    """POT's network simplex: K = 1, tight capacities."""
    import ot

    mass = np.full(problem.num_tokens, 1 / problem.num_tokens)
    ot.emd(mass, problem.capacity / problem.capacity.sum(), -problem.scores.astype(float), numItermax=10**8)


def linear_program(problem: AssignmentProblem) -> None:
    """SciPy's HiGHS on the LP relaxation."""
    from scipy.optimize import linprog
    from scipy.sparse import identity, kron

    tokens, experts = problem.scores.shape
    rows = kron(identity(tokens), np.ones((1, experts)))
    columns = kron(np.ones((1, tokens)), identity(experts))
    linprog(
        -problem.scores.astype(float).ravel(),
        A_eq=rows.tocsr(),
        b_eq=np.full(tokens, problem.top_k),
        A_ub=columns.tocsr(),
        b_ub=problem.capacity,
        bounds=(0, 1),
        method="highs",
    )


SIDES: dict[str, Callable[[AssignmentProblem], Any]] = {
    "solve": lambda p: solve(AssignmentProblem(p.scores, p.top_k), "dual-descent"),
    "argpartition": lambda p: np.argpartition(-p.scores, p.top_k - 1, axis=1),
    "engine": lambda p: engine.solve(AssignmentProblem(p.scores, p.top_k), None),
    "ortools-flow": lambda p: flow.solve(p, None),
    **{
        name: lambda p, name=name: claim(p, name)
        for name in ("ortools-glop", "ortools-pdlp", "ortools-highs", "pulp-cbc")
    },
    "scipy-highs": linear_program,
    "scipy-assignment": linear_sum,
    "pot-simplex": transport,
}
LINEAR = ("ortools-glop", "ortools-pdlp", "ortools-highs", "pulp-cbc", "scipy-highs")


@dataclass(frozen=True)
class Case:
    """Scores, the sides that race beside `solve` and argpartition, and those that run alone."""

    tokens: int
    experts: int
    top_k: int = 8
    gate: str = "sigmoid"
    skew: float = 1.0
    peers: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    rounds: int = 5

    @property
    def name(self) -> str:
        return f"{self.tokens}x{self.experts} K={self.top_k} {self.gate} skew {self.skew:g}"


def cases() -> list[Case]:
    """Small ones first, so that an interrupted run has something to say."""
    flow_too, memory, both = ("ortools-flow",), ("solve",), ("solve", "ortools-flow")
    found = [Case(tokens, 64, gate=gate, peers=flow_too) for tokens in (4096, 65536) for gate in ("sigmoid", "softmax")]
    found += [
        Case(512, 32, 4, peers=(*flow_too, *LINEAR)),
        Case(2048, 64, 1, peers=(*flow_too, "scipy-assignment", "pot-simplex")),
        Case(16384, 256, peers=("engine", *flow_too), alone=(*both, "argpartition")),
        Case(16384, 256, gate="softmax", peers=flow_too),
        Case(65536, 256, peers=("engine",), alone=(*both, "argpartition")),
    ]
    for gate in GATES:
        for skew in SKEWS if gate in ("sigmoid", "softmax") else (1.0,):
            alone = flow_too if skew == 1 and gate in ("softmax", "17 levels") else ()
            if (gate, skew) != ("sigmoid", 1.0):
                found.append(Case(65536, 256, gate=gate, skew=skew, alone=alone))
    return [
        *found,
        Case(262144, 256, alone=(*memory, "argpartition")),
        Case(1048576, 256, alone=(*memory, "argpartition"), rounds=3),
        Case(65536, 896, 16, alone=both),
        Case(16384, 4096, alone=both),
    ]


ALONE = """
import resource, sys, time
sys.path.insert(0, {here!r})
import dual_descent, measure
if {side!r} == "ortools-flow":
    resource.setrlimit(resource.RLIMIT_AS, (dual_descent.LIMIT, dual_descent.LIMIT))
before = measure.own_peak()
problem = dual_descent.problem_of(dual_descent.Case({tokens}, {experts}, {top_k}, {gate!r}, {skew}))
started = time.perf_counter()
dual_descent.SIDES[{side!r}](problem)
print(time.perf_counter() - started, before)
"""


def problem_of(case: Case) -> AssignmentProblem:
    """The scores are read-only, so the problem holds them without a copy."""
    return AssignmentProblem(scores(case.tokens, case.experts, case.gate, case.skew), case.top_k)


def alone(case: Case, side: str) -> dict[str, Any]:
    """Seconds and peak memory of one run in a process of its own."""
    settings = {key: getattr(case, key) for key in ("tokens", "experts", "top_k", "gate", "skew")}
    matrix = case.tokens * case.experts * 4
    try:
        peak, words = peak_memory(ALONE.format(here=str(Path(__file__).parent), side=side, **settings))
    except RuntimeError as error:
        return {"failed": f"not within {LIMIT >> 30} GiB ({error})"}
    seconds, before = (float(word) for word in words.split())
    return {"seconds": seconds, "peak": peak, "matrices": peak / matrix, "own matrices": (peak - before) / matrix}


def measured(case: Case) -> dict[str, Any]:
    """Race the sides, then run those that run alone; "times" are against `solve`."""
    problem = problem_of(case)
    sides = {name: partial(SIDES[name], problem) for name in ("argpartition", "solve", *case.peers)}
    sides["solve"]()
    timings = race(sides, case.rounds, warm_up=0)
    entry: dict[str, Any] = {name: timing.record() for name, timing in timings.items()}
    for name, timing in timings.items():
        entry[name]["times"] = timing.times(timings["solve"])
    entry["solve"]["times argpartition"] = timings["solve"].times(timings["argpartition"])
    sides.clear()
    del problem
    entry["alone"] = {side: alone(case, side) for side in case.alone}
    for side, run in entry["alone"].items():
        if side not in entry and "seconds" in run:
            times = run["seconds"] / entry["solve"]["median"]
            entry[side] = {"median": run["seconds"], "spread": None, "rounds": 1, "times": times}
    return entry


SEQUENCE = "sequence of 8 batches 65536x256 K=8 sigmoid"


def sequence() -> dict[str, Any]:
    """Every batch once from nothing and once from the solution of the one before."""
    runs: dict[str, list[Timing]] = {"solve": [], "warm start": []}
    before = None
    for batch in drifting(65536, 256, 9):
        problem = AssignmentProblem(batch, 8)
        if before is not None:
            sides = {"solve": partial(SIDES["solve"], problem), "warm start": partial(_continue, problem, before)}
            for name, timing in race(sides, 1, warm_up=0).items():
                runs[name].append(timing)
        before = solve(problem, "dual-descent", start=before)
    timings = {
        name: Timing(sum((t.wall for t in each), ()), sum((t.cpu for t in each), ())) for name, each in runs.items()
    }
    return {name: {**timing.record(), "times": timing.times(timings["solve"])} for name, timing in timings.items()}


CURVE = "frontier of 16384x64 K=8 sigmoid"


def curve() -> dict[str, Any]:
    """The default frontier, 16 certified peaks, beside one cold solve at perfect balance."""
    problem = AssignmentProblem(scores(16384, 64), 8)
    sides: dict[str, Callable[[], Any]] = {
        "solve": partial(SIDES["solve"], problem),
        "frontier": lambda: frontier(AssignmentProblem(problem.scores, 8), solver="dual-descent"),
    }
    timings = race(sides, 5, warm_up=1)
    return {name: {**timing.record(), "times": timing.times(timings["solve"])} for name, timing in timings.items()}


def _continue(problem: AssignmentProblem, before: Any) -> Any:
    return solve(AssignmentProblem(problem.scores, problem.top_k), "dual-descent", start=before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--output", type=Path, default=Path("dual_descent.json"))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    jobs: dict[str, Callable[[], dict[str, Any]]] = {case.name: partial(measured, case) for case in cases()}
    jobs |= {SEQUENCE: sequence, CURVE: curve}
    chosen = {name: job for name, job in jobs.items() if options.only in name}
    if options.list:
        print("\n".join(chosen))
        return
    results = Results(options.output, environment(PACKAGES))
    for name, job in chosen.items():
        if name not in results:
            results.add(name, job())
            entry = results[name]
            print(name, {side: f"{e['median']:.3g}" for side, e in entry.items() if "median" in e}, flush=True)
        results.markdown("dual-descent", "python benchmarks/dual_descent.py", sections(results.entries))
    plot(results.entries, options.output.with_suffix(".svg"))
    if options.write:
        plot(results.entries, DOCS / "images" / "dual-descent.svg")
        parts = sections(results.entries)
        results.into_page(
            "measured/dual-descent.md", [*parts[:2], f"![{PICTURE}](../images/dual-descent.svg)", *parts[2:]]
        )


if __name__ == "__main__":
    main()
