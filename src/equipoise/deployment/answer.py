"""The answer of `place` in every form: rows, totals, a table, one sentence, JSON."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from equipoise.audits.cluster import Cluster
from equipoise.audits.measures import balancedness, relative, shown
from equipoise.deployment.layer import Layer, MapPeaks
from equipoise.deployment.maps import ExpertMap
from equipoise.tables import Table

SCHEMA = "equipoise-placement/1"

SHOWN = 12
"""Layers in the table on a terminal: the worst ones, where there are more."""


@dataclass(frozen=True)
class Lag:
    """One part of a record, served on the map that was made for the part before.

    Attributes
    ----------
    part, layer
        Number of the part, from 1, and of the layer.
    load
        Tokens of all experts.
    bound
        Proved: no map has a peak below it on this part.
    hindsight, placed, current
        Peak on this part of the best map known, of the map made for the part before, and of the deployed map, if any.
    """

    part: int
    layer: int
    load: int
    bound: Fraction
    hindsight: Fraction
    placed: Fraction
    current: Fraction | None


@dataclass(frozen=True, eq=False)
class Placement:
    """How good the deployed map is, and the best one found, layer by layer.

    Attributes
    ----------
    loads
        Name of the record.
    steps
        How many of its steps were summed.
    cluster
        Slots, devices, nodes and groups.
    split
        "even" or "free": with which split peaks count.
    distinct
        Whether bounds and maps are those in which no device holds an expert twice.
    layers
        An answer for each layer.
    lag
        For every part of the record but the first, and every layer; empty unless asked for.
    window
        Steps of such a part; None if lag was not asked for.
    current
        Name of the deployed map; None without one.
    notes
        Warnings about the record.
    """

    loads: str
    steps: int
    cluster: Cluster
    split: str
    distinct: bool
    layers: list[Layer]
    lag: list[Lag]
    window: int | None
    current: str | None
    notes: list[str]

    @property
    def map(self) -> ExpertMap:
        """The best map found."""
        slots = np.stack([layer.best.slots for layer in self.layers])
        return ExpertMap(slots, tuple(layer.layer for layer in self.layers), self.cluster.devices)

    @property
    def num_experts(self) -> int:
        """E."""
        return int(self.map.slots.max()) + 1

    @property
    def proved(self) -> bool:
        """Whether every bound, schedule and number of copies is proved."""
        return all("claimed" not in layer.evidence.values() for layer in self.layers)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """One flat mapping for each layer; peaks are exact, gaps are ``peak / bound - 1``."""
        return [_row(layer) for layer in self.layers]

    @cached_property
    def total(self) -> dict[str, Any]:
        """The same for all layers together: a step waits for the fullest device of each, so peaks are added up."""
        return _summed(self.rows, self.cluster.devices)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values that ``json.dumps`` takes; exact values are texts "p/q"."""
        return {
            "schema": SCHEMA,
            "loads": self.loads,
            "steps": self.steps,
            "num_experts": self.num_experts,
            **{f"num_{name}": value for name, value in asdict(self.cluster).items()},
            "split": self.split,
            "distinct": self.distinct,
            "current": self.current,
            "notes": self.notes,
            "verdict": self.verdict(),
            "total": _plain(self.total),
            "layers": [
                {
                    **_plain(row),
                    "best": _map(layer.best),
                    "current": None if layer.current is None else _map(layer.current),
                }
                for row, layer in zip(self.rows, self.layers, strict=True)
            ],
            "window": self.window,
            "lag": [_plain(asdict(one)) for one in self.lag],
        }

    def verdict(self) -> str:
        """Return the answer in a few sentences."""
        total = self.total
        counted = Counter(layer.evidence["best"] for layer in self.layers)
        proved = ", ".join(f"{count} {word}" for word, count in counted.items())
        beyond = f"at most {shown(total['gap'], 'share')} above the proved bound"
        best = f"{'proved optimal' if total['peak'] == total['bound'] else beyond} ({proved})"
        added = f"instead of an even split gains {_gain(total['even_peak'], total['scheduled_peak'])}."
        if self.current is None:
            found = f"The map found is {best}, balancedness {total['balancedness']:.4f}."
            return " ".join([found, f"Optimal scheduling on it {added}", *self._lag_sentence()])
        worst = max(self.rows, key=lambda row: float(row["current_gap"]))
        now = (
            f"The current map is {shown(total['current_gap'], 'share')} above the proved bound (balancedness "
            f"{total['current_balancedness']:.4f}; worst: layer {worst['layer']}, "
            f"{shown(worst['current_gap'], 'share')})."
        )
        copies = f"{total['moved']:,} experts ({total['moved'] / len(self.rows):.0f} a layer)"
        move = (
            f"Copying {copies} to devices that do not hold them gains {_gain(total['current_peak'], total['peak'])}: "
            f"the map found is {best}."
        )
        if not total["moved"]:
            move = f"No other map is worth copying experts for: it is {best}."
        return " ".join([now, move, f"Optimal scheduling on the current map {added}", *self._lag_sentence()])

    def _lag_sentence(self) -> list[str]:
        if not self.lag:
            return []
        placed, hindsight = (_beyond_in_all(self.lag, name) for name in ("placed", "hindsight"))
        made = f"Maps that were made on {_steps(self.window)} and served the next are {placed} above the bound"
        return [f"{made}, in hindsight {hindsight}."]

    def tables(self, most: int | None = None) -> list[Table]:
        """Return a table of the layers, the ``most`` worst ones if told so, and one of the parts."""
        leading = "gap" if self.current is None else "current_gap"
        chosen = self.rows
        if most is not None and len(chosen) > most:
            chosen = sorted(sorted(chosen, key=lambda row: -row[leading])[:most], key=lambda row: int(row["layer"]))
        which = (
            f"{len(self.rows)} layers"
            if len(chosen) == len(self.rows)
            else f"the worst {most} of {len(self.rows)} layers"
        )
        plural = _steps(self.steps)
        title = f"{self.loads}, {plural}, {self.cluster}, {self.split} split: {which}"
        columns = COLUMNS if self.current is not None else {n: c for n, c in COLUMNS.items() if n not in ONLY_CURRENT}
        cells = [[cell(row) for cell in columns.values()] for row in [*chosen, self.total]]
        return [Table(list(columns), cells, title), *self._lag_table()]

    def _lag_table(self) -> list[Table]:
        parts: dict[int, list[Lag]] = {}
        for one in self.lag:
            parts.setdefault(one.part, []).append(one)
        if not parts:
            return []
        head = ["part", "placed before", "hindsight"] + ([] if self.current is None else ["current map"])
        names = ["placed", "hindsight"] + ([] if self.current is None else ["current"])
        rows = [[str(part), *(_beyond_in_all(ones, name) for name in names)] for part, ones in parts.items()]
        title = f"Peaks beyond the bound, placed on {_steps(self.window)} and served the next"
        return [Table(head, rows, title)]

    def words(self) -> str:
        """Return what is said under the tables: legend, notes, verdict."""
        which = "the map found" if self.current is None else "the current map"
        legend = (
            "bound: tokens, proved: no map has a smaller peak. Percentages are peaks beyond the bound. scheduled: "
            f"{which} with the certified best split of its replicas. all: peaks of the layers added up."
        )
        if not self.distinct:
            legend += " The current map has an expert twice on a device, so all maps may."
        lines = [legend, *(f"Warning: {note}." for note in self.notes)]
        stopped = sum(layer.stopped for layer in self.layers)
        if stopped:
            lines.append(f"The time limit ended the search in {stopped} of {len(self.layers)} layers.")
        return "\n".join([*lines, self.verdict()])

    def table(self, width: int = 80) -> str:
        """Return the answer as text: tables and what is said under them."""
        words = "\n".join(textwrap.fill(line, width, break_long_words=False) for line in self.words().splitlines())
        return "\n".join([*(table.text(width) for table in self.tables(SHOWN)), words])

    def to_markdown(self) -> str:
        """Return the answer as Markdown, all layers in it."""
        return "\n\n".join([*(table.markdown() for table in self.tables()), self.words()])

    def __repr__(self) -> str:
        return self.table()


