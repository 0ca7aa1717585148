"""Metrics: the exact values that they are compared with, what one computes said with ``--as``, tensors, the audit."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest

import miniature_metrics
import sound_metrics
from command_line import run
from equipoise import audit, check
from equipoise.checks.check import replay
from equipoise.errors import InvalidProblem
from equipoise.exact_metrics import exact
from equipoise.roles import said
from equipoise.testing import make_suite

LOAD = np.array([[4, 2, 0], [1, 1, 1]])
SCORES = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]])
EXPERTS = np.array([[0], [1]])


@pytest.mark.parametrize(
    ("kind", "declared", "values"),
    [
        ("balancedness", (), [Fraction(1, 2), 1]),
        ("balancedness", ("pools rows",), [Fraction(3, 5)]),
        ("imbalance", (), [2, 1]),
        ("max-vio", (), [1, 0]),
        ("max-vio", ("pools rows",), [Fraction(2, 3)]),
        ("min-vio", (), [-1, 0]),
    ],
)
def test_exact_values_of_loads_are_those_worked_out_by_hand(kind, declared, values):
    assert exact(kind, declared, (LOAD,)) == values


def test_exact_coefficient_of_variation_has_forty_digits():
    first, second = exact("cv", (), (LOAD,))
    assert abs(first**2 - Fraction(2, 3)) < Fraction(1, 10**38)
    assert second == 0


def test_exact_balance_losses_are_those_worked_out_by_hand():
    means = [Fraction(5, 16), Fraction(1, 2), Fraction(3, 16)]
    loss = Fraction(3, 2) * (means[0] + means[1])
    assert exact("aux-loss", (), (SCORES, EXPERTS)) == [loss]
    assert exact("global-loss", (), (SCORES[:, None], EXPERTS[:, None])) == [loss]
    assert exact("aux-loss", ("counts K times",), (SCORES, np.array([[0, 1], [1, 2]]))) == [
        Fraction(3, 2) * (means[0] + 2 * means[1] + means[2])
    ]
    alone = exact("sequence-loss", (), (SCORES[:, None] * 4, EXPERTS[:, None]))[0]
    assert abs(alone - 3 * (Fraction(1, 2) + Fraction(3, 4)) / 2) < Fraction(1, 10**38)
    padded = np.array([[True, False]])
    assert exact("global-loss", (), (SCORES[None], EXPERTS[None]), padded) == [Fraction(3, 2)]


def test_exact_losses_of_logits_apply_the_gate_once_and_do_not_overflow():
    logits = np.array([[1000.0, 1000.0], [1000.0 + math.log(3), 1000.0]])
    value = float(exact("aux-loss", ("logits",), (logits, EXPERTS[:, [0]]))[0])
    assert value == pytest.approx(1.0, rel=1e-12)
    first, second = 1000 + math.log(2), 1000 + math.log(4)
    assert float(exact("z-loss", (), (logits,))[0]) == pytest.approx((first**2 + second**2) / 2, rel=1e-14)


def test_what_a_target_computes_tells_its_role_and_is_a_declaration_of_it():
    assert said("max-vio", None, ["pools rows"]) == ("metric", ("pools rows", "max-vio"))
    report = check(miniature_metrics.violation, as_="max-vio", examples=5)
    assert (report.role, report.passed) == ("metric", True)
    for role, words in ((None, "did you mean 'max-vio'"), ("router", "nothing for a router")):
        with pytest.raises(InvalidProblem, match=words):
            check(miniature_metrics.violation, role, as_="maxvio")


def test_a_metric_that_computes_nothing_that_is_said_or_two_things_is_refused():
    with pytest.raises(
        InvalidProblem, match="--as is not said; allowed: what the metric computes, one of balancedness"
    ):
        check(miniature_metrics.violation, "metric")
    with pytest.raises(InvalidProblem, match="--as is cv and max-vio"):
        check("max-vio", "metric", declares=["cv"])


def test_a_finding_is_replayed_as_what_it_was_found_as(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = check(lambda load: load.mean(axis=0) / load.max(axis=0).clip(1), as_="balancedness", examples=20)
    finding = next(one for one in report.findings if one.check == "metric_answers" or one.kind == "property")
    assert finding.declares == ("balancedness",)
    assert replay(finding, lambda load: load.mean(axis=1) / load.max(axis=1).clip(1))[0] == "FIXED"


def test_the_command_line_takes_what_is_computed_and_pytest_has_a_test_for_each_check(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("def over(load):\n    return load.mean(0).sum() / max(load.max(0).sum(), 1)\n")
    found = run(tmp_path, "check", "mine:over", "--as", "balancedness", "--examples", 10, "--format", "json")
    assert found.returncode == 1, found.stderr
    broken = {one["check"] for one in json.loads(found.stdout)["checks"] if one["outcome"] == "FAILED"}
    assert {"metric_value_is_exact", "metric_takes_every_row_by_itself"} <= broken
    unsaid = run(tmp_path, "check", "mine:over", "--role", "metric")
    assert (unsaid.returncode, "--as is not said" in unsaid.stderr) == (2, True)
    suite = make_suite(miniature_metrics.violation, as_="max-vio", examples=3)
    suite().test_metric_value_is_exact()


def test_an_audit_says_what_would_be_logged_and_what_is_true():
    scores = np.array([[4, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4]], np.float64) / 6
    targets = ["balancedness", miniature_metrics.over_the_layers, sound_metrics.ScaledInSinglePrecision()]
    rows = audit(targets[:2], trace=scores, top_k=1, parts=2).rows
    assert [row["value"] for row in rows] == pytest.approx([0.5, 2 / 4])
    assert [row["exact"] for row in rows] == pytest.approx([0.5, 0.5])
    (wrong,) = audit(miniature_metrics.over_the_layers, trace=scores[[0, 1, 0, 2]], top_k=1, parts=2).rows
    assert (wrong["value"], wrong["exact"]) == pytest.approx((2 / 3, (1 / 3 + 2 / 3) / 2))
    assert wrong["relative_error"] == pytest.approx(1 / 6)
    (scaled,) = audit(targets[2], trace=scores, top_k=2, parts=1).rows
    assert scaled["relative_error"] < 1e-6


def test_a_metric_that_cannot_be_made_or_breaks_is_a_row_with_an_error():
    def broken(load):
        raise RuntimeError("no")

    result = audit([broken], as_="cv", trace=np.eye(4), top_k=1)
    assert [row.kind for row in result.rows] == ["raises"]
    assert 'as_="cv"' in result.verdict
