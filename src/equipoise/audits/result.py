"""The result of an audit: rows, their summary, and every form that somebody may want them in."""

from __future__ import annotations

import importlib.metadata
import platform
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

from equipoise import __version__
from equipoise.audits.baseline import Change, Comparison
from equipoise.audits.measures import MEAN, MOST, Measure, Row, Unit, shown
from equipoise.audits.role_audit import Options, RoleAudit
from equipoise.audits.verdict import verdict
from equipoise.errors import ExtraMissing
from equipoise.tables import Table

SCHEMA = "equipoise-audit/2"

CHANGES_SHOWN = 20
"""Rows of a table of changes."""


@dataclass(frozen=True)
class Audit:
    """All rows of an audit, where they were made, and what became of the comparison with a baseline.

    Attributes
    ----------
    kind
        How balancers of this role are audited.
    rows
        One for each balancer and instance.
    trace
        Name of what it ran on.
    options
        Values of the audit's options.
    shared
        What all units were judged with, for instance the sizes of the cluster.
    notes
        What did not run and why, and warnings about the trace.
    environment
        Versions of everything that takes part in a result.
    """

    kind: RoleAudit
    rows: list[Row]
    trace: str
    options: Options
    shared: Any
    notes: list[str]
    environment: dict[str, str]
    baseline: str | None = None
    comparison: Comparison | None = None

    @cached_property
    def summary(self) -> list[dict[str, Any]]:
        """One mapping for each balancer, or balancer and group, in the order of the rows."""
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for row in self.rows:
            groups.setdefault((row.balancer, *(row.about[key] for key in self.kind.group_by)), []).append(row)
        if self.kind.group_by:
            order = {name: place for place, name in enumerate(dict.fromkeys(key[0] for key in groups))}
            groups = dict(sorted(groups.items(), key=lambda item: order[item[0][0]]))
        return [self._summarise(key, rows) for key, rows in groups.items()]

    def _summarise(self, key: tuple[Any, ...], rows: Sequence[Row]) -> dict[str, Any]:
        good = [row for row in rows if row.error is None]
        names = dict.fromkeys(name for row in self.rows for name in row.evidence)
        found = {name: [row.evidence[name] for row in good if name in row.evidence] for name in names}
        measured = {name: value for one in self.kind.measures for name, value in one.summarise(good).items()}
        leading = self.kind.measures[0].name
        worst = max(good, key=lambda row: max(row.numbers([leading]), default=0.0), default=None)
        return {
            "balancer": key[0],
            **dict(zip(self.kind.group_by, key[1:], strict=True)),
            "instances": len(rows),
            "errors": sum(row.at_fault for row in rows),
            "refused": sum(row.refused for row in rows),
            **measured,
            "evidence": {name: dict(Counter(words)) for name, words in found.items()},
            "proved": sum(row.proved for row in good),
            "worst": worst.instance if worst is not None else "",
        }

    @cached_property
    def verdict(self) -> str:
        """What was found, in a few sentences, and the next command."""
        return verdict(self.kind, self.rows)

    @cached_property
    def columns(self) -> list[Measure]:
        """The measures that have a column."""
        return [one for one in self.kind.measures if one.stands(self.summary)]

    @property
    def proved(self) -> bool:
        """Whether everything that balancers were compared with is proved."""
        return all(row.proved for row in self.rows)

    @property
    def broken(self) -> dict[str, list[Row]]:
        """The rows of balancers that broke, by balancer."""
        return _by_balancer(row for row in self.rows if row.at_fault)

    @property
    def refused(self) -> dict[str, list[Row]]:
        """The rows on instances that a balancer does not take, by balancer: they are not judged."""
        return _by_balancer(row for row in self.rows if row.refused)

    @property
    def passed(self) -> bool:
        """Whether no balancer broke and, compared with a baseline, no gap grew."""
        return not self.broken and not (self.comparison is not None and self.comparison.worse)

    def compared(self, path: str, comparison: Comparison) -> Audit:
        """Return the audit with its comparison with a baseline."""
        return replace(self, baseline=path, comparison=comparison)

    def noting(self, note: str) -> Audit:
        """Return the audit with one note more."""
        return replace(self, notes=[*self.notes, note])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values that ``json.dumps`` takes: what ``--format json`` prints.

        Exact values are texts "p/q"; infinities and NaN are None.
        """
        head: dict[str, Any] = {"schema": SCHEMA, "role": self.kind.role, "variant": self.kind.variant}
        head |= {"trace": self.trace, "options": dict(self.options), "environment": self.environment}
        head |= {"about": self.kind.about(self.shared), "notes": self.notes}
        head["measures"] = [
            {"name": one.name, "unit": one.unit, "better": one.better, "words": one.words} for one in self.kind.measures
        ]
        if self.comparison is not None:
            head["baseline"] = {"file": self.baseline, **asdict(self.comparison)}
        head["verdict"] = self.verdict
        rows = [row.to_dict() for row in self.rows]
        found: dict[str, Any] = _plain({**head, "summary": self.summary, "rows": rows})
        return found

    def tables(self) -> list[Table]:
        """Return the summary as a table and, after a comparison, what moved."""
        grouped = [key for key in self.kind.group_by if len({summary[key] for summary in self.summary}) > 1]
        leading = {self.kind.role: lambda s: s["balancer"]} | {
            key.replace("_", " "): (lambda s, key=key: str(s[key])) for key in grouped
        }
        if any(summary["errors"] for summary in self.summary):
            leading["errors"] = lambda s: f"{s['errors']}/{s['instances']}"
        if any(summary["refused"] for summary in self.summary):
            leading["refused"] = lambda s: f"{s['refused']}/{s['instances']}"
        columns = leading | {one.title: one.cell for one in self.columns}
        for name in self.summary[0]["evidence"] if self.summary else ():
            columns[name] = lambda s, name=name: _counted(s["evidence"][name])
        columns["worst instance"] = lambda s: s["worst"]
        cells = [[cell(summary) for cell in columns.values()] for summary in self.summary]
        instances = len({row.instance for row in self.rows})
        title = f"{instances} instances of {self.trace}"
        return [Table(list(columns), cells, title), *self._changes()]

    def _changes(self) -> list[Table]:
        found = self.comparison
        if found is None:
            return []
        head = ["target", "instance", "gap", "before", "now", "change"]
        units = {one.gap: one.unit for one in self.kind.measures if one.gap}
        tables = []
        for word, changes in (("worse", found.worse), ("better", found.better)):
            most = sorted(changes, key=lambda change: -abs(change.now - change.before))[:CHANGES_SHOWN]
            if changes:
                more = f", the {CHANGES_SHOWN} that moved most" if len(changes) > CHANGES_SHOWN else ""
                title = f"{len(changes)} of {found.compared} gaps are {word} than in {self.baseline}{more}"
                tables.append(Table(head, [_change(change, units[change.gap]) for change in most], title))
        return tables

    def words(self) -> str:
        """Return what is said under the verdict: the legend, who broke, what did not run, what moved."""
        lines = [f"{one.title}: {one.words}." for one in self.columns if one.words]
        paired = any(one.aggregates == (MEAN, MOST) for one in self.columns)
        pairs = "Pairs are mean / worst over the instances." if paired else ""
        paragraphs = [" ".join(filter(None, [pairs, *lines, self.kind.legend(self)]))]
        for name, rows in self.broken.items():
            count = sum(row.balancer == name for row in self.rows)
            place = f"{len(rows)} of {count} instances, first on {rows[0].instance}"
            paragraphs.append(f"{name} broke on {place}: {rows[0].error}.")
        for name, warning in dict.fromkeys((row.balancer, word) for row in self.rows for word in row.warnings):
            paragraphs.append(f"Warning: {name}: {warning}.")
        for name, refused in self.refused.items():
            count = sum(row.balancer == name for row in self.rows)
            place = f"{len(refused)} of {count} instances, which do not count, first {refused[0].instance}"
            paragraphs.append(f"{name} refused {place}: {refused[0].error}.")
        paragraphs += [f"Note: {sentence}." for sentence in self.notes]
        found = self.comparison
        if found is not None and found.better:
            paragraphs.append("--update-baseline keeps what is better.")
        if found is not None and not found.worse:
            allowed = f", tolerance {shown(found.tolerance, 'share')}" if found.tolerance else ""
            paragraphs.append(f"None of {found.compared} gaps is worse than in {self.baseline}{allowed}.")
        return "\n".join(paragraphs)

    def table(self, width: int = 80) -> str:
        """Return the summary as text: the table, the verdict and what else is said under it."""
        lines = [self.verdict, "", *self.words().splitlines()]
        words = (textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False) for line in lines)
        return "\n".join([*(table.text(width) for table in self.tables()), *words])

    def to_markdown(self) -> str:
        """Return the summary as Markdown."""
        return "\n\n".join([*(table.markdown() for table in self.tables()), self.verdict, self.words()])

    def to_latex(self) -> str:
        """Return the summary as a LaTeX ``tabular``."""
        return self.tables()[0].latex()

    def to_polars(self) -> Any:
        """Return the rows as a polars DataFrame; exact values as floats. Needs the extra "study"."""
        return _module("polars").DataFrame(self._flat(), infer_schema_length=None)

    def to_pandas(self) -> Any:
        """Return the rows as a pandas DataFrame; exact values as floats. Needs pandas."""
        return _module("pandas").DataFrame(self._flat())

    def plot(self, *measures: str, path: str | None = None) -> Any:
        """Draw a panel for each measure, the leading one if none is named, with a row of points for each balancer.

        Returns the matplotlib figure; with ``path`` it is also written there. Needs the extra "study".
        """
        from equipoise.audits.plot import draw

        return draw(self, measures or (self.kind.measures[0].name,), path)

    def _flat(self) -> list[dict[str, Any]]:
        flat = []
        for row in self.rows:
            found = row.to_dict()
            evidence = {f"evidence_{name}": word for name, word in found.pop("evidence").items()}
            found["warnings"] = "; ".join(found["warnings"])
            flat.append({key: float(v) if isinstance(v, Fraction) else v for key, v in found.items()} | evidence)
        keys = dict.fromkeys(key for row in flat for key in row)
        return [{key: row.get(key) for key in keys} for row in flat]

    def __repr__(self) -> str:
        return self.table()


def _by_balancer(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.balancer, []).append(row)
    return found


def environment() -> dict[str, str]:
    """Versions of everything that takes part in a result."""
    packages = {name: importlib.metadata.version(name) for name in ("numpy", "ortools", "pulp")}
    return {"equipoise": __version__, "python": platform.python_version(), "machine": platform.machine(), **packages}


def _counted(words: dict[str, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in words.items()) or "-"


def _change(change: Change, unit: Unit) -> list[str]:
    moved = change.now - change.before
    difference = f"{moved:+.4%}" if unit == "share" else f"{moved:+.4g}"
    return [change.target, change.instance, change.gap, shown(change.before, unit), shown(change.now, unit), difference]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))):
        return None
    return _plain(asdict(value)) if hasattr(value, "__dataclass_fields__") else value


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ExtraMissing(f"a {name} frame", name, "study") from error
