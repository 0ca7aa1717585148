"""`equipoise study`: instances x methods x seeds, and a report to look at."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from equipoise.cli.show import FORMATS, show_json, show_table, workers_options

if TYPE_CHECKING:
    from equipoise.study.run import Study

SCHEMA = "equipoise-study/1"


@click.command()
@click.argument("description", required=False, metavar="[DESCRIPTION]")
@click.option(
    "--out", type=click.Path(file_okay=False), default="study", show_default=True, help="Folder of rows and report."
)
@workers_options
@click.option("--retry", is_flag=True, help="Measure rows that failed once more.")
@click.option("--training", metavar="RUNS", help="Also draw the training runs of this folder (docs/training.md).")
@click.option("--kill-matrix", metavar="FILE", help="Also show this kill matrix (docs/kill-matrix.md, or JSON).")
@click.option("--format", "form", type=FORMATS, default="table", show_default=True)
def study(
    description: str | None,
    out: str,
    workers: int | None,
    dask: str | None,
    retry: bool,
    training: str | None,
    kill_matrix: str | None,
    form: str,
) -> int:
    """Compare balancers over many instances and seeds, and write a report.

    DESCRIPTION is a TOML file (docs/study.md); without one, the study that ships is run. --out gets rows.parquet,
    report.md and report.html; rows that are there already are not measured again, so that a study which was stopped
    goes on where it was.

    Exits with 1 if rows failed, with 3 if all did or an optimum could not be certified.
    """
    from equipoise.audit.run import environment
    from equipoise.executors import open_executor
    from equipoise.files import write_whole
    from equipoise.study.cases import cases_of
    from equipoise.study.description import read, shipped
    from equipoise.study.exhibits import exhibits_of, make
    from equipoise.study.report.kill_matrix import read_kill_matrix
    from equipoise.study.report.markdown import markdown
    from equipoise.study.report.page import page, required
    from equipoise.study.report.sections import Extra
    from equipoise.study.report.training import read_training
    from equipoise.study.run import run_study

    required()
    described = shipped() if description is None else read(description)
    exhibits_of(described, cases_of(described))
    extra = Extra(
        None if training is None else read_training(training),
        None if kill_matrix is None else read_kill_matrix(kill_matrix),
    )
    folder = Path(out)
    with open_executor(workers, dask) as executor:
        with _progress("rows") as advance:
            result = run_study(described, folder, executor, retry=retry, progress=advance)
        with _progress("figures") as advance:
            shown = make(result, folder / "exhibits", executor, progress=advance)
    text = markdown(result)
    write_whole(folder / "report.md", text.encode())
    write_whole(folder / "report.html", page(result, shown, environment(), extra).encode())
    if form == "json":
        show_json(_document(result, environment()))
    elif form == "markdown":
        click.echo(text, nl=False)
    else:
        _show(result, folder)
    good = [row for row in result.rows if row.failure is None]
    if any(row.unproved for row in good) or any("certified" in (r.failure or "") for r in result.rows):
        return 3
    return 1 if len(good) < len(result.rows) else 0


def _document(result: Study, environment: dict[str, str]) -> dict[str, Any]:
    from dataclasses import asdict

    from equipoise.study.forecasts import PREDICTOR, horizon_comparisons, horizon_summaries
    from equipoise.study.summary import comparisons, failures, summaries

    roles = [role for role in result.description.parts if role != PREDICTOR]
    condensed = [one for role in roles for one in summaries(result, role)], horizon_summaries(result)
    compared = [one for role in roles for one in comparisons(result, role)], horizon_comparisons(result)
    return {
        "schema": SCHEMA,
        "title": result.description.title,
        "environment": environment,
        "summaries": [asdict(one) for part in condensed for one in part],
        "comparisons": [asdict(one) for part in compared for one in part],
        "failures": [asdict(one) for one in failures(result)],
        "rows": [asdict(row) for row in result.rows],
    }


def _show(result: Study, folder: Path) -> None:
    from equipoise.study.forecasts import PREDICTOR
    from equipoise.study.report import forecasts, tables

    for role in result.description.parts:
        table = forecasts.summary_table(result) if role == PREDICTOR else tables.summary_table(result, role)
        show_table(table.head, table.rows, "table", f"{role}s: {len(result.of(role))} rows")
    broken = tables.failure_table(result)
    if broken.rows:
        show_table(broken.head, broken.rows, "table", "failures")
    click.echo(f"{folder / 'report.html'}, {folder / 'report.md'} and {folder / 'rows.parquet'} are written.")


@contextlib.contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how much is done of how much on a terminal, nothing in a pipe."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
