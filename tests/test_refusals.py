"""Refusals: told from defects, put into words, never counted against a balancer that takes the rest."""

import contextlib
import json
import pickle
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import random_balancers
import refusing_balancers
from command_line import run
from equipoise import audit, check
from equipoise.balancers.balancer import CALL_SECONDS
from equipoise.balancers.isolated import Isolated
from equipoise.checks.engine.refusals import explain
from equipoise.checks.engine.registry import select
from equipoise.checks.engine.run import run_checks
from equipoise.checks.engine.settings import Settings
from equipoise.conditions import LONGEST, Condition
from equipoise.errors import InvalidProblem
from equipoise.roles import all_roles, role_named
from equipoise.traces import Instance

LETTERS = ("T", "E", "K")
ROUTER = role_named("router")


# Conditions


@pytest.mark.parametrize(
    ("text", "by_hand"),
    [
        ("K < E and T*K % E == 0", lambda t, e, k: k < e and t * k % e == 0),
        ("not (K == 1 or T >= 2 * E)", lambda t, e, k: not (k == 1 or t >= 2 * e)),
        ("1 <= K <= E // 2 != T - 1", lambda t, e, k: 1 <= k <= e // 2 and e // 2 != t - 1),
        ("-K + E > 0", lambda t, e, k: e > k),
    ],
)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 12))
def test_a_condition_holds_where_the_same_words_in_python_do(text, by_hand, tokens, experts, top_k):
    assert Condition(text, LETTERS).holds([tokens, experts, top_k]) == by_hand(tokens, experts, top_k)


def test_a_condition_that_divides_by_zero_does_not_hold():
    assert not Condition("T % K == 0", LETTERS).holds([4, 2, 0])


@pytest.mark.parametrize(
    "text",
    [
        *("", "K", "K +", "K = E", "K < G", "K < 1.5", "K < True", "'K' < E", "T ** K < 9", "(K < E) + 1 == 2"),
        *("__import__('os').system('false') == 0", "(lambda: 1)() == 1", "K.real == 1", "[K][0] == 1", "K in (1, 2)"),
        *("K if T > 1 else E", "K == 99999999999999999999", "not K", "K < E if 1 else 2", "K is E", "K == E and T"),
        *(
            "T" * (LONGEST + 1),
            "-" * (LONGEST - 6) + "K == 1" * 2,
            "(" * 200 + "K == 1" + ")" * 200,
            "K == 1\0",
            "K == 1;",
        ),
    ],
)
def test_what_is_no_condition_is_refused_in_one_sentence_with_what_is_allowed(text):
    with pytest.raises(InvalidProblem) as refused:
        Condition(text, LETTERS)
    assert "T, E, K" in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.text(max_size=40))
def test_any_text_is_a_condition_or_refused(text):
    with contextlib.suppress(InvalidProblem):
        assert Condition(text, LETTERS).holds([4, 3, 2]) in (True, False)


def test_the_sign_of_an_assignment_is_told_from_equality():
    with pytest.raises(InvalidProblem, match="write == where = is meant"):
        Condition("K = 1", LETTERS)


def test_a_condition_survives_being_sent_to_a_worker():
    sent = pickle.loads(pickle.dumps(Condition("K == 1", LETTERS)))
    assert sent == Condition("K == 1", LETTERS)
    assert sent.holds([4, 4, 1])


# In words


GRID = [(t, e, k) for t in range(1, 9) for e in range(1, 7) for k in range(1, e + 1)]


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (lambda t, e, k: e == 1, ["E = 1"]),
        (lambda t, e, k: k > 1, ["K > 1"]),
        (lambda t, e, k: k == e, ["E = K"]),
        (lambda t, e, k: t < e, ["E > T"]),
        (lambda t, e, k: t * k % e != 0, ["T*K not divisible by E"]),
        (lambda t, e, k: e % 4 != 0, ["E not divisible by 4"]),
        (lambda t, e, k: e - k > t, ["E > T + K"]),
        (lambda t, e, k: e == 1 or t * k % e != 0, ["T*K not divisible by E", "E = 1"]),
    ],
)
def test_refused_sizes_are_explained_by_what_they_have_in_common(refused, words):
    groups = explain(ROUTER, {s for s in GRID if refused(*s)}, {s for s in GRID if not refused(*s)})
    assert [when for when, _ in groups] == words


