"""Statements: what a balancer does where it promises nothing, in every form of a report."""

from xml.etree import ElementTree

import numpy as np
import pytest

from equipoise.balancers.find import Target
from equipoise.checks.engine.registry import select
from equipoise.checks.engine.run import run_checks
from equipoise.checks.engine.settings import Settings


def past_the_end(scores, top_k):
    """sglang PR 30079: NaN goes to an expert that does not exist."""
    chosen = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
    return np.where(np.isnan(scores).all(axis=1)[:, None], scores.shape[1], chosen)


@pytest.fixture(scope="module")
def report():
    entries = [one for one in select("router") if one.name.endswith("non_finite_scores")]
    with Target.of(past_the_end, "router").hold(in_process=True) as balancer:
        return run_checks(balancer, entries, Settings(examples=3))


def test_what_is_not_promised_is_stated_and_is_no_finding(report):
    (statement,) = report.statements
    assert "NaN alone: it chose expert 4; allowed: 0 to 3" in statement
    assert report.passed
    assert report.findings == []


def test_every_form_of_a_report_has_the_statement(report):
    (statement,) = report.statements
    assert f"not promised: {statement}" in repr(report)
    assert statement in report.markdown()
    assert report.to_dict()["statements"] == [statement]
    (stated,) = ElementTree.fromstring(report.junit()).findall("properties/property")
    assert (stated.get("name"), stated.get("value")) == ("states", statement)


def test_what_is_promised_is_not_stated():
    entries = [one for one in select("router") if one.name.endswith("non_finite_scores")]
    with Target.of(past_the_end, "router", declares=["non-finite scores"]).hold(in_process=True) as balancer:
        broken = run_checks(balancer, entries, Settings(examples=3, shrink_steps=3))
    assert broken.statements == []
    assert [finding.check for finding in broken.findings] == ["router_gives_existing_experts_to_non_finite_scores"]


def clips_at_ten(scores, top_k):
    return np.argsort(-np.minimum(scores, 10), axis=1, kind="stable")[:, :top_k]


@pytest.mark.parametrize("declares", [[], ["logits"]])
def test_from_where_on_scores_are_alike_is_stated_where_a_gate_in_16_bits_could_do_it_too(declares):
    entries = [one for one in select("router") if one.name == "router_tells_large_scores_apart"]
    with Target.of(clips_at_ten, "router", declares=declares).hold(in_process=True) as balancer:
        report = run_checks(balancer, entries, Settings(examples=3))
    assert report.findings == []
    (statement,) = report.statements
    assert statement.endswith("it treats scores above 10 alike")
