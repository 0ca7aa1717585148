"""A monitor inside a loop: what every step costs a top-K to know, and what only an exact audit knows, now and then."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from equipoise import metrics
from equipoise.arrays import as_numpy
from equipoise.balancers.balancer import describe
from equipoise.errors import InvalidProblem, TargetError
from equipoise.monitor.bound import regret_bound
from equipoise.monitor.exact import Background
from equipoise.monitor.records import SCHEMA, End, Step
from equipoise.monitor.sinks import Record, Sink
from equipoise.roles.router import read_routing

LOG = logging.getLogger("equipoise")


class Monitor:
    """Watches the routers of a training or serving loop.

    Parameters
    ----------
    sinks
        Callables that are given every record, a dictionary; :func:`jsonl`, :func:`tensorboard` and :func:`prometheus`
        make some. One that raises is reported once, by ``logging``, and the loop goes on.
    every
        Look at every n-th step of a layer only; on the others :meth:`step` returns at once.
    exact_every
        Audit every n-th step of a layer exactly, in a process beside the loop; None: never. While the process is busy,
        batches that are due are skipped and counted. The first layer's turn is at steps 0, n, 2n, ..., the next layer's
        one step later.

    Attributes
    ----------
    audited, skipped
        Batches that were audited exactly, and that were due but found the process busy.
    """

    def __init__(self, sinks: Sequence[Sink] = (), *, every: int = 1, exact_every: int | None = None) -> None:
        for name, value in (("every", every), ("exact_every", exact_every)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise InvalidProblem(name, repr(value), "a whole number, 1 or more")
        self.audited = self.skipped = 0
        self._sinks, self._every, self._exact_every = list(sinks), every, exact_every
        self._next: dict[str, int] = {}
        self._order: dict[str, int] = {}
        self._reported: set[int] = set()
        self._background = Background()
        self._closed = False

    def step(
        self,
        scores: Any,
        chosen: Any,
        layer: str = "layer0",
        bias: Any = None,
        top_k: int | None = None,
        mask: Any = None,
        *,
        step: int | None = None,
    ) -> Step | None:
        """Watch one batch at one layer, and return its record; None on a step that is not looked at.

        Parameters
        ----------
        scores
            Array-like of any library, shape (T, E): after the gate, before any bias.
        chosen
            Expert indices, shape (T, K), -1 for none, or a boolean map, shape (T, E).
        layer
            Its name.
        bias
            Shape (E,): what the router added to the scores before it chose.
        top_k
            K; needed beside a boolean map only.
        mask
            Shape (T,): true for a real token, false for padding, which counts nowhere.
        step
            Number of the step. Default: the layer's calls, counted from 0.

        Raises
        ------
        InvalidProblem
            If ``chosen`` is no routing of these scores, or the mask does not fit them. Scores or a bias that are not
            finite raise nothing: the record's ``note`` says so.
        """
        number = self._next.get(layer, 0) if step is None else step
        self._next[layer] = number + 1
        place = self._order.setdefault(layer, len(self._order))
        for finished in self._background.finished():
            self._take(finished)
        if number % self._every:
            return None
        batch = _batch(scores, chosen, top_k, mask)
        if bias is not None:
            batch["bias"] = as_numpy(bias, "bias")
        record = _record(number, layer, batch)
        self._emit(record)
        about = {"schema": SCHEMA, "kind": "exact", "step": number, "layer": layer}
        due = self._exact_every is not None and (number // self._every - place) % self._exact_every == 0
        if due and not self._background.offer(about, batch):
            self.skipped += 1
        return record

    def close(self, seconds: float = 60.0) -> None:
        """Wait at most so long for the exact audit in hand, send a last record, and close the sinks."""
        if self._closed:
            return
        self._closed = True
        self._background.close(seconds)
        for finished in self._background.finished():
            self._take(finished)
        self._emit(End(schema=SCHEMA, kind="end", audited=self.audited, skipped=self.skipped))
        for index, sink in enumerate(self._sinks):
            if callable(close := getattr(sink, "close", None)):
                self._tried(index, close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(60.0 if kind is None else 0.0)

    def _take(self, record: Record) -> None:
        self.audited += record["error"] is None
        self._emit(record)

    def _emit(self, record: Record) -> None:
        for index, sink in enumerate(self._sinks):
            self._tried(index, sink, copy.deepcopy(record))  # what one changes is not what the next is given

    def _tried(self, index: int, call: Any, *arguments: Any) -> None:
        try:
            call(*arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if index not in self._reported:
                self._reported.add(index)
                LOG.warning("sink %d of the monitor raised %s (reported once)", index, describe(error))


def _batch(scores: Any, chosen: Any, top_k: int | None, mask: Any) -> dict[str, Any]:
    """Return the real tokens' scores, their routing as a map, and K."""
    values, routing = as_numpy(scores, "scores"), as_numpy(chosen, "chosen")
    if values.ndim != 2 or not values.size or values.dtype.kind not in "fiu":
        raise InvalidProblem("scores", f"{values.dtype} of shape {values.shape}", "numbers [T, E], at least one token")
    if top_k is None:
        if routing.dtype == np.bool_ or routing.ndim != 2:
            raise InvalidProblem("top_k", "not given", "K, beside a boolean map")
        top_k = routing.shape[1]
    if mask is not None:
        real = as_numpy(mask, "mask")
        if real.dtype != np.bool_ or real.shape != (len(values),) or len(routing) != len(values) or not real.any():
            raise InvalidProblem("mask", f"{real.dtype} of shape {real.shape}", f"booleans ({len(values)},), one true")
        values, routing = values[real], routing[real]
    try:
        routed = read_routing(routing, values, top_k)
    except TargetError as error:
        raise InvalidProblem("chosen", f"no routing: {error}", "expert indices [T, K] or a map [T, E]") from error
    return {"scores": values, "chosen": routed.mask, "top_k": top_k}


def _record(number: int, layer: str, batch: dict[str, Any]) -> Step:
    routing: npt.NDArray[np.bool_] = batch["chosen"]
    load = metrics.loads(routing, routing.shape[1])
    note, bound = None, None
    try:
        bound = regret_bound(batch["scores"], routing, batch["top_k"], batch.get("bias"))
    except InvalidProblem as error:
        note = f"no bound: {error}"
    return Step(
        schema=SCHEMA,
        kind="step",
        step=number,
        layer=layer,
        tokens=len(routing),
        experts=routing.shape[1],
        top_k=batch["top_k"],
        loads=load.tolist(),
        max_vio=metrics.max_vio(load),
        min_vio=metrics.min_vio(load),
        dropped=int(np.maximum(batch["top_k"] - routing.sum(axis=1), 0).sum()),
        regret_bound=None if bound is None else bound.regret,
        relative_regret_bound=None if bound is None else bound.relative,
        rounding=None if bound is None else bound.rounding,
        note=note,
    )
