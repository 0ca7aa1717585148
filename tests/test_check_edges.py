"""A check's judgement changes where its promise ends: the worst allowed answer passes, the best refused one fails."""

import pytest

from edges import borders_of, edges_of, missed, strayed
from equipoise.checks.engine.registry import select
from equipoise.roles import all_roles

EDGES = [(role, number) for role in all_roles() for number in range(len(edges_of(role)))]
BORDERS = [(role, number) for role in all_roles() for number in range(len(borders_of(role)))]


def named(role, number, of=edges_of):
    return f"{role}-{of(role)[number].check}-{number}"


def check_of(role, edge):
    return next(entry for entry in select(role) if entry.name == edge.check)


@pytest.mark.parametrize(("role", "number"), EDGES, ids=[named(*edge) for edge in EDGES])
def test_the_worst_allowed_answer_passes_and_the_best_refused_one_fails(role, number):
    edge = edges_of(role)[number]
    assert missed(check_of(role, edge).function, role, edge) is None


@pytest.mark.parametrize(("role", "number"), BORDERS, ids=[named(*border, borders_of) for border in BORDERS])
def test_a_family_admits_what_lies_within_its_border_and_nothing_else(role, number):
    border = borders_of(role)[number]
    assert strayed(check_of(role, border), border) is None


@pytest.mark.parametrize("role", all_roles())
def test_an_edge_has_an_answer_on_at_least_one_side(role):
    assert all(edge.allowed is not None or edge.refused is not None for edge in edges_of(role))
    assert all(border.inside is not None or border.outside is not None for border in borders_of(role))


@pytest.mark.parametrize("role", all_roles())
def test_every_check_of_a_role_has_an_edge(role):
    known = {edge.check for edge in edges_of(role)} | {border.check for border in borders_of(role)}
    own = [entry.name for entry in select(role) if entry.function.__module__.startswith(f"equipoise.checks.{role}.")]
    assert own
    assert not set(own) - known
