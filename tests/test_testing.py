"""The checks as tests of pytest: a run of pytest on a small project, and what its report says."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from equipoise.balancers.find import importable
from equipoise.checks.engine.registry import select
from equipoise.errors import InvalidProblem
from equipoise.testing import SOME_CHECK_RUNS, make_suite, parametrize_with_checks
from test_architecture import HEAVY, loaded_after

KEPT = ("router_gives_k_experts", "router_is_deterministic", "router_keeps_quiet", "router_respects_capacity")
BALANCERS = """
import numpy as np


def route(scores, top_k):
    return np.argsort(-scores, axis=1)[:, :top_k]


def one_short(scores, top_k):
    chosen = route(scores, top_k)
    chosen[0, -1] = -1
    return chosen


def loud(scores, top_k):
    print("noise")
    return route(scores, top_k)


def raises(scores, top_k):
    raise RuntimeError("boom")


class Greedy:
    def __call__(self, scores, top_k):
        return route(scores, top_k)


class Choosy(Greedy):
    def accepts(self, tokens, experts, top_k):
        return False
"""
TESTS = """
import numpy as np
import pytest

import balancers
from balancers import route
from equipoise.checks.engine.registry import select
from equipoise.testing import make_suite, parametrize_with_checks

QUICK = dict(exclude=[c.name for c in select("router") if c.name not in KEPT_NAMES], examples=8)


@parametrize_with_checks(["balancers:route", route, balancers.Greedy(), lambda scores, k: route(scores, k)], **QUICK)
def test_sound(target, check):
    check(target)


@parametrize_with_checks(["balancers:one_short", balancers.one_short, lambda s, k: balancers.one_short(s, k)], **QUICK)
def test_faulty(target, check):
    check(target)


@parametrize_with_checks(["balancers:raises", "balancers:missing"], **QUICK)
def test_broken(target, check):
    check(target)


IMPATIENT = dict(exclude=[c.name for c in select("router") if c.name != "router_gives_k_experts"])


@parametrize_with_checks("balancers:route", examples=10**6, seconds=0.1, **IMPATIENT)
def test_impatient(target, check):
    check(target)


@parametrize_with_checks(balancers.Choosy, **QUICK)
def test_choosy(target, check):
    check(target)


@parametrize_with_checks(
    ["balancers:one_short", "balancers:route"], expected_failed_checks={"router_gives_k_experts": "known"}, **QUICK
)
def test_expected(target, check):
    check(target)


@pytest.mark.filterwarnings("default::equipoise.testing.BalancerWarning")
@parametrize_with_checks("balancers:loud", **QUICK)
def test_loud(target, check):
    check(target)


