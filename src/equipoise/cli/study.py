"""`equipoise study`: instances x methods x seeds, and a report to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from equipoise.cli.show import format_option, progress, show_json, width, workers_options

if TYPE_CHECKING:
    from equipoise.study.run import Study

SCHEMA = "equipoise-study/2"


@click.command()
@click.argument("description", required=False, metavar="[DESCRIPTION]")
@click.option(
    "--out", type=click.Path(file_okay=False), default="study", show_default=True, help="Folder of rows and report."
)
@workers_options
@click.option("--retry", is_flag=True, help="Measure rows that failed once more.")
@click.option("--training", metavar="RUNS", help="Also draw the training runs of this folder.")
@click.option("--kill-matrix", metavar="FILE", help="Also show this kill matrix (Markdown or JSON).")
@format_option
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

    DESCRIPTION is a TOML file (docs/reference/study-file.md); without one, the study that ships is run. --out gets
    rows.parquet, report.md and report.html. Rows that are there already are not measured again, so a study that was
    stopped goes on where it was.

    Exits with 1 if rows failed, with 3 if all did or an optimum or bound could not be proved.
    """
    from equipoise.audits.result import environment
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
        with progress("rows") as advance:
            result = run_study(described, folder, executor, retry=retry, progress=advance)
        with progress("figures") as advance:
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
    if any(row.unproved for row in result.rows):
        return 3
    return 1 if any(row.error is not None for row in result.rows) else 0


def _document(result: Study, environment: dict[str, str]) -> dict[str, Any]:
    from dataclasses import asdict

    from equipoise.study.summary import comparisons, failures, summaries

    roles = result.description.parts
    return {
        "schema": SCHEMA,
        "title": result.description.title,
        "environment": environment,
        "summaries": [asdict(one) for role in roles for one in summaries(result, role)],
        "comparisons": [asdict(one) for role in roles for one in comparisons(result, role)],
        "failures": [asdict(one) for one in failures(result)],
        "rows": [row.to_dict() for row in result.rows],
    }


def _show(result: Study, folder: Path) -> None:
    from dataclasses import replace

    from equipoise.study.report import tables

    for role in result.description.parts:
        title = f"{role}s: {len(result.of(role))} rows"
        click.echo(replace(tables.summary_table(result, role), title=title).text(width()))
    broken = tables.failure_table(result)
    if broken.rows:
        click.echo(replace(broken, title="failures").text(width()))
    click.echo(f"{folder / 'report.html'}, {folder / 'report.md'} and {folder / 'rows.parquet'} are written.")
