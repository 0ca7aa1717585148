"""The verdict under a table: who it names is who the rows say, and it claims nothing that is not proved."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise import audit
from equipoise.audits.measures import Row, shown
from equipoise.audits.router import AUDIT, DROPPED, REGRET
from equipoise.audits.run import role_audit
from equipoise.audits.verdict import standing, verdict
from equipoise.traces import LoadInstance, drifting

PLACERS = role_audit("placer")
EIGHTHS = st.integers(0, 12).map(lambda n: n / 8)  # sums of eighths are exact, so that ties are ties


@st.composite
def tables(draw, names=("bip", "topk", "mine:route", "midpoint"), errors=True):
    """Rows of some balancers on the same instances; some broke."""
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    rows = []
    for name in chosen:
        for instance in range(3):
            kind = draw(st.sampled_from([None, None, None, None, "raises", "refuses"])) if errors else None
            values = {"relative_regret": draw(EIGHTHS), "max_vio": draw(EIGHTHS) - 0.5, "dropped": draw(EIGHTHS)}
            word = draw(st.sampled_from(["certified", "certified", "bounded", "claimed"]))
            row = Row(name, f"batch{instance}", {}, values, evidence={"optimum": word})
            rows.append(row if kind is None else Row(name, f"batch{instance}", error="it broke", kind=kind))
    return rows


def by_name(rows):
    return {name: [row for row in rows if row.balancer == name] for name in dict.fromkeys(r.balancer for r in rows)}


def leaders(rows, name):
    """Who has least where nobody refuses: none of it before some of it, then the smaller mean; the obvious way."""
    rows = [row for row in rows if not all(other.refused for other in rows if other.balancer == row.balancer)]
    refused = [row.instance for row in rows if row.refused]
    rows = [row for row in rows if row.instance not in refused]
    complete = {b: [r.values[name] for r in own] for b, own in by_name(rows).items() if all(r.values for r in own)}
    free = {balancer for balancer, values in complete.items() if max(values) <= 0}
    means = {balancer: np.mean(values) for balancer, values in complete.items()}
    return free or {balancer for balancer, mean in means.items() if mean == min(means.values())}


@given(tables(), st.sampled_from([one for one in AUDIT.measures if one.noun]))
def test_the_best_and_the_worst_are_those_of_the_rows(rows, measure):
    found, best = standing(measure, rows), leaders(rows, measure.name)
    if found is None:
        assert not best
        return
    assert set(found.best) == best
    values = [row.values[measure.name] for row in rows if row.values]
    counted = [row for row in rows if row.instance not in {other.instance for other in rows if other.refused}]
    if found.everywhere:
        assert found.none == all(row.values[measure.name] <= 0 for row in counted if row.balancer in best)
    if found.worst is None:
        assert max(values) <= 0
    else:
        assert found.worst.values[measure.name] == max(values) > 0


@given(tables())
def test_the_sentences_name_the_best_the_worst_and_who_broke(rows):
    text = verdict(AUDIT, rows)
    groups, best = by_name(rows), leaders(rows, "relative_regret")
    broken = [name for name, own in groups.items() if any(row.at_fault for row in own)]
    named = [f"{name} broke" for name in broken if f"{name} broke" in text or f"{name} and " in text or name in text]
    assert bool(re.search(r"^\S.* broke\. ", text)) == (bool(broken) or len(groups) > 1)
    assert len(named) == len(broken)
    assert ("No router broke." in text) == (not broken and len(groups) > 1)
    regret = re.search(r"[^.]*(?:\d\.\d[^.]*)*regret(?:[^.]|\.\d)*\.(?= |$)", text)
    if not best:
        assert regret is None
        return
    worst = max(row.values["relative_regret"] for row in rows if row.values)
    assert all(name in regret[0] for name in best) or f"No router has any {REGRET.noun}" in text
    if worst > 0:
        assert shown(worst, "share") in regret[0]
        assert any(row.instance in regret[0] for row in rows if row.values and row["relative_regret"] == worst)


@given(tables())
def test_nothing_is_called_optimal_and_certified_only_what_is(rows):
    text = verdict(AUDIT, rows)
    assert "optimal" not in text
    if "(certified)" in text:
        own = [row for row in rows if row.balancer in leaders(rows, "relative_regret") and not row.refused]
        assert all(row.evidence == {"optimum": "certified"} and not row["relative_regret"] for row in own)
    assert ("Nothing proves" in text) == any("claimed" in row.evidence.values() for row in rows)


@given(tables())
def test_the_next_command_is_for_who_broke_or_else_for_the_worst(rows):
    name = re.search(r"Next: equipoise check (\S+)", verdict(AUDIT, rows))[1]
    broken = [row.balancer for row in rows if row.at_fault]
    if broken:
        assert name in broken
        return
    worst = max((row["relative_regret"] for row in rows if row.values), default=0)
    if worst and leaders(rows, "relative_regret"):
        assert name in {row.balancer for row in rows if row.values and row["relative_regret"] == worst}


@given(tables(errors=False), st.lists(st.sampled_from("uv"), min_size=3, max_size=3))
def test_in_several_groups_the_best_is_best_in_most_of_them(rows, names):
    rows = [
        Row(row.balancer, row.instance, {"group": names[int(row.instance[-1])]}, {"relative_regret": row["dropped"]})
        for row in rows
    ]
    wins = {}
    for group in set(names):
        for name in leaders([row for row in rows if row["group"] == group], "relative_regret"):
            wins[name] = wins.get(name, 0) + 1
    found = standing(REGRET, rows, ("group",))
    assert set(found.best) == {name for name, count in wins.items() if count == max(wins.values())}
    assert found.groups == (max(wins.values()), len(set(names)))


def test_a_column_of_what_nobody_has_is_left_out_but_rows_have_it():
    none = audit(["topk", "midpoint"], trace=drifting(2))
    assert "| dropped |" not in none.to_markdown()
    assert all(row["dropped"] == 0 for row in none.rows)
    some = audit(["expert-choice", "midpoint"], trace=drifting(2))
    assert "| dropped |" in some.to_markdown()
    assert DROPPED.noun in some.verdict


def test_a_python_object_is_checked_from_python_and_an_ambiguous_name_with_its_role():
    def mine(load, hosts):
        return load[:, None] * (np.cumsum(hosts, axis=1) == 1) * hosts

    batch = [LoadInstance("one", np.array([9, 5, 1, 1]))]
    alone = audit([mine], role="scheduler", trace=batch, devices=2)
    assert 'equipoise.check(mine, "scheduler"' in alone.verdict
    both = audit(["micromoe"], role="scheduler", trace=batch, devices=2)
    assert "equipoise check micromoe --role scheduler" in both.verdict
    assert both.to_dict()["verdict"] == both.verdict


@pytest.mark.parametrize("way", [AUDIT, *AUDIT.variants.values(), PLACERS, role_audit("scheduler")])
def test_the_verdict_of_every_role_speaks_of_its_first_measure(way):
    assert way.measures[0].noun
    assert verdict(way, []) == ""
