"""The check takes time in proportion to a file: what a forger can make long must not be slow."""

from fractions import Fraction

import numpy as np
import pytest

from equipoise import PlacementProblem
from equipoise.certificates.kinds.placement import PlacementCertificate


@pytest.mark.parametrize(("groups", "nodes"), [(1, 1), (1000, 10)])
def test_a_placement_of_sixty_thousand_slots_is_judged_without_looking_at_every_slot_for_every_expert(groups, nodes):
    experts = 60_000
    load = np.arange(1, experts + 1)
    problem = PlacementProblem(load, experts, 100, num_groups=groups, num_nodes=nodes)
    certificate = PlacementCertificate.of(problem, np.arange(experts), None, 1, Fraction(0), "mean")
    verdict = certificate.verify()
    assert not verdict.valid
    assert verdict.upper == load.reshape(100, -1).sum(axis=1).max()
    lost = np.where(np.arange(experts) == 7, 8, np.arange(experts))
    reason = PlacementCertificate.of(problem, lost, None, 1, Fraction(0), "mean").verify().reason
    assert reason == "expert 7 is placed nowhere"
