"""Small assignment problems with laminar limits, and their optimum by trying everything."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from equipoise import AssignmentProblem, InvalidProblem, Limit, LimitedProblem


@st.composite
def limited_problems(draw, tokens=3, experts=4, largest=9):
    """Tokens x experts on small integer scores (ties are frequent), limits by expert first or by token first."""
    count_t, count_e = draw(st.integers(1, tokens)), draw(st.integers(1, experts))
    top_k = draw(st.integers(1, min(2, count_e)))
    scores = draw(st.lists(st.lists(st.integers(-largest, largest), min_size=count_e, max_size=count_e),
                           min_size=count_t, max_size=count_t))  # fmt: skip
    drop = draw(st.booleans())
    room = st.integers(0, count_t * top_k)
    cut_t, cut_e = draw(st.integers(0, count_t)), draw(st.integers(0, count_e))
    sequences = [s for s in (range(cut_t), range(cut_t, count_t)) if len(s)]
    devices = [d for d in (range(cut_e), range(cut_e, count_e)) if len(d)]
    if draw(st.booleans()):
        capacity = draw(st.lists(st.integers(0, count_t), min_size=count_e, max_size=count_e))
        sets = [(None, device) for device in devices]
        sets += [(sequence, [expert]) for sequence in sequences for expert in range(count_e)]
    else:
        capacity = [count_t] * count_e
        sets = [(sequence, None) for sequence in sequences]
        sets += [(sequence, device) for sequence in sequences for device in devices]
    used = draw(st.lists(st.sampled_from(sets), max_size=5))
    limits = [Limit(draw(room), experts=e, tokens=t) for t, e in used]
    mask = draw(st.one_of(st.none(), st.lists(st.booleans(), min_size=count_t, max_size=count_t).filter(any)))
    try:
        plain = AssignmentProblem(
            np.array(scores), top_k, np.array(capacity), drop, None if mask is None else np.array(mask)
        )
    except InvalidProblem:
        plain = AssignmentProblem(
            np.array(scores), top_k, np.array(capacity), True, None if mask is None else np.array(mask)
        )
    return LimitedProblem(plain, limits)


def brute_force(problem: LimitedProblem) -> Fraction | None:
    """The best total over all assignments that keep everything; None if there is none."""
    plain = problem.assignment
    experts = range(plain.num_experts)
    sizes = range(plain.top_k + 1) if plain.drop else (plain.top_k,)
    choices = [set(chosen) for size in sizes for chosen in itertools.combinations(experts, size)]
    best = None
    for rows in itertools.product(choices, repeat=len(plain.tokens)):
        held = dict(zip(plain.tokens.tolist(), rows, strict=True))
        if feasible(problem, held):
            value = sum((Fraction(plain.scores[t, e].item()) for t, row in held.items() for e in row), Fraction(0))
            best = value if best is None else max(best, value)
    return best


def feasible(problem: LimitedProblem, held: dict[int, set[int]]) -> bool:
    """Whether capacities and limits hold; the number of experts per token is the caller's matter."""
    plain = problem.assignment
    loads = all(sum(e in row for row in held.values()) <= plain.capacity[e] for e in range(plain.num_experts))
    return loads and all(
        sum(
            (limit.tokens is None or t in limit.tokens) and (limit.experts is None or e in limit.experts)
            for t, row in held.items()
            for e in row
        )
        <= limit.capacity
        for limit in problem.limits
    )
