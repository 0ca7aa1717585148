"""`equipoise record`: what the routers of a model do on some batches, as a trace that `audit` takes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import click


@click.command()
@click.argument("target")
@click.option("-o", "--out", type=click.Path(dir_okay=False), required=True, help="The trace, .npz; it is continued.")
@click.option("--steps", type=click.IntRange(1), help="Run so many batches. [default: all]")
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, help="Record one step of so many.")
@click.option("--tokens", type=click.IntRange(1), default=4096, show_default=True, help="At most so many a layer.")
def record(target: str, out: str, steps: int | None, every: int, tokens: int) -> int:
    """Record what the routers of a model do, as a trace.

    TARGET is file.py:function or package.module:function. It is called without arguments and returns a model and an
    iterable of batches: each is a mapping of keywords, a tuple or list of arguments, or the only argument. PyTorch
    computes no gradients meanwhile.

    Exits with 1 if the model raises; what was recorded until then is written.
    """
    from equipoise.balancers.balancer import describe
    from equipoise.errors import TargetError
    from equipoise.recorder import record

    model, batches = _made(target)
    with record(model, out, every=every, tokens=tokens) as recording, _without_gradients():
        try:
            for batch in islice(batches, steps):
                _call(model, batch)
        except Exception as error:
            raise TargetError(f"{target} stopped at step {recording.steps - 1}: {describe(error)}", "raises") from error
    layers = len(recording.routers)
    click.echo(f"{recording.path}: {recording.steps} steps of {layers} routers, {recording.nbytes:,} bytes")
    click.echo(f"Next: equipoise audit --trace {recording.path}")
    return 0


def _made(target: str) -> tuple[Any, Iterable[Any]]:
    from equipoise.balancers.balancer import describe
    from equipoise.balancers.find import look_up
    from equipoise.errors import InvalidProblem, TargetNotFound

    function = look_up(target)
    try:
        made = function()
    except Exception as error:
        raise TargetNotFound(f"target {target!r} makes no model: {describe(error)}") from error
    pair = isinstance(made, tuple | list) and len(made) == 2
    if not pair or not hasattr(made[0], "named_modules") or not isinstance(made[1], Iterable):
        raise InvalidProblem("target", f"{target!r}, which returns a {type(made).__name__}", "(model, batches)")
    return made[0], made[1]


def _call(model: Any, batch: Any) -> None:
    if isinstance(batch, Mapping):
        model(**batch)
    elif isinstance(batch, tuple | list):
        model(*batch)
    else:
        model(batch)


def _without_gradients() -> contextlib.AbstractContextManager[Any]:
    torch: Any = sys.modules.get("torch")  # there, if the model is one of its modules
    return contextlib.nullcontext() if torch is None else torch.no_grad()
