"""How fast is `express`, against whom, and in how much memory?

    python benchmarks/express.py                      everything, in a quarter of an hour; writes .json, .md, .svg
    python benchmarks/express.py --only 65536x256     the cases whose name contains this
    python benchmarks/express.py --list               their names

Every case races all its sides in the same rounds, after a round that is not counted (it compiles). `solve` is
`equipoise.solve` from float32 scores to a certified solution, the solver-free check included; `engine` is its engine
alone. Results are kept by name, so an interrupted run continues. Peers run only at sizes that they finish.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measure import Results, environment, peak_memory, race, table

from equipoise import AssignmentProblem, solve
from equipoise.solvers.assignment import flow
from equipoise.solvers.assignment.express import engine
from equipoise.solvers.solve import claim
from equipoise.traces import recorded

PACKAGES = ("equipoise", "numpy", "numba", "ortools", "scipy", "pot", "pulp")
GATES = ("sigmoid", "softmax", "uniform", "bf16", "17 levels", "trace")
SKEWS = (0.0, 1.0, 2.0, 3.0)


def scores(tokens: int, experts: int, gate: str = "sigmoid", skew: float = 1.0, seed: int = 0) -> np.ndarray:
    """float32 scores of random logits, ``skew`` times a normal popularity an expert added; or of the recorded trace."""
    random = np.random.default_rng(seed)
    if gate == "uniform":
        return random.random((tokens, experts), dtype=np.float32)
    if gate == "trace":
        return tiled_trace(random, tokens, experts)
    logits = random.normal(size=(tokens, experts)).astype(np.float32)
    logits += np.float32(skew) * random.normal(size=experts).astype(np.float32)
    if gate == "softmax":
        logits = np.exp(logits - logits.max(axis=1, keepdims=True))
        return logits / logits.sum(axis=1, keepdims=True)
    gated = 1 / (1 + np.exp(-logits))
    if gate == "bf16":
        return ((gated.view(np.uint32) + 0x8000) & 0xFFFF0000).view(np.float32)
    return np.round(gated * 16) / 16 if gate == "17 levels" else gated


def tiled_trace(random: np.random.Generator, tokens: int, experts: int) -> np.ndarray:
    """Recorded logits repeated in both directions until the shape is full, with noise of a tenth of their deviation."""
    trace = recorded()
    run = max(trace.runs, key=trace.top_k)
    logits = trace.arrays[f"{run}/logits"][-1, -1]
    rows, columns = -(-tokens // len(logits)), -(-experts // logits.shape[1])
    tiled = np.tile(logits, (rows, columns))[:tokens, :experts].astype(np.float32)
    tiled += tiled.std() / 10 * random.normal(size=tiled.shape).astype(np.float32)
    return 1 / (1 + np.exp(-tiled))


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


PEERS: dict[str, Callable[[AssignmentProblem], Any]] = {
    "argpartition": lambda p: np.argpartition(-p.scores, p.top_k - 1, axis=1),
    "solve": lambda p: solve(AssignmentProblem(p.scores, p.top_k), "express"),
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
ALWAYS = ("argpartition", "solve", "engine")
LINEAR = ("ortools-glop", "ortools-pdlp", "ortools-highs", "pulp-cbc", "scipy-highs")


def cases() -> dict[str, tuple[tuple[int, int, int, str, float], tuple[str, ...], int]]:
    """Name -> (tokens, experts, K, gate, skew), peers beside the usual three, rounds."""
    found: dict[str, tuple[tuple[int, int, int, str, float], tuple[str, ...], int]] = {}

    def add(tokens: int, experts: int, top_k: int, gate: str, skew: float, peers: tuple[str, ...], rounds: int) -> None:
        name = f"{tokens}x{experts} K={top_k} {gate} skew {skew:g}"
        found[name] = ((tokens, experts, top_k, gate, skew), peers, rounds)

    add(512, 32, 4, "sigmoid", 1.0, ("ortools-flow", *LINEAR), 5)
    add(2048, 64, 1, "sigmoid", 1.0, ("ortools-flow", "scipy-assignment", "pot-simplex"), 5)
    for tokens, experts in ((4096, 64), (16384, 256), (65536, 64)):
        add(tokens, experts, 8, "sigmoid", 1.0, ("ortools-flow",), 5)
        add(tokens, experts, 8, "softmax", 1.0, ("ortools-flow",), 5)
    for gate in GATES:
        for skew in SKEWS if gate in ("sigmoid", "softmax") else (1.0,):
            add(65536, 256, 8, gate, skew, (), 5)
    add(65536, 256, 8, "sigmoid", 1.0, ("ortools-flow",), 5)
    add(262144, 256, 8, "sigmoid", 1.0, (), 5)
    add(1048576, 256, 8, "sigmoid", 1.0, (), 5)
    add(65536, 896, 16, "sigmoid", 1.0, (), 5)
    add(16384, 4096, 8, "sigmoid", 1.0, (), 5)
    return found


MEMORY = """
import sys, resource
sys.path[:0] = [{here!r}]
import express
given = express.scores({tokens}, {experts}, {gate!r}, {skew})
given.flags.writeable = False
problem = express.AssignmentProblem(given, {top_k})
small = express.AssignmentProblem(given[:8192].copy(), {top_k})
express.solve(small, "express")
print(express.solve(problem, "express").evidence)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--output", type=Path, default=Path("express.json"))
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    chosen = {name: case for name, case in cases().items() if options.only in name}
    if options.list:
        print("\n".join(chosen))
        return
    results = Results(options.output, environment(PACKAGES))
    for name, (shape, peers, rounds) in chosen.items():
        if name in results:
            continue
        tokens, experts, top_k, gate, skew = shape
        problem = AssignmentProblem(scores(tokens, experts, gate, skew), top_k)
        timings = race({side: partial(PEERS[side], problem) for side in (*ALWAYS, *peers)}, rounds)
        entry = {side: timing.record() for side, timing in timings.items()}
        for side in entry:
            entry[side]["times solve"] = timings[side].times(timings["solve"])
        entry["solve"]["times argpartition"] = timings["solve"].times(timings["argpartition"])
        if problem.scores.nbytes >= 1 << 26:
            matrix = problem.scores.nbytes
            del problem
            settings = dict(zip(("tokens", "experts", "top_k", "gate", "skew"), shape, strict=True))
            peak, words = peak_memory(MEMORY.format(here=str(Path(__file__).parent), **settings))
            entry["memory"] = {"peak": peak, "matrices": peak / matrix, "evidence": words.strip()}
        results.add(name, entry)
        print(name, {side: f"{timing.median:.3g}" for side, timing in timings.items()}, flush=True)
    results.markdown("express", "python benchmarks/express.py", sections(results))
    plot(results, options.output.with_suffix(".svg"))


