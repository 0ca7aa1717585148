"""Golden placements: the examples of vllm-ascend PR 3042 and of EPLB's README, with their exact optima."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from equipoise import PlacementProblem, solve

FLASH = [600, 560, 120, 120, 20, 10, 10, 10]
README = (
    [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
    [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27],
)


@pytest.mark.parametrize(
    ("load", "split", "peak", "argument"),
    [
        (FLASH, "even", Fraction(590, 3), "deal"),
        (FLASH, "free", Fraction(725, 4), "mean"),
        (README[0], "even", Fraction(136), "deal"),
        (README[1], "even", Fraction(172), "deal"),
        (README[0], "free", Fraction(517, 4), "component"),
    ],
)
def test_flat_optimum_is_certified(load, split, peak, argument):
    solution = solve(PlacementProblem(load, 16, 8, split))
    evidence = "searched" if argument == "deal" else "certified"
    assert (solution.status, solution.evidence, solution.objective) == ("optimal", evidence, peak)
    assert solution.certificate.argument == argument


def test_counts_of_the_flat_even_optimum_of_flashlb():
    slots = solve(PlacementProblem(FLASH, 16, 8)).physical_to_logical
    assert np.bincount(slots[slots >= 0])[:2].tolist() == [4, 3]


def test_joint_optimum_of_the_second_readme_layer_is_proved_by_components():
    problem = PlacementProblem(README[1], 16, 8, "free")
    solution = solve(problem, "ortools-highs")
    assert (solution.status, solution.objective, solution.certificate.argument) == ("optimal", 146, "component")


@pytest.mark.parametrize(("load", "peak"), [(README[0], Fraction(151)), (README[1], Fraction(359, 2))])
def test_hierarchical_even_optimum_is_certified(load, peak):
    solution = solve(PlacementProblem(load, 16, 8, "even", 4, 2), "placement-search")
    assert (solution.status, solution.objective, solution.certificate.argument) == ("optimal", peak, "deal")


@pytest.mark.parametrize(("load", "peak"), [(README[0], Fraction(147)), (README[1], Fraction(345, 2))])
def test_hierarchical_free_optimum_is_certified_by_the_components_of_nodes(load, peak):
    solution = solve(PlacementProblem(load, 16, 8, "free", 4, 2), "ortools-highs")
    assert (solution.status, solution.evidence, solution.objective) == ("optimal", "certified", peak)
    assert solution.certificate.argument == "component"
    looser = replace(solution.certificate, bound=peak + Fraction(1, 4))
    assert (looser.verify().valid, looser.verify().lower) == (False, None)
