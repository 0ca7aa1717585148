"""A router that is made for one E and K is checked at these, told or asked for, and not flagged for the others."""

import pytest

import equipoise
import fixed_size_routers
import refusing_balancers
from equipoise.balancers.find import Target
from equipoise.balancers.fixed_sizes import fixed_sizes


@pytest.mark.parametrize(("name", "sizes"), fixed_size_routers.SOUND.items())
def test_its_only_sizes_are_told_and_a_sound_one_is_not_flagged_for_the_others(name, sizes):
    report = equipoise.check(f"fixed_size_routers:{name}", examples=3)
    assert report.findings == []
    assert report.ran >= 5
    assert f"all but E = {sizes[0]}, K = {sizes[1]}" in report.refuses


def test_a_defect_at_its_only_sizes_is_found():
    report = equipoise.check("fixed_size_routers:ForgetsTokens", examples=3)
    assert "router_keeps_a_balanced_top_k" in {finding.check for finding in report.findings}
    assert {finding.case.scores.shape[1] for finding in report.findings} == {64}


def test_they_outlast_a_restart_of_its_process():
    with Target.of("fixed_size_routers:KeepsItsSizes").hold() as balancer:
        balancer.probe()
        balancer.close()
        balancer.fresh()
        assert balancer.sizes == (64, 8)


@pytest.mark.parametrize("name", ["raises_on_purpose", "needs_whole_loads", "top_one_only", "takes_one_token"])
def test_one_that_answers_small_inputs_or_nothing_has_no_only_sizes(name):
    with Target.of(getattr(refusing_balancers, name)).hold(in_process=True) as balancer:
        assert fixed_sizes(balancer) is None
