"""Does `dual-descent` ever differ from OR-Tools' min-cost flow? Random instances without end, the seed printed.

    python benchmarks/fuzz_dual_descent.py                      100,000 small integer instances and 200 large ones
    python benchmarks/fuzz_dual_descent.py --hours 8            until the time is up, with a seed of the clock's
    python benchmarks/fuzz_dual_descent.py --seed 7 --only 4711 one small instance again
    NUMBA_BOUNDSCHECK=1 python benchmarks/fuzz_dual_descent.py --small 2000 --large 0

Small instances have integer scores, on which both engines are exact, and compare raw claims; what dual descent claims
must also pass the solver-free check. Exit code 1 on the first difference, with the instance's number.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections import Counter

import numpy as np
from agreement import capacity

from equipoise import AssignmentProblem
from equipoise.solvers.assignment import flow
from equipoise.solvers.assignment.dual_descent import engine
from equipoise.solvers.judge import judge


def small(seed: int, index: int) -> AssignmentProblem:
    """Integer scores with any number of ties, every form and capacity, up to 40 tokens and 12 experts."""
    random = np.random.default_rng([seed, index])
    tokens, experts = int(random.integers(1, 41)), int(random.integers(1, 13))
    top_k = int(random.choice([1, experts, random.integers(1, experts + 1)]))
    width = int(random.choice([0, 1, 3, 20, 1000, 2**40]))
    scores = random.integers(-width, width + 1, (tokens, experts))
    kind = random.integers(4)
    if kind == 0:  # every expert on a scale of its own
        scores = scores * random.integers(1, 50, experts)
    elif kind == 1:  # a few kinds of tokens, again and again
        scores = scores[random.integers(0, 1 + tokens // 8, tokens)]
    elif kind == 2:  # all tokens want the same experts
        scores = scores + np.arange(experts) * int(random.integers(1, 30))
    drop = bool(random.random() < 0.3)
    return AssignmentProblem(scores, top_k, capacity(random, tokens, experts, top_k, drop), drop)


def large(seed: int, index: int) -> AssignmentProblem:
    """Between 100,001 arcs, where dual descent becomes the default, and 4,000,000; gates, skewed, rounded or tied."""
    random = np.random.default_rng([seed, index, 1])
    experts = int(random.choice([16, 64, 100, 256]))
    tokens = 1 + int(100_000 * 40 ** random.random()) // experts
    logits = random.normal(size=(tokens, experts)) + random.uniform(0, 3) * random.normal(size=experts)
    kind = random.integers(4)
    scores = np.exp(logits - logits.max(axis=1, keepdims=True)) if kind == 0 else 1 / (1 + np.exp(-logits))
    if kind == 2:
        scores = np.round(scores * 16) / 16
    top_k = int(random.choice([1, 2, 8]))
    drop = bool(random.random() < 0.2)
    return AssignmentProblem(scores.astype(np.float32), top_k, capacity(random, tokens, experts, top_k, drop), drop)


def differs(problem: AssignmentProblem) -> tuple[str, str]:
    """Return what is wrong (empty: nothing), and who answered."""
    claim = engine.solve(problem, None)
    solution = judge(problem, claim, "dual-descent")
    if solution.status != "optimal" or solution.repairs or solution.objective != claim.objective:
        return f"not proved: {solution}", claim.message
    exact = problem.scores.dtype.kind == "i"
    other = flow.solve(problem, None)
    best = other.objective if exact else judge(problem, other, "ortools-flow").objective
    return ("" if best == claim.objective else f"{claim.objective} against {best}"), claim.message


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int)
    parser.add_argument("--small", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=200)
    parser.add_argument("--hours", type=float)
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else int(time.time()) if options.hours else 0
    print(f"seed {seed}", flush=True)
    if options.only is not None:
        wrong, who = differs(small(seed, options.only))
        print(small(seed, options.only), who, wrong or "agrees")
        return bool(wrong)
    end = time.monotonic() + 3600 * options.hours if options.hours else float("inf")
    who_answered: Counter[str] = Counter()
    forever = options.hours is not None
    runs = [("small", small, itertools.count() if forever else range(options.small))]
    runs.insert(0, ("large", large, range(options.large)))
    for name, make, indices in runs:
        for index in indices:
            wrong, who = differs(make(seed, index))
            who_answered[f"{name}: {who}"] += 1
            if wrong:
                print(f"{name} instance {index} of seed {seed}: {wrong}")
                return 1
            if index % 1000 == 999:
                print(f"{name} {index + 1}", flush=True)
            if time.monotonic() > end:
                break
    print("\n".join(f"{count:7d}  {words}" for words, count in sorted(who_answered.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
