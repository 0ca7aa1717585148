"""A check's judgement changes where its promise ends: the worst allowed answer passes, the best refused one fails."""

import pytest

from edges import edges_of, missed
from equipoise.checks.engine.registry import select
from equipoise.roles import all_roles

EDGES = [(role, number) for role in all_roles() for number in range(len(edges_of(role)))]


def named(role, number):
    return f"{role}-{edges_of(role)[number].check}-{number}"


@pytest.mark.parametrize(("role", "number"), EDGES, ids=[named(*edge) for edge in EDGES])
def test_the_worst_allowed_answer_passes_and_the_best_refused_one_fails(role, number):
    edge = edges_of(role)[number]
    entry = next(entry for entry in select(role) if entry.name == edge.check)
    assert missed(entry.function, role, edge) is None


@pytest.mark.parametrize("role", all_roles())
def test_an_edge_has_an_answer_on_at_least_one_side(role):
    assert all(edge.allowed is not None or edge.refused is not None for edge in edges_of(role))
