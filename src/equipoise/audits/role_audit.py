"""What a role contributes to audits: its data, its options, its oracle and judge, and its measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from equipoise.audits.contender import Contender
from equipoise.audits.measures import Measure, Row

Options = Mapping[str, Any]
"""Values by name of option, those not given included, as their defaults."""

Judge = Callable[[Sequence[Contender], Any, "Options", Any], list[Row]]


@dataclass(frozen=True)
class Option:
    """A setting of an audit: a keyword in Python, ``--name`` on the command line.

    Attributes
    ----------
    kind
        Type of its value; bool makes it a flag.
    default
        None: the audit finds one itself, as ``help`` says.
    least
        Smallest value.
    several
        Whether it may be given more than once; its value is then a tuple.
    compared
        Whether an audit with another value cannot be compared with a baseline.
    studied
        Whether the role's table in the description of a study has it.
    role
        What balancer the value names, if it names one: its code counts in a study.
    """

    name: str
    kind: type
    help: str
    default: Any = None
    least: float | None = None
    several: bool = False
    compared: bool = True
    studied: bool = True
    role: str = ""

    @property
    def flag(self) -> str:
        """The option as the command line has it."""
        return f"--{self.name.replace('_', '-')}"


@dataclass(frozen=True)
class RoleAudit:
    """How balancers of a role are audited.

    Attributes
    ----------
    role
        Name of the role.
    data
        What they are tried on: "scores" (:class:`~equipoise.traces.Instance`), "loads"
        (:class:`~equipoise.traces.LoadInstance`), "series" (:class:`~equipoise.traces.LoadSeries`).
    measures
        In the order of the table; the first is the one that the worst instance is worst in.
    judge
        ``judge(contenders, unit, options, shared)``: the rows of one unit.
    units
        ``units(instances, options)``: parts that can be judged apart from each other, each a list of instances.
    shared
        ``shared(instances, options)``: what every unit is judged with, worked out once and sent to workers.
    about
        ``about(shared)``: what of that is said in JSON.
    named
        ``named(units, options)``: every instance by a name of its own, for the hashes of a baseline.
    options
        What may be set.
    group_by
        Keys of ``about`` that rows are summarised by, beside the balancer.
    condensed
        Names of the measures that a study condenses, the gap first; none: the first measure, and ``imbalance`` (peak
        over mean load) where there is one.
    reading
        What a reader of a study should know beside the words of the measures.
    legend
        ``legend(audit)``: what else must be said under the table.
    beside
        Names of rows that the judge adds, for comparison; no targets.
    variants
        Other ways to audit the role, by the name of the flag that chooses them.
    variant, summary
        Of a variant, the name of the flag that chooses it, and what it does in one line.
    """

    role: str
    data: Literal["scores", "loads", "series"]
    measures: tuple[Measure, ...]
    judge: Judge
    units: Callable[[Sequence[Any], Options], list[list[Any]]]
    shared: Callable[[Sequence[Any], Options], Any] = lambda instances, options: None
    about: Callable[[Any], dict[str, Any]] = lambda shared: {}
    named: Callable[[list[list[Any]], Options], dict[str, Any]] = lambda units, options: {
        instance.name: instance for unit in units for instance in unit
    }
    options: tuple[Option, ...] = ()
    group_by: tuple[str, ...] = ()
    condensed: tuple[str, ...] = ()
    reading: str = ""
    legend: Callable[[Any], str] = lambda audit: ""
    beside: tuple[str, ...] = ()
    variants: Mapping[str, RoleAudit] = field(default_factory=dict)
    variant: str = ""
    summary: str = ""

    @property
    def flags(self) -> tuple[Option, ...]:
        """Options of the role and of all its variants, each once, the role's own first."""
        every: dict[str, Option] = {}
        for one in (self, *self.variants.values()):
            for option in one.options:
                every.setdefault(option.name, option)
        return tuple(every.values())

    def gaps(self, row: Row) -> dict[str, float]:
        """Return what a baseline keeps of a row: smaller is better, infinite where there is no answer."""
        kept = (measure for measure in self.measures if measure.gap)
        values = {measure.gap: row.values.get(measure.name) for measure in kept}
        return {gap: float("inf") if value is None else float(value) for gap, value in values.items()}