TestSuite = make_suite("balancers:one_short", **QUICK)
""".replace("KEPT_NAMES", repr(KEPT))


def pytest_run(folder, *arguments):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project with balancers and their tests."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "balancers.py").write_text(BALANCERS)
    (folder / "test_balancers.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\npythonpath = .\n")
    return folder


@pytest.fixture(scope="module")
def report(folder):
    """Outcome and text of every test, by its id."""
    run = pytest_run(folder, "--junit-xml", "report.xml")
    assert run.returncode == 1, run.stdout + run.stderr
    found = {"output": ("", run.stdout)}
    for case in ElementTree.parse(folder / "report.xml").iter("testcase"):
        part = next((part for part in case if part.tag in ("failure", "error", "skipped")), None)
        words = "" if part is None else part.attrib.get("message", "") + "\n" + (part.text or "")
        kind = "passed" if part is None else part.attrib.get("type", part.tag).removeprefix("pytest.") or part.tag
        found[case.attrib["name"]] = (kind if kind != "skipped" else "skip", words)
    return found


def of(report, test, target):
    """Outcome by check of one target in one test."""
    head = f"{test}[{target}-"
    return {name[len(head) : -1]: outcome for name, (outcome, _) in report.items() if name.startswith(head)}


def failing(outcomes):
    return {name for name, outcome in outcomes.items() if outcome not in ("passed", "skip")}


def test_there_is_one_id_for_every_check_and_target_and_one_that_counts(report):
    for target in ("balancers:route", "route", "Greedy", "<lambda>"):
        assert set(of(report, "test_sound", target)) == {*KEPT, SOME_CHECK_RUNS}


def test_a_sound_balancer_passes_by_name_and_as_any_kind_of_object(report):
    for target in ("balancers:route", "route", "Greedy", "<lambda>"):
        assert not failing(of(report, "test_sound", target))


def test_a_check_that_does_not_apply_is_skipped_with_its_reason(report):
    outcome, words = report["test_sound[balancers:route-router_respects_capacity]"]
    assert (outcome, "the target lacks: respects capacity" in words) == ("skip", True)


def test_a_failure_is_the_finding_and_can_be_replayed(report, folder):
    assert failing(of(report, "test_faulty", "balancers:one_short")) == {"router_gives_k_experts"}
    _, words = report["test_faulty[balancers:one_short-router_gives_k_experts]"]
    assert "token 0 gets 0 experts, not 1." in words
    assert "scores = np.array(" in words
    assert "A better answer: [[0]]" in words
    assert "Traceback" not in words
    name = words.split("equipoise replay ")[1].split()[0]
    assert json.loads((folder / ".equipoise" / f"{name}.json").read_text())["check"] == "router_gives_k_experts"
    command = [sys.executable, "-m", "equipoise", "replay", name]
    again = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert (again.returncode, again.stdout[:11]) == (1, "STILL FAILS")


def test_objects_run_isolated_where_they_can_be_imported_and_failures_say_where_not(report):
    words = {target: report[f"test_faulty[{target}-router_gives_k_experts]"][1] for target in ("one_short", "<lambda>")}
    assert "ran in the process of the tests" not in words["one_short"]
    assert "ran in the process of the tests" in words["<lambda>"]


def test_a_target_that_raises_is_reported_once(report):
    outcomes = of(report, "test_broken", "balancers:raises")
    assert failing(outcomes) == {"router_keeps_quiet"}
    assert "see router_keeps_quiet" in report["test_broken[balancers:raises-router_is_deterministic]"][1]


def test_a_target_that_does_not_exist_fails_every_test_with_one_sentence(report):
    assert failing(of(report, "test_broken", "balancers:missing")) == {*KEPT, SOME_CHECK_RUNS}
    words = report[f"test_broken[balancers:missing-{SOME_CHECK_RUNS}]"][1]
    assert "has no attribute 'missing'" in words
    assert "Traceback" not in words


def test_a_check_that_gives_up_fails_and_says_so(report):
    assert failing(of(report, "test_impatient", "balancers:route")) == {"router_gives_k_experts"}
    words = report["test_impatient[balancers:route-router_gives_k_experts]"][1]
    assert "router_gives_k_experts gave up after" in words
    assert "the limit of 0.1 s struck; neither passed nor failed" in words


def test_a_suite_in_which_nothing_runs_fails(report):
    assert failing(of(report, "test_choosy", "Choosy")) == {SOME_CHECK_RUNS}
    assert report[f"test_choosy[Choosy-{SOME_CHECK_RUNS}]"][1].count("none of the 4 checks says anything") >= 1


def test_an_expected_failure_is_one_and_an_unexpected_pass_fails(report):
    assert report["test_expected[balancers:one_short-router_gives_k_experts]"][0] == "xfail"
    outcome, words = report["test_expected[balancers:route-router_gives_k_experts]"]
    assert outcome == "failure"
    assert "holds for balancers:route, but expected_failed_checks names it: known" in words


def test_a_warning_does_not_fail(report):
    assert not failing(of(report, "test_loud", "balancers:loud"))
    assert "BalancerWarning: router_keeps_quiet: it prints to standard output." in report["output"][1]


def test_a_suite_has_a_method_per_check(report):
    outcomes = {name: outcome for name, (outcome, _) in report.items() if name.startswith("test_") and "[" not in name}
    assert set(outcomes) == {f"test_{name}" for name in (*KEPT, SOME_CHECK_RUNS)}
    assert failing(outcomes) == {"test_router_gives_k_experts"}


def test_the_marker_selects_and_deselects(folder):
    run = pytest_run(folder, "--collect-only", "-q", "-m", "not equipoise")
    assert run.returncode == 5, run.stdout  # nothing collected
    assert "deselected" in run.stdout


def test_two_suites_of_one_target_share_nothing():
    one, other = make_suite("topk"), make_suite("topk")
    assert one is not other
    assert not {id(value) for value in vars(one).values() if callable(value)} & {id(v) for v in vars(other).values()}


def test_without_exclusions_every_check_of_the_role_has_a_test():
    rows = parametrize_with_checks("topk").args[1]
    assert [row.values[1].name for row in rows] == [SOME_CHECK_RUNS, *(entry.name for entry in select("router"))]


@pytest.mark.parametrize(
    ("targets", "options"),
    [
        ([], {}),
        ([3], {}),
        (["topk"], {"expected_failed_checks": {"no_such_check": "why"}}),
        (["topk"], {"exclude": ["no_such_check"]}),
        (["topk"], {"checks_as_of": "0.0"}),
        (["topk"], {"checks_as_of": "yesterday"}),
        (["topk"], {"max_gap": -0.1}),
        (["topk"], {"max_gap": "1%"}),
        (["topk"], {"examples": 0}),
        (["topk"], {"expected_failed_checks": {"router_answers": "why"}, "exclude": ["router_answers"]}),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(targets, options):
    with pytest.raises(InvalidProblem) as raised:
        parametrize_with_checks(targets, **options)
    assert "\n" not in str(raised.value)


def test_what_pytest_loads_by_itself_imports_nothing_but_the_package_itself():
    loaded = loaded_after("import equipoise.pytest_plugin")
    assert {name for name in loaded if name.startswith("equipoise")} == {"equipoise", "equipoise.pytest_plugin"}
    assert not {name.split(".")[0] for name in loaded} & (HEAVY | {"numpy", "msgspec"})


def test_without_pytest_the_import_says_what_to_install():
    code = "import sys; sys.modules['pytest'] = None; import equipoise.testing"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stderr.splitlines()[-1] == "ImportError: equipoise.testing needs pytest: pip install 'equipoise[test]'"


def local(scores, top_k):
    return None


def test_only_what_its_module_shows_under_its_own_name_is_importable():
    def inner(scores, top_k):
        return None

    assert importable(make_suite) == "equipoise.testing:make_suite"
    assert importable(inner) is None
    assert importable(lambda scores, top_k: None) is None
    assert importable(object()) is None