@given(st.sets(st.sampled_from(GRID), max_size=30), st.sets(st.sampled_from(GRID), max_size=30))
def test_every_refused_size_is_explained_once(refused, taken):
    groups = explain(ROUTER, refused - taken, taken)
    assert sorted(shape for _, shapes in groups for shape in shapes) == sorted(refused - taken)


def test_what_no_simple_statement_explains_is_listed_by_its_sizes():
    [(words, shapes)] = explain(ROUTER, {(5, 4, 2)}, {s for s in GRID if s != (5, 4, 2)})
    assert (words, shapes) == ("T = 5, E = 4, K = 2", [(5, 4, 2)])


# In checks


@pytest.fixture(scope="module")
def balancer():
    with Isolated("topk", "router") as balancer:
        yield balancer


def checked(balancer, target, role="router", examples=12, **settings):
    balancer.take(target, role)
    balancer.call_seconds = CALL_SECONDS
    return run_checks(balancer, select(role), Settings(examples=examples, shrink_steps=5, **settings))


@pytest.mark.parametrize(("role", "name"), refusing_balancers.SOUND)
def test_no_check_flags_a_sound_balancer_that_refuses_odd_sizes(balancer, role, name):
    report = checked(balancer, f"refusing_balancers:{name}", role)
    assert [(finding.check, finding.message) for finding in report.findings] == []
    assert report.passed
    assert report.refusals
    assert report.ran >= 3


@pytest.mark.parametrize(("role", "name", "words"), refusing_balancers.FAULTY)
def test_a_raise_that_is_no_refusal_of_sizes_is_one_finding(balancer, role, name, words):
    report = checked(balancer, f"refusing_balancers:{name}", role, examples=60)
    assert {finding.kind for finding in report.findings} == {"raises"}
    assert len(report.findings) == 1
    assert words in report.findings[0].message


def test_the_report_says_in_every_form_what_is_refused(balancer):
    report = checked(balancer, "refusing_balancers:needs_whole_loads", examples=40)
    assert "T*K not divisible by E" in [refusal.when for refusal in report.refusals]
    line = f"refuses: {report.refuses}"
    assert line in repr(report).splitlines()
    assert line in report.markdown().splitlines()
    known = json.loads(report.json())["refusals"]
    assert [one["when"] for one in known] == [one.when for one in report.refusals]
    assert all(one["cases"] > 0 and "AssertionError" in one["message"] for one in known)
    told = [one.attrib for one in ElementTree.fromstring(report.junit()).iter("property")]
    assert [one for one in told if one["name"] == "refuses"] == [{"name": "refuses", "value": report.refuses}]


def test_a_check_all_of_whose_cases_are_refused_is_neither_passed_nor_failed(balancer):
    report = checked(balancer, "refusing_balancers:needs_whole_loads")
    [outcome] = [one for one in report.outcomes if one.check == "router_works_when_nothing_divides"]
    assert (outcome.verdict, outcome.cases) == ("skipped", 0)
    assert outcome.refused
    assert outcome.sentence.startswith("skipped: the target refuses all of its cases: it raised AssertionError")


def test_a_check_that_is_left_with_too_few_cases_says_so(balancer):
    report = checked(balancer, "refusing_balancers:takes_one_token", examples=2)
    few = [one for one in report.outcomes if 0 < one.cases < 5 and one.refused]
    assert few
    assert {one.verdict for one in few} == {"skipped"}
    assert all("too few cases" in one.sentence for one in few)


def test_a_balancer_that_takes_everything_refuses_nothing(balancer):
    report = checked(balancer, "topk")
    assert report.refusals == []
    assert "refuses: " not in repr(report)


def test_what_is_not_accepted_is_not_tried():
    seen = set()

    def route(scores, top_k):
        seen.add((*scores.shape, top_k))
        return np.argsort(-scores, axis=1, kind="stable")[:, :top_k]

    report = check(route, "router", accepts="K < E and T*K % E == 0", examples=20)
    assert report.passed
    probed = {(2, 4, 1)}  # asked for what it returns, before any check
    assert seen - probed
    assert all(k < e and t * k % e == 0 for t, e, k in seen - probed)


