"""`equipoise export`: a map of experts as a serving framework reads it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from equipoise.cli.place import machine_options
from equipoise.cli.show import progress


@click.command()
@click.argument("file", type=click.Path())
@click.option("--to", "form", required=True, help="vllm, sglang, ascend or tensorrt-llm.")
@click.option("-o", "--output", type=click.Path(), required=True, help="Write the map here (.json, or .yaml).")
@click.option("--experts", type=click.IntRange(1), help="E of a map. [default: the largest expert plus one]")
@machine_options
def export(file: str, form: str, output: str, experts: int | None, devices: int | None, **options: Any) -> int:
    """Write the best map as a serving framework reads it.

    FILE is what `equipoise place --format json` wrote, a map in another form, or a record of loads, which is placed
    first. The map is written whole, read back and compared. Exits with 1 if it is invalid.
    """
    from equipoise.deployment.maps import read_map, tells_a_map, write_map
    from equipoise.deployment.place import place

    if tells_a_map(file):
        found = read_map(file)
        found = found if devices is None else replace(found, devices=devices)
    else:
        with progress("searches") as advance:
            answer = place(file, devices=devices, progress=advance, **options)
        click.echo(answer.verdict())
        found = answer.map
    written = write_map(found, output, form, experts)
    layers, slots = written.slots.shape
    click.echo(f"{output}: {layers} layers of {slots} slots for {form}, read back and compared")
    if repeated := int((written.slots != found.slots).sum()):
        click.echo(f"{repeated} empty slots repeat an expert that lives on their device alone, which moves no load")
    return 0
