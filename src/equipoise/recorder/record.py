"""Record what the routers of a model do while it runs: hooks on them, sampled, bounded, continued."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.errors import InvalidFile, InvalidProblem
from equipoise.files import write_whole
from equipoise.recorder.routers import TOP_K, Observed, Reading, gate_of, reading_of, rows, size
from equipoise.traces.recorded_file import Layers, RecordedLayer, RecordedStep, read_recording, write_recording

LOG = logging.getLogger("equipoise")
LEAST_SAVED = 16 << 20


class Recording:
    """A recording that is being made: see :func:`record`. A context manager; :meth:`close` writes the file.

    Attributes
    ----------
    path
        The file.
    routers
        Names of the modules that are watched. One whose output turns out to be of no known form leaves the list.
    full
        Whether ``max_bytes`` was reached, and nothing more is taken.
    """

    def __init__(
        self, model: Any, path: Path, every: int, tokens: int, max_bytes: int, own: Mapping[str, Reading]
    ) -> None:
        self.path, self.full = path, False
        self._every, self._tokens, self._max_bytes = every, tokens, max_bytes
        self._seen = _version(path)
        self._layers: Layers = read_recording(path) if path.exists() else {}
        self._bytes = self._saved = sum(layer.nbytes for layer in self._layers.values())
        self._first = max((max(layer.steps, default=-1) for layer in self._layers.values()), default=-1) + 1
        self._step = self._first - 1
        self._handles: list[Any] = []
        self.routers: list[str] = []
        self._watch(model, own)

    @property
    def steps(self) -> int:
        """Calls of the model so far, those of the file before this run included."""
        return self._step + 1

    @property
    def nbytes(self) -> int:
        """Bytes of logits and choices that are held."""
        return self._bytes

    def save(self) -> None:
        """Write what there is so far, whole or not at all.

        Raises
        ------
        InvalidFile
            If that fails, or if somebody else has written the file since this recording read or wrote it.
        """
        if _version(self.path) != self._seen:
            raise InvalidFile(f"{self.path} was written by another recording meanwhile; allowed: one at a time")
        write_recording(self.path, self._layers)
        self._saved, self._seen = self._bytes, _version(self.path)

    def close(self) -> None:
        """Take the hooks off the model and write the file."""
        for handle in self._handles:
            handle.remove()
        if self._handles and self._bytes:
            self.save()
        elif self._handles:
            LOG.warning("%s is not written: nothing was recorded; was the model called?", self.path)
        self._handles = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _watch(self, model: Any, own: Mapping[str, Reading]) -> None:
        modules = dict(model.named_modules())
        for name, module in modules.items():
            reading = reading_of(name, module, modules.get(name.rpartition(".")[0]), own)
            if reading is not None:
                parent = modules.get(name.rpartition(".")[0])
                layer = _layer_name(name, module)
                self.routers.append(layer)
                self._handles.append(module.register_forward_hook(self._hook(layer, reading, parent), with_kwargs=True))
        if not self.routers:
            kinds = ", ".join(sorted({type(module).__name__ for module in modules.values()})[:12])
            allowed = "a model with a known router, or readers={CLASS NAME: function}"
            raise InvalidProblem("model", f"without a router that is known (it has {kinds})", allowed)
        self._handles.append(model.register_forward_pre_hook(self._begin))

    def _begin(self, *_: Any) -> None:
        self._step += 1
        if self._bytes - self._saved >= max(self._saved, LEAST_SAVED):
            try:
                self.save()
            except InvalidFile as error:  # the model goes on; it is tried again when there is as much again
                self._saved = self._bytes
                LOG.warning("%s", error)

    def _hook(self, layer: str, reading: Reading, parent: Any) -> Any:
        def hook(module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> None:
            known = self._layers.get(layer)
            again = known is not None and self._step in known.steps  # recomputed activations run a router twice
            due = self._step >= self._first and (self._step - self._first) % self._every == 0
            if self.full or again or not due or layer not in self.routers:
                return
            try:
                observed = reading(module, args, kwargs, output)
                if observed is None:
                    self._leave(layer, "its output is of no known form")
                else:
                    self._take(layer, module, parent, observed)
            except Exception as error:  # a recording never stops a model
                self._leave(layer, f"{type(error).__name__}: {error}")

        return hook

    def _take(self, layer: str, module: Any, parent: Any, observed: Observed) -> None:
        step, top_k = _step(observed, size(TOP_K, module, parent), self._tokens)
        if self._bytes + step.nbytes > self._max_bytes:
            self.full = True
            LOG.warning("%s is full after %d steps: max_bytes=%d", self.path, self._step, self._max_bytes)
            return
        known = self._layers.get(layer) or RecordedLayer(gate_of(module, observed), top_k)
        if not known.fits(RecordedLayer(known.gate, top_k, {self._step: step})):
            raise InvalidFile(f"{self.path} has another K or number of experts at this layer")
        self._layers[layer] = known
        known.steps[self._step] = step
        self._bytes += step.nbytes

    def _leave(self, layer: str, why: str) -> None:
        self.routers.remove(layer)
        LOG.warning("%s is not recorded: %s", layer, why)


def record(
    model: Any,
    path: str | PathLike[str],
    *,
    every: int = 1,
    tokens: int = 4096,
    max_bytes: int = 256 << 20,
    readers: Mapping[str, Reading] | None = None,
) -> Recording:
    """Record the routers of a model while it runs.

        with equipoise.record(model, "trace.npz", every=100):
            train(model)

    The file is what ``equipoise audit --trace`` takes. A step is a call of ``model``; a router that is called again
    within one, as where activations are recomputed, counts once. An existing file is continued. Nothing that goes wrong
    with a router stops the model: it is reported once, by ``logging``, and that router is left alone.

    Parameters
    ----------
    model
        A module of torch (anything with ``named_modules``, ``register_forward_hook`` and
        ``register_forward_pre_hook``): of transformers, Megatron-LM, torchtitan, or your own.
    path
        The NPZ file. Where the environment says that this is one of several ranks (``WORLD_SIZE``, ``RANK``), its name
        gets ``.rankN`` before the suffix; :func:`equipoise.traces.merge` makes one file of them.
    every
        Take every n-th step.
    tokens
        Take at most so many tokens of a step and layer, evenly spaced.
    max_bytes
        Stop, and say so, before logits and choices take more than so many bytes, in memory and uncompressed.
    readers
        Routers of your own: name of the class -> function of (module, args, kwargs, output) that returns an
        :class:`~equipoise.recorder.Observed`.

    Raises
    ------
    InvalidProblem
        If the model has no router that is known, or an argument is out of range.
    InvalidFile
        If the file exists and is not a recording, or its folder cannot be written.
    """
    for name, value in (("every", every), ("tokens", tokens), ("max_bytes", max_bytes)):
        if not isinstance(value, int) or value < 1:
            raise InvalidProblem(name, repr(value), "a whole number, 1 or more")
    own = Path(path)
    if own.suffix != ".npz":
        raise InvalidProblem("path", repr(str(path)), "a file that ends in .npz")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        own = own.with_suffix(f".rank{os.environ.get('RANK', '0')}.npz")
    if not own.exists():
        write_whole(own, b"")  # fails now rather than after hours
        own.unlink()
    return Recording(model, own, every, tokens, max_bytes, readers or {})


def _version(path: Path) -> tuple[int, int, int] | None:
    """Return what tells one state of a file from another; None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _layer_name(name: str, module: Any) -> str:
    """Return a name that is the same on every rank: Megatron's own number, where pipeline stages count from 0."""
    number = getattr(module, "layer_number", None)
    return f"layer{number}" if isinstance(number, int) else name or type(module).__name__


