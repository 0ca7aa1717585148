"""`equipoise demo`: a faulty router, the smallest input that shows it, and the mended router."""

from __future__ import annotations

import contextlib
import inspect
import tempfile
import textwrap
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from equipoise.cli.show import width

TILE = 8
CHECK = "router_takes_the_best_at_production_size"
EXAMPLES = 10


def faulty(scores: npt.NDArray[Any], top_k: int) -> npt.NDArray[np.int64]:
    """Plain top-K in tiles of 8 tokens, as a kernel does it; a last tile that is not full reads the first one."""
    best = []
    for start in range(0, len(scores), TILE):
        tile = scores[start : start + TILE]
        tile = tile if len(tile) == TILE else scores[: len(tile)]
        best.append(np.argsort(-tile, axis=1, kind="stable")[:, :top_k])
    return np.concatenate(best)


def mended(scores: npt.NDArray[Any], top_k: int) -> npt.NDArray[np.int64]:
    """Plain top-K in tiles of 8 tokens; the last tile is as long as it is."""
    best = []
    for start in range(0, len(scores), TILE):
        tile = scores[start : start + TILE]
        best.append(np.argsort(-tile, axis=1, kind="stable")[:, :top_k])
    return np.concatenate(best)


@click.command()
def demo() -> int:
    """Show a faulty router, the smallest input that breaks it, and the mended router, in seconds."""
    from equipoise.checks.check import check

    click.echo("A router that works in tiles of 8 tokens:\n")
    click.echo(_code(faulty))
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        found = {one.check: one for one in check(faulty, examples=EXAMPLES, in_process=True).findings}
        click.echo(f"equipoise check finds that {len(found)} of its promises do not hold. One of them, made small:\n")
        finding = found[CHECK]
        click.echo(textwrap.fill(f"{finding.check}: {finding.message}", width()))
        click.echo(f"{_case(finding.case)}\n")
        click.echo(
            "9 tokens are enough: one more than a tile. A last tile that is not full reads the first one. Mended:\n"
        )
        click.echo(_code(mended))
        report = check(mended, examples=EXAMPLES, in_process=True)
    click.echo(f"equipoise check: {report.ran} checks ran, {len(report.findings)} found something.\n")
    click.echo("Yours:   equipoise check mine.py:route        a function (scores[T, E], top_k) -> experts[T, K]")
    click.echo("         equipoise audit mine.py:route        how far it is from the certified optimum")
    return 0 if report.passed else 3


def _code(router: Any) -> str:
    """Return the lines of a function without its docstring, indented."""
    lines = inspect.getsource(router).splitlines()
    return "\n".join(f"    {line}" for line in [lines[0], *lines[2:]]) + "\n"


def _case(case: Any) -> str:
    """Return the input as NumPy prints it, in two decimals."""
    rows = np.array2string(case.batches[0].astype(float), precision=2, suppress_small=True)
    return f"    top_k = {case.top_k}\n    scores =\n" + "\n".join(f"    {line}" for line in rows.splitlines())
