"""Do independent solvers agree? Random assignment problems, every engine's raw claim, every answer certified.

    python benchmarks/agreement.py                     10,000 instances; a Markdown table; exit code 1 on disagreement
    python benchmarks/agreement.py --instance 4711     one instance again, in full

Claims are compared as the engines make them, before anything is mended, with the optimum that a certificate proves.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from equipoise import AssignmentProblem, Solution, solve
from equipoise.solvers.engines import ENGINES

ALWAYS = ("ortools-flow", "ortools-glop", "ortools-cpsat")
"""Three families that share no code; the other engines take every tenth instance."""

REPAIRS = ("rounded", "moved", "cancelled")


def instance(seed: int, index: int, largest: int) -> AssignmentProblem:
    """Draw problem number ``index``: many ties or none, any sign, every form, capacities tight, slack or uneven."""
    random = np.random.default_rng([seed, index])
    tokens, experts = int(random.integers(1, largest + 1)), int(random.integers(1, 9))
    top_k = int(random.choice([1, experts, random.integers(1, experts + 1)]))
    drop = bool(random.random() < 0.3)
    mask = random.random(tokens) < 0.8 if random.random() < 0.3 else None
    if mask is not None:
        mask[0] = True
    real = tokens if mask is None else int(mask.sum())
    return AssignmentProblem(
        scores(random, tokens, experts), top_k, capacity(random, real, experts, top_k, drop), drop, mask
    )


def scores(random: np.random.Generator, tokens: int, experts: int) -> np.ndarray:
    """Scores as integers with ties, as logits, or through the gates that routers use."""
    shape = (tokens, experts)
    skewed = (random.normal(size=shape) + random.normal(size=experts)).astype(np.float32)
    kinds = {
        "ties": lambda: random.integers(-2, 3, shape),
        "counts": lambda: random.integers(-1000, 1000, shape),
        "halves": lambda: random.integers(-8, 9, shape).astype(np.float16) / 2,
        "logits": lambda: skewed,
        "sigmoid": lambda: 1 / (1 + np.exp(-skewed)),
        "softmax": lambda: np.exp(skewed) / np.exp(skewed).sum(axis=1, keepdims=True),
    }
    return kinds[str(random.choice(list(kinds)))]()


def capacity(random: np.random.Generator, tokens: int, experts: int, top_k: int, drop: bool) -> object:
    """Return none (even), one number (slack), or a list that just suffices or, in the drop form, may not."""
    even = -(-tokens * top_k // experts)
    kind = random.integers(3)
    if kind == 0:
        return None
    if kind == 1:
        return int(random.integers(0 if drop else even, tokens + 3))
    limits = random.integers(0, 2 * even + 1, experts)
    while not drop and np.minimum(limits, tokens).sum() < tokens * top_k:
        limits[random.integers(experts)] += 1
    return limits


def disagrees(solution: Solution, problem: AssignmentProblem, best: Fraction) -> bool:
    """Whether the engine's own claim is off by more than its arithmetic excuses."""
    if solution.raw_objective is None:
        return False
    exact = problem.scores.dtype.kind == "i" and solution.solver in ("ortools-flow", "ortools-cpsat")
    relative = 0.0 if exact else 1e-5 if solution.solver == "ortools-pdlp" else 1e-9
    largest = Fraction(float(np.abs(problem.scores.astype(np.float64)).max()))
    return abs(solution.raw_objective - best) > Fraction(relative) * largest * problem.demand


def compare(problem: AssignmentProblem, names: list[str], tally: dict[str, Counter[str]]) -> list[str]:
    """Solve with every engine, count, and return what went wrong in words."""
    wrong = []
    solutions = [solve(problem, name) for name in names]
    proved = [solution.objective for solution in solutions if solution.evidence == "certified"]
    for solution in solutions:
        count = tally[solution.solver]
        count["instances"] += 1
        count["certified"] += solution.evidence == "certified"
        count["no answer"] += solution.raw_objective is None
        count.update(kind for kind in REPAIRS for repair in solution.repairs if repair.startswith(kind))
        if solution.experts is not None and solution.evidence != "certified":
            count["uncertified"] += 1
            wrong.append(f"{solution.solver} ended without a certificate")
        if proved and disagrees(solution, problem, proved[0]):
            count["disagreements"] += 1
            wrong.append(f"{solution.solver} claims {solution.raw_objective}, proved is {proved[0]}")
    if len(set(proved)) != 1:
        wrong.append(f"the certified optima are {sorted(set(proved))}")
    return wrong


def table(tally: dict[str, Counter[str]]) -> Iterator[str]:
    """Yield the counts as Markdown."""
    columns = ["instances", "disagreements", "no answer", "certified", "uncertified", *REPAIRS]
    yield f"| engine | family | {' | '.join(columns)} |"
    yield "|---|---|" + "---:|" * len(columns)
    for engine in ENGINES:
        counts = " | ".join(f"{tally[engine.name][column]:,}" for column in columns)
        yield f"| {engine.name} | {engine.family} | {counts} |"


def main() -> int:
    """Run, print the table, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--instances", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=24, help="largest number of tokens (default: %(default)s)")
    parser.add_argument("--sample", type=int, default=10, help="other engines take every n-th (default: %(default)s)")
    parser.add_argument("--instance", type=int, help="only this one, with every engine")
    options = parser.parse_args()
    names = [engine.name for engine in ENGINES]
    tally: dict[str, Counter[str]] = {name: Counter() for name in names}
    started, failures = time.monotonic(), 0
    indices = range(options.instances) if options.instance is None else [options.instance]
    for index in indices:
        problem = instance(options.seed, index, options.tokens)
        if options.instance is not None:
            print(problem, problem.scores.tolist(), problem.capacity.tolist(), problem.mask, sep="\n", file=sys.stderr)
        chosen = names if index % options.sample == 0 or options.instance is not None else list(ALWAYS)
        for text in compare(problem, chosen, tally):
            failures += 1
            print(f"instance {index} (seed {options.seed}): {text}", file=sys.stderr)
        if index and index % 500 == 0:
            print(f"{index:,} of {options.instances:,}, {time.monotonic() - started:.0f} s", file=sys.stderr)
    print("\n".join(table(tally)))
    print(f"\n{len(indices):,} instances, seed {options.seed}, {failures} findings")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
