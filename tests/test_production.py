"""Production sizes: what is tried is bounded by counts, what fails is lowered in its sizes, and no file grows large."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.balancers.find import Target
from equipoise.checks.check import replay
from equipoise.checks.engine.findings import load
from equipoise.checks.engine.production import RUNGS, Production, lowest
from equipoise.checks.engine.registry import select
from equipoise.checks.engine.run import run_checks
from equipoise.checks.engine.settings import Settings
from equipoise.checks.engine.trial import run_check
from equipoise.errors import InvalidFile, TargetError
from equipoise.roles.router import RouterCase

ROLES = ("router", "scheduler", "placer", "predictor")
CHECKS = {entry.name: entry for role in ROLES for entry in select(role)}
FAMILIES = {entry.cases.search.__name__: entry.cases for entry in CHECKS.values() if entry.part == "production"}


def top(scores, top_k):
    return np.argsort(-scores, axis=1, kind="stable")[:, :top_k]


def forgets_a_tail(scores, top_k):
    chosen = top(scores, top_k)
    if len(scores) > 64 and scores.shape[1] >= 32:
        chosen[64:] = -1
    return chosen


def drops_all_of_many(scores, top_k):
    return np.full((len(scores), top_k), -1) if scores.size > 20_000 else top(scores, top_k)


def test_a_check_that_says_nothing_of_a_target_is_skipped_with_the_reason_and_counts_no_case():
    """Of one that takes the worst experts, what the best of many are tells nothing."""
    with Target.of(lambda scores, top_k: top(-scores, top_k), "router").hold(in_process=True) as balancer:
        outcome = run_check(balancer, CHECKS["router_takes_the_best_at_production_size"], Settings(examples=4))
    assert (outcome.cases, outcome.verdict) == (0, "skipped")
    assert outcome.skipped == "the target does not take the best K experts of a few"


def found(router, **options):
    with Target.of(router, "router").hold(in_process=True) as balancer:
        return run_check(balancer, CHECKS["router_gives_k_experts_at_production_size"], Settings(**options)).finding


@given(st.lists(st.tuples(st.integers(1, 9000), st.integers(0, 9000)), min_size=1, max_size=4))
def test_sizes_that_fail_from_some_on_are_lowered_to_exactly_these_in_few_steps(pairs):
    least = tuple(size for size, _ in pairs)
    start = tuple(size + more for size, more in pairs)
    asked = []

    def fails(sizes):
        asked.append(sizes)
        return all(size >= low for size, low in zip(sizes, least, strict=True))

    assert lowest(start, fails) == least
    assert len(asked) <= 2 * sum(2 * size.bit_length() for size in start)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("examples", [1, 6, 200])
def test_what_is_tried_is_within_what_the_examples_are_worth_and_the_same_each_time(name, examples):
    family = FAMILIES[name]
    chosen = list(family.chosen(examples, 3))
    assert len(chosen) == len(set(chosen)) <= 3 * examples
    assert sum(map(family.entries, chosen)) <= examples * family.each
    assert chosen == list(family.chosen(examples, 3))
    assert set(chosen) <= set(family.ladder)


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=5)
@given(data=st.data())
def test_a_case_has_its_entries_is_admitted_and_is_the_same_each_time(name, data):
    family = FAMILIES[name]
    small = [sizes for sizes in family.ladder if family.entries(sizes) <= 20_000]
    sizes = data.draw(st.sampled_from(small))
    case = family.case(sizes, 7)
    assert case.valid
    assert family.admits(case)
    assert case.to_json() == family.case(sizes, 7).to_json()


def test_rungs_are_powers_of_two_and_their_neighbours():
    assert {1, 31, 32, 33, 48, 63, 64, 65, 127, 128, 129, 8191, 8192} <= set(RUNGS)
    assert max(RUNGS) == 8192


def test_a_finding_says_the_smallest_sizes_that_fail():
    finding = found(forgets_a_tail)
    assert finding.phase == "production"
    assert finding.message == "token 64 gets 0 experts, not 1; smallest sizes that fail: T = 65, E = 32, K = 1"
    assert finding.case.scores.shape == (65, 32)


@pytest.mark.parametrize("steps", [0, 3])
def test_sizes_are_lowered_in_so_many_steps(steps):
    tried = []

    def router(scores, top_k):
        tried.append(scores.shape)
        return drops_all_of_many(scores, top_k)

    finding = found(router, shrink_steps=steps)
    failed = next(place for place, shape in enumerate(tried) if np.prod(shape) > 20_000)
    assert len(tried) == failed + 1 + steps
    assert finding.case.scores.size > 20_000


def test_a_large_case_is_written_as_sizes_and_seed_and_read_and_replayed_again(tmp_path):
    finding = found(drops_all_of_many)
    path = finding.save(tmp_path)
    assert path.stat().st_size < 5_000
    assert len(finding.describe()) < 5_000
    again = load(str(path))
    assert again.recipe == finding.recipe
    assert again.case.to_json() == finding.case.to_json()
    assert again.id == finding.id
    assert replay(again, drops_all_of_many, in_process=True)[0] == "STILL FAILS"
    assert replay(again, top, in_process=True)[0] == "FIXED"


@pytest.mark.parametrize("sizes", [[10**6, 10**6, 8], [8192], "many", [-8192, 8, 2]])
def test_a_case_of_impossible_sizes_is_refused(tmp_path, sizes):
    path = found(drops_all_of_many).save(tmp_path)
    text = path.read_text()
    start, end = text.index('"sizes": ') + 9, text.index("]", text.index('"sizes": ')) + 1
    path.write_text(text[:start] + repr(sizes).replace("'", '"') + text[end:])
    with pytest.raises(InvalidFile, match=r"is no finding|are too large"):
        load(str(path))


def test_a_call_that_takes_too_long_at_such_sizes_is_no_finding_but_gives_up_once():
    def too_slow(balancer, case, given_settings):
        raise TargetError("it did not answer within 5 s", "hangs")

    first = replace(CHECKS["router_gives_k_experts_at_production_size"], function=too_slow)
    with Target.of(top, "router").hold(in_process=True) as balancer:
        seconds = balancer.call_seconds
        report = run_checks(balancer, [first, replace(first, name="again")], Settings())
        assert balancer.call_seconds == seconds
    assert report.findings == []
    assert not report.passed
    one, other = (outcome.sentence for outcome in report.outcomes)
    assert one.startswith("gave up after 1 cases: it did not answer within 5 s at T = ")
    assert other == "skipped: the target is slow: see router_gives_k_experts_at_production_size"


def test_every_role_has_a_production_family_that_a_search_can_draw_small():
    assert {entry.role for entry in CHECKS.values() if isinstance(entry.cases, Production)} == set(ROLES)


def test_a_favourite_that_fewer_assignments_than_experts_leave_idle_is_no_finding():
    """BIP clamps its prices at zero, and an expert that nobody can serve is idle in one order and not in the other."""
    [entry] = [one for one in select("router") if one.name == "router_serves_every_token_and_expert_at_production_size"]
    scores = np.random.default_rng(1).random((12, 13)).astype(np.float32)
    scores[:6, 12] = 0.99 + 0.0001 * np.arange(6)
    with Target.of("bip").hold(in_process=True) as balancer:
        assert balancer.ask(scores, 1).load[12] == 0
        balancer.fresh()
        assert balancer.ask(np.ascontiguousarray(scores[:, ::-1]), 1).load[0] > 0
        entry.function(balancer, RouterCase((scores,), 1), Settings())
