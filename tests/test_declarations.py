"""What a balancer declares, in its own attribute or from outside: known names with a meaning, and what they do."""

from pathlib import Path

import numpy as np
import pytest

import equipoise
from equipoise.balancers.find import Target
from equipoise.checks.check import replay
from equipoise.checks.engine.findings import load
from equipoise.checks.engine.registry import select
from equipoise.errors import InvalidProblem
from equipoise.roles import all_roles
from equipoise.testing import make_suite

OBSERVED = ("has ", "takes ", "returns ", "by source")


class FirstComeFirstServed:
    """Every token's best experts, until one is full."""

    def __call__(self, scores, top_k):
        tokens, experts = scores.shape
        chosen = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
        room = np.full(experts, -(-tokens * top_k // experts))
        for token, place in np.ndindex(chosen.shape):
            expert = chosen[token, place]
            chosen[token, place] = expert if room[expert] else -1
            room[expert] -= room[expert] > 0
        return chosen


@pytest.mark.parametrize("role", all_roles())
def test_whatever_a_check_asks_about_is_observed_or_a_declaration_of_its_role(role):
    names = {name for entry in select(role) for need in (*entry.needs, *entry.unless) for name in need.split("|")}
    unknown = {name for name in names - set(all_roles()[role].declarations) if not name.startswith(OBSERVED)}
    assert not unknown


@pytest.mark.parametrize("role", all_roles())
def test_built_in_balancers_declare_only_what_their_role_knows(role):
    known = all_roles()[role]
    for entry in known.catalogue.values():
        known.declared(getattr(entry.create(), "capabilities", ()))


def test_what_is_declared_from_outside_exempts_as_what_is_declared_inside():
    options = {"role": "router", "examples": 5, "exclude": ["router_is_near_the_optimum"]}
    plain = equipoise.check(FirstComeFirstServed, **options)
    declared = equipoise.check(FirstComeFirstServed, declares=["drops", "online"], **options)
    assert "router_gives_k_experts" in {finding.check for finding in plain.findings}
    assert declared.passed


def test_finding_names_the_declarations_that_would_exempt_from_its_check():
    report = equipoise.check(FirstComeFirstServed, role="router", examples=5)
    (finding,) = (one for one in report.findings if one.check == "router_gives_k_experts")
    assert "If that is meant, say --declares 'drops' or 'any number'" in finding.describe()


def test_finding_is_replayed_with_what_was_declared(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1])  # pytest names this module after the folder above
    monkeypatch.chdir(tmp_path)
    report = equipoise.check(FirstComeFirstServed, role="router", examples=5, declares=["online", "balances"])
    saved = load(str(report.findings[0].save()))
    assert saved.declares == ("balances", "online")
    verdict, said = replay(saved)
    assert verdict == "STILL FAILS", said


def test_unknown_declaration_is_refused_with_the_nearest_name():
    for refused in (
        lambda: equipoise.check(FirstComeFirstServed, role="router", declares=["drop"]),
        lambda: equipoise.audit(FirstComeFirstServed, role="router", declares=["drop"]),
        lambda: make_suite(FirstComeFirstServed, role="router", declares=["drop"]),
    ):
        with pytest.raises(InvalidProblem, match="did you mean 'drops'"):
            refused()


def test_declaration_with_a_number_is_known_by_its_words_and_needs_one():
    router = all_roles()["router"]
    assert router.declared(["weights: scaled by 2.5"]) == {"weights: scaled by 2.5"}
    for wrong in ("weights: scaled by N", "weights: scaled by ", "weights: scaled by two", "weights: scaled by -1"):
        with pytest.raises(InvalidProblem):
            router.declared([wrong])


def test_declared_scale_is_compared_with_the_weights():
    def twice(scores, top_k):
        chosen = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
        return chosen, 2 * np.take_along_axis(scores, chosen, axis=1)

    found = {}
    for factor in ("2", "2.5"):
        report = equipoise.check(twice, role="router", examples=1, declares=[f"weights: scaled by {factor}"])
        found[factor] = {finding.check for finding in report.findings}
    assert found == {"2": set(), "2.5": {"router_weights_follow_the_declared_formula"}}


def test_process_that_starts_again_keeps_what_is_declared():
    with Target.of("hungry_router:route", role="router", declares=["drops"]).hold() as balancer:
        balancer.close()
        balancer.fresh()
        assert "drops" in balancer.capabilities


def test_suite_of_pytest_skips_what_is_declared():
    suite = make_suite(FirstComeFirstServed, role="router", declares=["drops"])
    with pytest.raises(pytest.skip.Exception, match="the target declares: drops"):
        suite().test_router_gives_k_experts()


class Misspelt(FirstComeFirstServed):
    """It drops, and cannot spell it."""

    capabilities = ("drop", "made by us")


def test_a_declaration_that_is_nearly_one_is_named_with_the_nearest_and_others_are_left_alone():
    words = "it declares 'drop', which means nothing of a router; did you mean 'drops'?"
    batch = np.random.default_rng(0).random((8, 4))
    audit = equipoise.audit(Misspelt, role="router", trace=batch, top_k=2)
    assert audit.rows[0].warnings == (words,)
    others = [entry.name for entry in select("router") if entry.name != "router_answers"]
    report = equipoise.check(Misspelt, "router", exclude=others, in_process=True)
    assert report.misspelt == (words,)
    assert f"Warning: {words}" in repr(report)
    assert report.to_dict()["misspelt"] == [words]
    assert f'name="misspelt" value="{words}"' in report.junit().replace("&apos;", "'")
