"""Known failures: they warn and do not fail the run; what is expected in vain is said."""

import json
import warnings

import numpy as np
import pytest

from equipoise.checks.check import check
from equipoise.checks.engine.expected import read_expected
from equipoise.checks.engine.registry import select
from equipoise.errors import InvalidFile
from equipoise.testing import BalancerWarning, parametrize_with_checks

NEAR, SIZE = "router_is_near_the_optimum", "router_gives_k_experts"
FEW = {"examples": 3, "exclude": [one.name for one in select("router") if one.name not in (NEAR, SIZE)]}


def worst(scores, top_k):
    return np.argsort(scores, axis=1, kind="stable")[:, :top_k]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_expected_failure_is_a_warning_and_only_that_one():
    assert not check(worst, in_process=True, **FEW).passed
    report = check(worst, in_process=True, expected_failed_checks={NEAR: "ticket 17"}, **FEW)
    assert report.passed
    assert [outcome.verdict for outcome in report.outcomes if outcome.check == NEAR] == ["warning"]
    assert report.findings[0].message.endswith("(expected: ticket 17)")
    assert report.warnings == ()
    assert not check(worst, in_process=True, expected_failed_checks={SIZE: "ticket 17"}, **FEW).passed


def test_what_is_expected_in_vain_is_said_in_every_form():
    report = check(worst, in_process=True, expected_failed_checks={NEAR: "a", SIZE: "b", f"{NEAR}s": "c"}, **FEW)
    assert report.passed
    said = [
        f"'{NEAR}s' is expected to fail, but no check has that name; did you mean '{NEAR}'?",
        f"{SIZE} is expected to fail (b), but holds",
    ]
    assert json.loads(report.json())["warnings"] == said
    for form in (repr(report), report.markdown(), report.junit()):
        assert all(sentence in form.replace("&apos;", "'") for sentence in said)


def test_pytest_takes_the_file_and_warns_of_names_that_match_nothing(here):
    (here / "known.toml").write_text(f'{NEAR} = "ticket 17"\nrouter_flies = "never"\n')
    with pytest.warns(BalancerWarning, match="'router_flies' is expected to fail, but no check has that name"):
        rows = parametrize_with_checks([worst], expected_failed_checks="known.toml", **FEW).args[1]
    expected = {trial.name: trial.expected for _, trial in (row.values for row in rows) if hasattr(trial, "expected")}
    assert expected == {NEAR: "ticket 17", SIZE: None}
    (here / "known.toml").write_text(f'{NEAR} = "ticket 17"\n')
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parametrize_with_checks([worst], expected_failed_checks=here / "known.toml", **FEW)


@pytest.mark.parametrize("text", ["a = 1", "a = ''", "[a]\nb = 'c'", "a", "a = 'b'\na = 'c'", "#" * (1 << 20) + "\n"])
def test_a_file_that_is_none_is_refused_in_one_sentence(text, here):
    (here / "known.toml").write_text(text)
    with pytest.raises(InvalidFile, match=r"known\.toml") as raised:
        read_expected("known.toml")
    assert "\n" not in str(raised.value)