def _row(layer: Layer) -> dict[str, Any]:
    now = layer.current
    judged = layer.best if now is None else now
    row: dict[str, Any] = {
        "layer": layer.layer,
        "load": layer.load,
        "bound": layer.bound,
        "peak": layer.best.peak,
        "gap": relative(layer.best.peak, layer.bound),
        "balancedness": layer.best.balancedness,
        "even_peak": judged.even_peak,
        "scheduled_peak": judged.free_peak,
    }
    if now is not None:
        row |= {"current_peak": now.peak, "current_gap": relative(now.peak, layer.bound)}
        row |= {"current_balancedness": now.balancedness, "moved": layer.moved}
    return row | {"evidence": layer.evidence, "stopped": layer.stopped}


def _summed(rows: Sequence[dict[str, Any]], devices: int) -> dict[str, Any]:
    exact = ("load", "bound", "peak", "even_peak", "scheduled_peak", "current_peak", "moved")
    total: dict[str, Any] = {"layer": "all"}
    total |= {name: sum((row[name] for row in rows), type(rows[0][name])(0)) for name in exact if name in rows[0]}
    mean = Fraction(total["load"], devices)
    for prefix in ("", "current_") if "current_peak" in total else ("",):
        total[f"{prefix}gap"] = relative(total[f"{prefix}peak"], total["bound"])
        total[f"{prefix}balancedness"] = balancedness(mean, total[f"{prefix}peak"])
    words = Counter(row["evidence"]["best"] for row in rows)
    return total | {"evidence": {"best": ", ".join(f"{n} {word}" for word, n in words.items())}}


def _beyond_in_all(ones: Sequence[Lag], name: str) -> str:
    peak, bound = (sum((getattr(one, each) for one in ones), Fraction(0)) for each in (name, "bound"))
    return shown(relative(peak, bound), "share")


def _gain(before: Fraction, after: Fraction) -> str:
    return shown(1 - float(after / before) if before else 0.0, "share")


def _beyond(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: shown(relative(row[name], row["bound"]), "share")


ONLY_CURRENT = {"now", "copies"}
COLUMNS: dict[str, Callable[[dict[str, Any]], str]] = {
    "layer": lambda row: str(row["layer"]),
    "bound": lambda row: f"{math.ceil(row['bound']):,}",
    "now": lambda row: _beyond("current_peak")(row),
    "best": _beyond("peak"),
    "scheduled": _beyond("scheduled_peak"),
    "copies": lambda row: f"{row['moved']:,}",
    "balancedness": lambda row: " -> ".join(
        f"{row[name]:.4f}" for name in ("current_balancedness", "balancedness") if name in row
    ),
    "evidence": lambda row: row["evidence"]["best"],
}


def _steps(window: int | None) -> str:
    return "one step" if window == 1 else f"{window} steps"


def _map(one: MapPeaks) -> dict[str, Any]:
    peaks = {"peak": one.peak, "even_peak": one.even_peak, "free_peak": one.free_peak}
    return {**_plain(peaks), "balancedness": one.balancedness, "physical_to_logical": one.slots.tolist()}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Fractions as exact texts; infinite numbers, which JSON has not, as None."""
    return {
        name: str(value)
        if isinstance(value, Fraction)
        else None
        if isinstance(value, float) and not math.isfinite(value)
        else value
        for name, value in row.items()
    }
