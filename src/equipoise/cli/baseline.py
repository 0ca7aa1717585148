"""`equipoise audit --baseline FILE [--update-baseline] [--tolerance 0.1%]`: exit with 1 if a gap got worse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from equipoise.cli.check import share
from equipoise.cli.show import percent, show_table

if TYPE_CHECKING:
    from equipoise.audit.baseline import Baseline, Change, Comparison, JudgedRow

SHOWN = 20
"""Rows of a table of changes."""

_OPTIONS = (
    click.option("--baseline", type=click.Path(dir_okay=False), help="Hold every gap against those stored in FILE."),
    click.option("--update-baseline", is_flag=True, help="Write this audit's gaps to the baseline FILE instead."),
    click.option("--tolerance", callback=share, help="How much a gap may grow, e.g. 0.1%.  [default: 0, not at all]"),
)


def baseline_options(function: Any) -> Any:
    """Add ``--baseline``, ``--update-baseline`` and ``--tolerance``."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), function)


class Gate:
    """What these options ask of an audit; nothing, if they are not given."""

    def __init__(self, baseline: str | None, update_baseline: bool, tolerance: float | None) -> None:
        if baseline is None and (update_baseline or tolerance is not None):
            raise click.UsageError("--update-baseline and --tolerance go with --baseline FILE")
        if update_baseline and tolerance is not None:
            raise click.UsageError("--tolerance does not go with --update-baseline, which compares nothing")
        self.path, self.update, self.tolerance = baseline, update_baseline, tolerance or 0.0
        self._baseline: Baseline | None = None
        self._made: dict[str, Any] = {}
        self._instances: dict[str, str] = {}
        self._comparison: Comparison | None = None

    def expect(self, made: dict[str, Any], instances: Callable[[], dict[str, str]], targets: Sequence[str]) -> None:
        """Refuse, before any work, what cannot be compared."""
        if self.path is None:
            return
        from equipoise.audit.baseline import Baseline
        from equipoise.errors import InvalidFile

        self._made, self._instances = made, instances()
        if self.update:
            if not Path(self.path).absolute().parent.is_dir():
                raise InvalidFile(f"{self.path} cannot be written: there is no such folder")
            return
        self._baseline = Baseline.load(self.path)
        self._baseline.expect(self._made, self._instances, targets)

    def judge(self, rows: Sequence[JudgedRow], certified: bool) -> None:
        """Compare, or write the baseline if every row is fit to be one."""
        if self.path is None:
            return
        from equipoise.audit.baseline import Baseline
        from equipoise.audit.run import environment

        if self._baseline is not None:
            self._comparison = self._baseline.compare(rows, self.tolerance)
        elif certified and not any(row.error for row in rows):
            Baseline.of(self._made, self._instances, rows).save(self.path, environment())
            click.echo(f"{self.path} is written: {len(rows)} rows", err=True)
        else:
            click.echo(f"{self.path} is not written: a baseline needs certified rows and no broken target", err=True)

    @property
    def failed(self) -> bool:
        """Whether a gap got worse."""
        return self._comparison is not None and bool(self._comparison.worse)

    def head(self) -> dict[str, Any]:
        """What JSON says of the comparison."""
        if self._comparison is None:
            return {}
        from dataclasses import asdict

        return {"baseline": {"file": self.path, **asdict(self._comparison)}}

    def show(self, form: str) -> None:
        """Print the comparison; JSON has it in its head."""
        found = self._comparison
        if found is None or form == "json":
            return
        columns = ("target", "instance", "gap", "before", "now", "change")
        for title, changes in (("worse", found.worse), ("better", found.better)):
            if changes:
                click.echo(f"\n{len(changes)} of {found.compared} gaps are {title} than in {self.path}:\n")
                most = sorted(changes, key=lambda change: -abs(change.now - change.before))[:SHOWN]
                show_table(columns, [_cells(change) for change in most], form)
                if len(changes) > SHOWN:
                    click.echo(f"\nThe {SHOWN} that moved most of {len(changes)}; --format json has all.")
        if found.better:
            click.echo("--update-baseline keeps what is better.")
        if not found.worse:
            allowed = f", tolerance {percent(found.tolerance)}" if found.tolerance else ""
            click.echo(f"\nNone of {found.compared} gaps is worse than in {self.path}{allowed}.")


def _cells(change: Change) -> list[str]:
    moved = change.now - change.before
    return [change.target, change.instance, change.gap, percent(change.before), percent(change.now), f"{moved:+.4%}"]
