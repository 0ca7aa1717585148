"""Options of commands whose work can be spread: ``--workers`` and ``--dask``."""

from __future__ import annotations

from typing import Any

import click


def worker_options(function: Any) -> Any:
    """Add ``--workers N`` and ``--dask ADDRESS``."""
    dask = click.option("--dask", metavar="ADDRESS", help="Spread the work over the Dask cluster at this address.")
    workers = click.option("--workers", type=click.IntRange(1), help="Local processes. [default: 1, this one]")
    return workers(dask(function))
