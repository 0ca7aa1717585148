"""`equipoise place`: how good the deployed map of experts is, and the best one found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from equipoise.cli.check import share
from equipoise.cli.show import format_option, progress, show, workers_options

SECONDS = click.FloatRange(0, min_open=True)
SIZE = click.IntRange(1)


def machine_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what a placement needs to be told: sizes, split, time limit, workers."""
    limit = click.option(
        "--time-limit", type=SECONDS, default=1.0, show_default=True, help="Seconds to search a layer."
    )
    split = click.option(
        "--split",
        type=click.Choice(["even", "free"]),
        default="even",
        show_default=True,
        help="even: replicas share evenly, as EPLB assumes; free: a scheduler splits the load optimally.",
    )
    axes = click.option(
        "--axes", help="Names of the axes of LOADS, where its format leaves them open, as tokens,layers,k."
    )
    steps = click.option("--steps", type=SIZE, help="The last so many steps of the record, summed. [default: all]")
    nodes = click.option("--nodes", type=SIZE, help="Nodes the devices stand in. [default: 1]")
    groups = click.option(
        "--groups", type=SIZE, help="Groups of experts that stay on a node. [default: as many as nodes]"
    )
    devices = click.option("--devices", type=SIZE, help="G. [default: the map's, else 8 up to 64 experts, else 32]")
    slots = click.option("--slots", type=SIZE, help="P. [default: the map's, else E + E/8, a multiple of the devices]")
    for option in (workers_options, limit, split, axes, steps, nodes, groups, devices, slots):
        function = option(function)
    return function


@click.command()
@click.argument("loads", type=click.Path())
@machine_options
@click.option("--current", type=click.Path(), help="The deployed map, in any form that `export` writes.")
@click.option("--worth", callback=share, help="Less peak that is worth copying experts, e.g. 1%. [default: 0.1%]")
@click.option("--lag", is_flag=True, help="Also place on one part of the record and serve the next.")
@click.option("--window", type=SIZE, default=1, show_default=True, help="Steps of such a part.")
@format_option
def place(loads: str, form: str, worth: float | None, **options: Any) -> int:
    """Say how good a deployed map of experts is, and find a better one with a proved bound.

    LOADS is a record of loads in any format of `equipoise list --formats`. Experts are placed on the sum of its steps.
    --format json has the maps; `equipoise export` writes them as a framework reads them.

    Exits with 1 if the current map is invalid: an expert is placed nowhere, or does not exist.
    """
    from equipoise.deployment.place import WORTH, place

    with progress("searches") as advance:
        answer = place(loads, worth=WORTH if worth is None else worth, progress=advance, **options)
    show(answer.to_dict() if form == "json" else answer.to_markdown() if form == "markdown" else answer.table, form)
    return 0 if answer.proved else 3