def test_a_wrong_condition_is_said_before_any_work():
    with pytest.raises(InvalidProblem, match="allowed: comparisons of T, E, K"):
        check("topk", "router", accepts="K <")
    with pytest.raises(InvalidProblem, match="allowed: comparisons of T, E, K"):
        audit("topk", role="router", accepts="G == 1", top_k=1)


def test_the_command_line_takes_a_condition(tmp_path):
    done = run(tmp_path, "check", "topk", "--accepts", "K == 1", "--examples", "5")
    assert done.returncode == 0, done.stderr
    wrong = run(tmp_path, "check", "topk", "--accepts", "K is E")
    assert wrong.returncode == 2
    assert "accepts" in wrong.stderr
    assert "Traceback" not in wrong.stderr


# In audits


def instances(*sizes):
    rng = np.random.default_rng(0)
    return [Instance(f"{t}x{e} K={k}", rng.random((t, e)), k, "one") for t, e, k in sizes]


MIXED = instances((16, 4, 1), (16, 4, 2), (12, 6, 1))


@pytest.mark.parametrize("target", ["refusing_balancers:top_one_only", "refusing_balancers:TopOneAccepts"])
def test_an_instance_that_a_router_refuses_is_not_judged(target):
    result = audit([target, "topk"], role="router", trace=MIXED)
    own, other = result.summary
    assert (own["instances"], own["errors"], own["refused"]) == (3, 0, 1)
    assert (other["errors"], other["refused"]) == (0, 0)
    assert result.passed
    [row] = [row for row in result.rows if row.refused]
    assert row.instance == "16x4 K=2"
    assert not row.values
    assert "refused" in result.tables()[0].head
    assert f"{target} refused 1 of 3 instances" in result.table(200)


def test_a_router_of_one_expert_is_not_judged_at_two_though_it_is_never_asked_anything_else():
    result = audit("refusing_balancers:top_one_only", role="router", trace=instances((16, 4, 2)))
    assert result.summary[0]["refused"] == 1
    assert result.passed


def test_an_instance_outside_the_condition_is_not_judged():
    result = audit("topk", role="router", trace=MIXED, accepts="K == 1")
    assert [row.refused for row in result.rows] == [False, True, False]
    assert "does not accept T = 16, E = 4, K = 2" in result.rows[1].error


@pytest.mark.parametrize("name", ["raises_on_purpose", "raises_on_ties"])
def test_what_is_no_refusal_is_an_error_in_an_audit(name):
    tied = [Instance("tied", np.full((8, 4), 0.5), 2, "one")]
    result = audit(f"refusing_balancers:{name}", role="router", trace=tied)
    assert (result.summary[0]["errors"], result.summary[0]["refused"]) == (1, 0)
    assert result.rows[0].kind == "raises"
    assert not result.passed


def test_no_column_is_there_for_nothing_refused():
    assert "refused" not in audit("topk", role="router", trace=MIXED).tables()[0].head


# Compiling, and dice


def test_a_first_call_that_compiles_does_not_hang():
    with Isolated("refusing_balancers:Compiles", "router", call_seconds=0.5) as balancer:
        scores = np.random.default_rng(0).random((4, 4))
        for _ in range(2):
            balancer.ask(scores, 1)
        balancer.close()  # another process compiles again
        balancer.ask(scores, 1)


@pytest.mark.parametrize(("role", "name"), random_balancers.SOUND)
def test_no_check_flags_a_sound_balancer_that_throws_dice(balancer, role, name):
    balancer.take(f"random_balancers:{name}", role)
    assert "random" in balancer.capabilities
    report = checked(balancer, f"random_balancers:{name}", role)
    assert [(finding.check, finding.message, finding.case) for finding in report.findings] == []


@pytest.mark.parametrize("role", all_roles())
def test_what_random_balancers_skip_is_what_compares_two_answers(role):
    skipped = {entry.name for entry in select(role) if "random" in entry.unless}
    assert {f"{role}_{name}" for name in ("is_deterministic", "accepts_any_memory_layout", "reset_forgets")} <= skipped
