"""What an audit measures: rows, the measures in them, and how measures are condensed, shown and compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

Value = Fraction | int | float | str | bool | None
Values = dict[str, Value]
Unit = Literal["share", "score", "tokens", "ratio", "count", "seconds", "text"]

REFUSED = ("refuses", "unable")
"""Kinds of errors with which a balancer is not judged, and not at fault."""


@dataclass(frozen=True)
class Row:
    """One balancer on one instance.

    Attributes
    ----------
    balancer, instance
        Their names; no two rows of a balancer have the same instance.
    about
        What the instance is: sizes, where it comes from.
    values
        What was measured, by the name of the measure; exact where it can be, None where it says nothing.
    compared_with
        The form of the problem whose optimum or bound the balancer is compared with.
    evidence
        By what was solved: "certified" (the checker accepted a proof of optimality), "bounded" (a proved bound, and an
        answer that does not meet it), "searched" or "cross-checked" (weaker: see :class:`equipoise.Solution`),
        "claimed" (nothing is proved).
    error, kind
        Why there is no answer, in a sentence that starts with "it" and in a kind ("raises", "hangs", "refuses", ...).
    warnings
        What the balancer did beside its answer that a caller would not like.
    """

    balancer: str
    instance: str
    about: Values = field(default_factory=dict)
    values: Values = field(default_factory=dict)
    compared_with: str = ""
    evidence: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    kind: str | None = None
    warnings: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Any:
        return self.values[name] if name in self.values else self.about[name]

    @property
    def refused(self) -> bool:
        """Whether the balancer does not take the instance, as it says itself or somebody says of it."""
        return self.error is not None and self.kind in REFUSED

    @property
    def at_fault(self) -> bool:
        """Whether the balancer broke; one that refuses the instance has not."""
        return self.error is not None and not self.refused

    @property
    def proved(self) -> bool:
        """Whether everything that it is compared with is proved: no answer, no claim."""
        return "claimed" not in self.evidence.values()

    def numbers(self, names: Sequence[str]) -> list[float]:
        """Return the values of these names that are numbers, as floats."""
        found = (self.values.get(name) for name in names)
        return [float(value) for value in found if value is not None and not isinstance(value, str)]

    def to_dict(self) -> dict[str, Any]:
        """Return the row as one flat mapping; exact values are fractions."""
        head = {"balancer": self.balancer, "instance": self.instance, **self.about, "error": self.error}
        rest = {"kind": self.kind, "compared_with": self.compared_with, "evidence": dict(self.evidence)}
        return {**head, **rest, "warnings": list(self.warnings), **self.values}


@dataclass(frozen=True)
class Aggregate:
    """How the values of a measure over many rows become one number; None where there are none."""

    name: str
    of: Callable[[Sequence[Row], str], float | int | None]


def over(name: str, function: Callable[[list[float]], float]) -> Aggregate:
    """Return the aggregate that applies ``function`` to all values there are."""

    def of(rows: Sequence[Row], measure: str) -> float | None:
        values = [value for row in rows for value in row.numbers([measure])]
        return function(values) if values else None

    return Aggregate(name, of)


MEAN = over("mean", lambda values: math.fsum(values) / len(values))
MOST = over("max", max)
LEAST = over("min", min)
TOTAL = over("total", math.fsum)
ZEROS = over("zero", lambda values: sum(value == 0 for value in values))
"""In how many rows there is none of it."""


@dataclass(frozen=True)
class Measure:
    """Something that is measured: said once, used by summaries, tables, legends, schemas, baselines and studies.

    Attributes
    ----------
    name
        Key of the values in a row.
    unit
        "share" is shown in percent; "count" and "tokens" are whole.
    better
        Which direction is better.
    aggregates
        What a summary says of it; its keys are ``<aggregate>_<name>``.
    title
        Head of the table's column, in which the aggregates stand as "mean / max"; "" for no column.
    words
        What it is, for the legend and the schema.
    noun
        What the verdict calls it; "" for what the verdict passes over. Less must be better.
    only_if_any
        Whether the column stands only where some balancer has any of it; rows and JSON always have it.
    gap
        Name under which a baseline keeps it; "" for not at all. Smaller must be better.
    floor
        Name of the value beside it that nobody can be expected to be below; "" for none.
    """

    name: str
    unit: Unit
    better: Literal["less", "more", "neither"] = "less"
    aggregates: tuple[Aggregate, ...] = (MEAN, MOST)
    title: str = ""
    words: str = ""
    noun: str = ""
    only_if_any: bool = False
    gap: str = ""
    floor: str = ""

    def summarise(self, rows: Sequence[Row]) -> dict[str, float | int | None]:
        """Return what a summary says of it."""
        return {f"{one.name}_{self.name}": one.of(rows, self.name) for one in self.aggregates}

    def stands(self, summaries: Sequence[dict[str, Any]]) -> bool:
        """Whether the table has a column of it."""
        values = (summary[f"{one.name}_{self.name}"] for summary in summaries for one in self.aggregates)
        return bool(self.title) and (not self.only_if_any or any(values))

    def cell(self, summary: dict[str, Any]) -> str:
        """Return the column's text: "mean / max"; "-" for nothing."""
        values = [summary[f"{one.name}_{self.name}"] for one in self.aggregates]
        if self.aggregates == (ZEROS,):
            return f"{values[0] or 0}/{summary['instances'] - summary['errors'] - summary['refused']}"
        return "-" if values[0] is None else " / ".join(shown(value, self.unit) for value in values)


def shown(value: float | None, unit: Unit) -> str:
    """Return a number for a person: a share with two decimals in percent, others with four digits."""
    if value is None or value != value:
        return "-"
    return f"{value:.2%}" if unit == "share" else f"{value:.4g}"


def relative(peak: Fraction | int, bound: Fraction | int) -> float:
    """``peak / bound - 1``: the peak beyond a bound; 0 for no load at all."""
    return float(Fraction(peak) / bound) - 1.0 if bound else 0.0 if not peak else math.inf


def balancedness(mean: Fraction, peak: Fraction | int) -> float:
    """Mean load over peak load of the devices (as SGLang reports it); 1 for no load at all."""
    return float(mean / peak) if peak else 1.0
