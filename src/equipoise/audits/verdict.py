"""What an audit found, in a few sentences made from its measures: who broke, who is best at what, what to run next."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from equipoise.audits.measures import Measure, Row, shown
from equipoise.audits.role_audit import RoleAudit
from equipoise.roles import all_roles, role_named

NAMED = 3
"""Balancers that are named where several are best; more are counted."""

MUCH = 0.05
"""A worst gap beyond this is worth a search for the smallest input that shows it."""


@dataclass(frozen=True)
class Standing:
    """Who has least of a measure, and who has most of it.

    Attributes
    ----------
    best
        The balancers that have least: none of it on any instance, or the least on average. Where a table has several
        groups, those that have least in most of them. They are compared on the instances that none refuses; one that
        broke on some of these is never among them, and one that refuses everything is left out.
    none
        Whether these have none of it at all.
    groups
        In how many groups they have least, and how many there are.
    average
        Of the best, as the table has it.
    worst
        The row with most of it, on whatever instance; None where no row has any.
    everywhere
        Whether no instance was refused.
    """

    measure: Measure
    best: tuple[str, ...]
    none: bool
    groups: tuple[int, int]
    average: float
    worst: Row | None
    everywhere: bool


def standing(measure: Measure, rows: Sequence[Row], group_by: Sequence[str] = ()) -> Standing | None:
    """Return who has least and most of a measure; None where nobody has an answer on all instances that count."""
    takers = {row.balancer for row in rows if not row.refused}
    refused = {row.instance for row in rows if row.refused and row.balancer in takers}
    known = [row for row in rows if _value(row, measure) is not None]
    rows = [row for row in rows if row.balancer in takers and row.instance not in refused]
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.about.get(key) for key in group_by), []).append(row)
    leaders = [_least(measure, group) for group in groups.values()]
    leaders = [leader for leader in leaders if leader]
    wins = Counter(name for leader in leaders for name in leader)
    if not wins:
        return None
    most = max(wins.values())
    best = tuple(name for name in dict.fromkeys(row.balancer for row in rows) if wins[name] == most)
    own = [row for row in rows if row.balancer in best]
    average = measure.aggregates[0].of([row for row in own if row.balancer == best[0]], measure.name)
    worst = max(known, key=lambda row: _value(row, measure) or 0.0)
    none = most == len(leaders) and all((_value(row, measure) or 0.0) <= 0 for row in own)
    return Standing(
        measure,
        best,
        none,
        (most, len(leaders)),
        float(average or 0.0),
        worst if (_value(worst, measure) or 0.0) > 0 else None,
        not refused,
    )


def _least(measure: Measure, rows: Sequence[Row]) -> list[str]:
    """Return the balancers of a group that have least, of those that have a value in every row."""
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(row.balancer, []).append(row)
    amounts: dict[str, tuple[bool, float]] = {}
    for name, own in by_name.items():
        values = [_value(row, measure) for row in own]
        if None in values:
            continue
        some = any(value > 0 for value in values if value is not None)
        amounts[name] = some, float(measure.aggregates[0].of(own, measure.name) or 0.0) if some else 0.0
    return [name for name, amount in amounts.items() if amount == min(amounts.values())]


def _value(row: Row, measure: Measure) -> float | None:
    return next(iter(row.numbers([measure.name])), None) if row.error is None else None


def verdict(kind: RoleAudit, rows: Sequence[Row]) -> str:
    """Return what was found, and the next command; "" if there is nothing to judge.

    Nothing is called optimal. That a balancer has none of what the audit measures first is called certified where a
    checker accepted a proof of every optimum that it was compared with.
    """
    rows = [row for row in rows if row.balancer not in kind.beside]
    if not rows:
        return ""
    measures = [one for one in kind.measures if one.noun]
    found = [one for measure in measures if (one := standing(measure, rows, kind.group_by)) is not None]
    shown_ones = [one for one in found if one.worst is not None or not one.measure.only_if_any]
    sentences = [_broken(kind, rows), *(_sentence(one, kind, rows) for one in shown_ones)]
    if not all(row.proved for row in rows):
        unproved = sum(not row.proved for row in rows)
        sentences.append(f"Nothing proves what {unproved} of {len(rows)} rows are compared with.")
    return " ".join([*filter(None, sentences), _next(kind, rows, found)])


def _broken(kind: RoleAudit, rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(row.balancer for row in rows))
    broken = [name for name in names if any(row.at_fault for row in rows if row.balancer == name)]
    if not broken:
        return f"No {kind.role} broke." if len(names) > 1 else ""
    return f"{_listed(broken)} broke."


def _sentence(found: Standing, kind: RoleAudit, rows: Sequence[Row]) -> str:
    measure, noun, alone = found.measure, found.measure.noun, len({row.balancer for row in rows}) == 1
    have, which = "has" if len(found.best) == 1 else "have", "" if found.everywhere else " that none refuses"
    if found.worst is None and not alone:
        return f"No {kind.role} has any {noun} on any instance{_proof(found, kind, rows)}."
    if alone and found.worst is not None and found.groups[1] > 1:
        most = shown(_value(found.worst, measure), measure.unit)
        return f"The largest {noun} is {most}, on {found.worst.instance}."
    if found.none:
        first = f"{_listed(found.best)} {have} no {noun} on any instance{which}{_proof(found, kind, rows)}"
    elif found.groups[1] > 1:
        wins, groups = found.groups
        first = f"{_listed(found.best)} {have} the least {noun} in {wins} of {groups} groups"
    else:
        what = f"{_article(noun)} {noun} of" if alone else f"the least {noun},"
        first = f"{_listed(found.best)} {have} {what} {shown(found.average, measure.unit)} on average"
        first += which and f" over the instances{which}"
    if found.worst is None:
        return f"{first}."
    most = shown(_value(found.worst, measure), measure.unit)
    whose = "" if alone else f", of {found.worst.balancer}"
    return f"{first}; the largest is {most}{whose} on {found.worst.instance}."


def _proof(found: Standing, kind: RoleAudit, rows: Sequence[Row]) -> str:
    """Return what may be said of a zero: certified, if it is of the first measure and every proof was accepted."""
    named = found.best if found.worst is not None else {row.balancer for row in rows}
    own = [row for row in rows if row.balancer in named and row.error is None]
    sure = all(row.evidence and set(row.evidence.values()) == {"certified"} for row in own)
    return " (certified)" if sure and found.measure.name == kind.measures[0].name else ""


def _next(kind: RoleAudit, rows: Sequence[Row], found: Sequence[Standing]) -> str:
    """Return the sentence with the next command: for who broke, else for the worst, else for the first."""
    broken = next((row for row in rows if row.at_fault), None)
    if broken is not None:
        return f"Next: {_check(kind.role, broken)} looks for the smallest input on which it breaks."
    worst = next((one.worst for one in found if one.worst is not None), None)
    if worst is None:
        return f"Next: {_check(kind.role, rows[0])} tries the inputs that break most."
    lost = _value(worst, kind.measures[0])
    if lost is None or lost <= MUCH or kind.measures[0].unit != "share":
        return f"Next: {_check(kind.role, worst)} tries the inputs that break most."
    command = _check(kind.role, worst, MUCH)
    return f"Next: {command} looks for the smallest input on which it is more than {MUCH:.0%} off."


def _check(role: str, row: Row, gap: float | None = None) -> str:
    """Return the command that checks a row's balancer; a Python call for one that has no name on the command line.

    What a balancer of a role with kinds computes stands in its rows.
    """
    name, computes = row.balancer, row.about.get("computes") if role_named(role).kinds else None
    homes = [one.name for one in all_roles().values() if name in one.catalogue]
    if not homes and ":" not in name:
        limit = "" if gap is None else f", max_gap={gap:g}"
        limit += "" if computes is None else f', as_="{computes}"'
        return f'equipoise.check({name.rpartition(".")[2]}, "{role}"{limit})'
    said = "" if homes == [role] else f" --role {role}" if computes is None else f" --as {computes}"
    return f"equipoise check {shlex.quote(name)}{said}" + ("" if gap is None else f" --max-gap {gap:.0%}")


def _listed(names: Iterable[str]) -> str:
    """Return "a", "a and b", "a, b and c", "a, b, c and 2 others"."""
    found = list(names)
    if len(found) > NAMED + 1:
        found = [*found[:NAMED], f"{len(found) - NAMED} others"]
    return " and ".join(filter(None, [", ".join(found[:-1]), found[-1]]))


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeio" else "a"