def sections(results: Results) -> list[str]:
    """Tables: everything against everything, and the growth with the number of tokens."""
    rows = [
        [name, side, e["median"], e["spread"], e["times solve"], entry["solve"]["times argpartition"]]
        for name, entry in results.entries.items()
        for side, e in entry.items()
        if side != "memory"
    ]
    memory = [
        [name, e["memory"]["peak"] / 2**30, e["memory"]["matrices"], e["memory"]["evidence"]]
        for name, e in results.entries.items()
        if "memory" in e
    ]
    parts = [
        table(("case", "side", "median s", "spread", "times solve", "solve / argpartition"), rows),
        "Peak memory of a process that makes the scores and solves once, in GiB and in float32 score matrices.",
        table(("case", "GiB", "matrices", "evidence"), memory),
    ]
    if (slope := exponent(results)) is not None:
        parts.append(
            f"Time grows as T^{slope:.2f} at 256 experts (least squares over the sizes above, sigmoid, skew 1)."
        )
    return parts


def sizes(results: Results, side: str) -> list[tuple[int, float]]:
    """Tokens and median seconds of the 256-expert cases of one kind."""
    kind = "x256 K=8 sigmoid skew 1"
    found = [
        (int(name.split("x")[0]), entry[side]["median"])
        for name, entry in results.entries.items()
        if name.endswith(kind) and side in entry
    ]
    return sorted(found)


def exponent(results: Results) -> float | None:
    """Slope of log time over log tokens."""
    points = sizes(results, "solve")
    if len(points) < 2:
        return None
    return float(np.polyfit(*([math.log(value) for value in axis] for axis in zip(*points, strict=True)), 1)[0])


def plot(results: Results, path: Path) -> None:
    """Log-log: seconds against tokens, every side."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    for side in PEERS:
        points = sizes(results, side)
        if points:
            axes.loglog(*zip(*points, strict=True), marker="o", label=side)
    axes.set(xlabel="tokens (256 experts, K = 8)", ylabel="seconds")
    if axes.lines:
        axes.legend()
    figure.savefig(path, bbox_inches="tight")


if __name__ == "__main__":
    main()
