"""What finds a failure, and how small it is made: known cases, search, sequences, shrinking on the arrays."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from equipoise.balancers.find import Target
from equipoise.checks.engine.known import known_cases
from equipoise.checks.engine.registry import Failure, select
from equipoise.checks.engine.run import MOST_HANGS, run_checks
from equipoise.checks.engine.settings import Settings
from equipoise.checks.engine.shrink import shrunk
from equipoise.checks.engine.trial import run_check
from equipoise.errors import TargetError
from equipoise.roles.placer import PlacerCase
from equipoise.roles.predictor import PredictorCase
from equipoise.roles.router import RouterCase
from equipoise.roles.scheduler import SchedulerCase

CHECKS = {entry.name: entry for entry in select("router")}


def held(name):
    return Target.of(f"phased_routers:{name}", "router").hold(in_process=True)


def found(name, check="router_gives_k_experts", **options):
    return run_check(held(name), CHECKS[check], Settings(**options)).finding


def test_what_only_a_known_vector_shows_is_found_and_named():
    finding = found("fails_on_a_vector_alone", examples=10)
    assert (finding.phase, finding.origin) == ("vectors", "skewed-24x8-k2")
    assert finding.case.scores.shape == (24, 8)


def test_what_a_boundary_shows_is_found_there():
    finding = found("fails_with_one_token", examples=1)
    assert (finding.phase, finding.case.size, finding.case.top_k) == ("boundary", 1, 1)


def test_what_no_known_case_shows_the_search_finds():
    assert all((known.case.scores == 0.625).sum() < 2 for known in known_cases("router"))
    finding = found("sometimes", examples=200)
    assert (finding.phase, finding.origin) == ("search", "")
    assert finding.case.size == 2


def test_what_takes_several_steps_is_found_among_sequences_or_known_ones_and_keeps_them_all():
    finding = found("FailsAfterThree", "router_leaves_its_input_alone")
    assert finding is None
    finding = found("FailsAfterThree", "router_weights_are_finite_and_not_negative")
    assert finding is None


@pytest.mark.parametrize(
    ("name", "shape", "digits"),
    [("fails_above_a_quarter", (1, 4), 1), ("fails_on_many_tokens", (9, 1), 9), ("fails_with_one_token", (1, 1), 0)],
)
def test_a_finding_is_as_small_as_its_cause(name, shape, digits):
    case = found(name).case
    assert case.scores.shape == shape
    assert case.top_k == 1
    assert (case.scores != 0).sum() <= digits


class Counting:
    """A check that never fails, or always, and counts how often it is tried."""

    def __init__(self, fails=False):
        self.fails, self.tried = fails, 0

    def __call__(self, balancer, case, settings):
        self.tried += 1
        if self.fails:
            raise Failure("it always does")

    @property
    def entry(self):
        return replace(CHECKS["router_gives_k_experts"], function=self)


@pytest.mark.parametrize("examples", [1, 7, 30])
def test_every_known_case_and_every_example_is_tried(examples):
    passing = Counting()
    outcome = run_check(held("fails_on_many_tokens"), passing.entry, Settings(examples=examples))
    admitted = sum(passing.entry.cases.admits(known.case) for known in known_cases("router"))
    assert (outcome.verdict, outcome.cases, passing.tried) == ("passed", admitted + examples, admitted + examples)


@pytest.mark.parametrize("steps", [0, 3, 50])
def test_a_finding_is_made_smaller_in_so_many_steps_each_way(steps):
    failing = Counting(fails=True)
    outcome = run_check(held("fails_on_many_tokens"), failing.entry, Settings(shrink_steps=steps))
    assert outcome.verdict == "FAILED"
    assert failing.tried <= 2 + 2 * steps  # the first known case, the first that is drawn, and the steps


def test_a_check_that_runs_out_of_time_gives_up_and_neither_passes_nor_fails():
    passing = Counting()
    outcome = run_check(held("fails_on_many_tokens"), passing.entry, Settings(), deadline=0.0)
    assert (outcome.verdict, outcome.sentence, outcome.cases) == ("gave up", "gave up after 0 cases", 0)


def test_a_report_says_how_many_gave_up_and_does_not_pass():
    entries = [Counting().entry, replace(Counting().entry, name="again")]
    report = run_checks(held("fails_on_many_tokens"), entries, Settings(run_seconds=0.1, examples=10**6))
    assert [outcome.verdict for outcome in report.outcomes] == ["gave up", "gave up"]
    assert (report.passed, len(report.gave_up), report.findings) == (False, 2, [])
    assert "2 checks ran, 0 skipped, 2 gave up, 0 found something" in repr(report)
    assert report.to_dict()["gave_up"] == 2
    assert 'errors="2"' in report.junit()
    assert "gave up after" in report.markdown()


def test_hanging_calls_are_bounded_by_their_number():
    class Hanging(Counting):
        def __call__(self, balancer, case, settings):
            self.tried += 1
            raise TargetError("it did not answer within 5 s", "hangs")

    hanging = Hanging()
    entries = [replace(hanging.entry, name=f"check {number}") for number in range(2 * MOST_HANGS)]
    report = run_checks(held("fails_on_many_tokens"), entries, Settings())
    assert hanging.tried == MOST_HANGS
    assert [finding.kind for finding in report.findings] == ["hangs"]
    assert {outcome.sentence for outcome in report.outcomes[1:]} == {"skipped: the target hangs: see check 0"}


batches = hnp.arrays(np.float32, (4, 3), elements=st.floats(0, 1, width=32))
loads = hnp.arrays(np.int64, (4,), elements=st.integers(0, 99))
cases = st.one_of(
    st.builds(lambda b, k: RouterCase(tuple(b), k), st.lists(batches, min_size=1, max_size=3), st.integers(1, 3)),
    st.builds(lambda ls: SchedulerCase(tuple(ls), np.ones((4, 2), bool)), st.lists(loads, min_size=1, max_size=3)),
    st.builds(lambda ls: PlacerCase(tuple(x[None] for x in ls), 8, 2, 2, 4), st.lists(loads, min_size=1, max_size=3)),
    st.builds(lambda ls, h: PredictorCase(np.array(ls), h), st.lists(loads, min_size=1, max_size=3), st.integers(1, 9)),
)


@settings(max_examples=30)
@given(cases)
def test_what_always_fails_shrinks_to_the_smallest_valid_case(case):
    small = shrunk(case, lambda candidate: True)
    assert small.valid
    assert small.steps == 1
    assert small.size <= 2  # one entry, and of a scheduler one host
    assert "1" not in repr(small).split("array")[-1].split("dtype")[0] or small.size == 2


@settings(max_examples=30)
@given(cases, st.integers(1, 40))
def test_a_shrunk_case_still_fails_and_is_never_larger(case, limit):
    def fails(candidate):
        return candidate.size * 7 % 41 < limit

    small = shrunk(case, fails)
    assert small.size <= case.size
    assert fails(small) or small is case


@settings(max_examples=20)
@given(cases)
def test_what_never_fails_again_stays_as_it_is(case):
    assert shrunk(case, lambda candidate: False) is case


@pytest.mark.parametrize("severity", ["error", "warning"])
def test_a_broken_property_is_reported_once_unless_only_the_second_is_an_error(severity):
    first = replace(CHECKS["router_gives_k_experts"], severity=severity)
    again = replace(CHECKS["router_gives_k_experts"], name="again")
    report = run_checks(held("fails_with_one_token"), [first, again], Settings(examples=1))
    assert len(report.findings) == (1 if severity == "error" else 2)
    assert not report.passed