def _step(observed: Observed, usual_k: int | None, most: int) -> tuple[RecordedStep, int]:
    """Return at most so many tokens in NumPy, taken on the router's own device, and K."""
    logits = rows(observed.logits)
    stride = max(1, -(-len(logits) // most))
    kept = as_numpy(logits[::stride], "the logits")
    if not kept.size or kept.dtype.kind != "f" or not np.isfinite(kept).all():
        raise InvalidProblem("the logits", f"{kept.dtype} of shape {kept.shape}, or not finite", "finite floats [T, E]")
    chosen = None
    if observed.chosen is not None:
        given = rows(observed.chosen)
        if len(given) != len(logits):
            raise InvalidProblem("the choice", f"of {len(given)} tokens", f"{len(logits)} tokens, as the logits have")
        chosen = _experts(as_numpy(given[::stride], "the choice"), kept.shape[1], observed.top_k or usual_k)
    top_k = observed.top_k or (usual_k if chosen is None else chosen.shape[1])
    if top_k is None or top_k > kept.shape[1]:
        raise InvalidProblem("K", str(top_k), "said by the router as top_k, or by Observed(top_k=...)")
    return RecordedStep(kept.copy(), chosen if chosen is None or chosen.shape[1] == top_k else None), top_k


def _experts(chosen: npt.NDArray[Any], experts: int, top_k: int | None) -> npt.NDArray[np.int32] | None:
    """Return experts ``[T, K]`` from experts or a map ``[T, E]``; none where a token of a map has more than K."""
    if chosen.dtype == np.bool_:
        width = int(chosen.sum(axis=1).max()) if top_k is None else top_k
        order = np.argsort(~chosen, axis=1, kind="stable")[:, :width]
        ids = np.where(np.take_along_axis(chosen, order, axis=1), order, -1)
        return ids.astype(np.int32) if int((ids >= 0).sum()) == int(chosen.sum()) else None
    if chosen.min() < -1 or chosen.max() >= experts:
        raise InvalidProblem("the choice", f"of experts {chosen.min()} to {chosen.max()}", f"-1 to {experts - 1}")
    return chosen.astype(np.int32)
