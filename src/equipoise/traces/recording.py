"""What ships: routers of small MoE language models, recorded in training (docs/reference/dataset.md)."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from os import PathLike
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidFile, InvalidProblem
from equipoise.traces.instance import Instance, LoadInstance, LoadSeries, apply_gate, evenly

Part = Literal["trace", "balancers"]
DESCRIPTIONS: dict[str, str] = {"trace": "provenance.json", "balancers": "balancers.json"}
"""Parts of the dataset, and the file that describes each."""


@dataclass(frozen=True)
class RecordedArray:
    """An array of a run: NumPy's ``dtype``, its ``axes``, what it holds; not every run has an ``optional`` one."""

    dtype: str
    axes: str
    meaning: str
    optional: bool = False


ARRAYS: dict[str, RecordedArray] = {
    "steps": RecordedArray("int64", "N", "training steps, counted from 1, after which `logits` and `bias` were taken"),
    "logits": RecordedArray("float16", "N L T E", "router logits of the same T held-out tokens, before the gate"),
    "bias": RecordedArray(
        "float32", "N L E", "what the rule adds to the scores before the top K; 0 where it adds nothing"
    ),
    "loads": RecordedArray("uint16", "S L E", "tokens that chose each expert in the training batch of each step"),
    "load_steps": RecordedArray("int64", "S", "the steps of `loads`; left out where it is every step", True),
    "stream": RecordedArray(
        "float16", "B U E", "router logits of the first U tokens of training batches, layer 1", True
    ),
    "stream_steps": RecordedArray("int64", "B", "the steps of `stream`", True),
}
"""What each run of either part has, as ``RUN/name``."""


@dataclass(frozen=True, eq=False)
class RecordedTrace:
    """Runs of small models in training, what their routers computed and where the tokens went.

    Part "trace" has six: E=16, K=4 and E=64, K=8, each without balancing, with an auxiliary loss, and Loss-Free. Part
    "balancers" has the ends of longer runs, one with every balancer in the loop.

    Attributes
    ----------
    provenance
        Command, seed, sizes, versions, licence and hashes.
    arrays
        What :data:`ARRAYS` states, by ``RUN/name``.
    """

    provenance: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]

    @property
    def runs(self) -> list[str]:
        """Names of the runs."""
        return list(self.provenance["runs"])

    def gate(self, run: str) -> str:
        """Name of the gate that turns the run's logits into scores."""
        return str(self.provenance["runs"][run]["shape"]["gate"])

    def top_k(self, run: str) -> int:
        """K of the run."""
        return int(self.provenance["runs"][run]["shape"]["top_k"])

    def loads(self, run: str) -> npt.NDArray[np.uint16]:
        """``[S, L, E]``: tokens per expert at the training steps :meth:`load_steps`."""
        return self.arrays[f"{run}/loads"]

    def load_steps(self, run: str) -> npt.NDArray[np.int64]:
        """``[S]``: the steps of :meth:`loads`, counted from 1."""
        every = np.arange(1, len(self.loads(run)) + 1)
        return self.arrays.get(f"{run}/load_steps", every)

    def instances(self) -> list[Instance]:
        """Return the held-out batches of every run, step and layer; the steps of a layer are a sequence."""
        found = []
        for run in self.runs:
            scores = apply_gate(self.arrays[f"{run}/logits"], self.gate(run))
            for index, step in enumerate(self.arrays[f"{run}/steps"]):
                for layer in range(scores.shape[1]):
                    sequence = f"{run}/layer{layer}"
                    found.append(Instance(f"{sequence}/step{step}", scores[index, layer], self.top_k(run), sequence))
        return found

    def load_instances(self, steps: int) -> list[LoadInstance]:
        """Return the loads of every run and layer at so many training steps, evenly spaced; names count from 0."""
        return [
            LoadInstance(f"{run}/layer{layer}/step{number}", self.loads(run)[index, layer].astype(np.int64))
            for run in self.runs
            for index in evenly(len(self.loads(run)), steps)
            for number in [self.load_steps(run)[index] - 1]
            for layer in range(self.loads(run).shape[1])
        ]

    def load_series(self) -> list[LoadSeries]:
        """Return the loads of every run and layer over all training steps that are kept."""
        return [
            LoadSeries(f"{run}/layer{layer}", self.loads(run)[:, layer].astype(np.int64), run, self.top_k(run))
            for run in self.runs
            for layer in range(self.loads(run).shape[1])
        ]

    def streams(self) -> list[Instance]:
        """Return the consecutive training batches, one sequence a run."""
        found = []
        for run in self.runs:
            if f"{run}/stream" in self.arrays:
                scores = apply_gate(self.arrays[f"{run}/stream"], self.gate(run))
                for step, batch in zip(self.arrays[f"{run}/stream_steps"], scores, strict=True):
                    found.append(Instance(f"{run}/stream/step{step}", batch, self.top_k(run), f"{run}/stream"))
        return found

    def export(self, folder: str | PathLike[str], form: Literal["npz", "parquet"] = "npz") -> list[str]:
        """Write everything into ``folder`` in files for other tools and return their names.

        ``npz``: ``arrays.npz`` with :attr:`arrays`. ``parquet`` (extra ``study``): ``logits.parquet``, a row a token,
        ``bias.parquet`` and ``loads.parquet``, a row a step and layer. Both: ``description.json``.

        Raises
        ------
        ExtraMissing
            If Parquet is asked for and polars is not installed.
        InvalidFile
            If a file cannot be written.
        """
        from equipoise.traces.recorded_export import export

        return export(self, folder, form)


@cache
def recorded(part: Part = "trace") -> RecordedTrace:
    """Load a part of the dataset that ships with the package.

    Raises
    ------
    InvalidFile
        If a file's hash is not the one that its provenance states.
    InvalidProblem
        If there is no such part.
    """
    if part not in DESCRIPTIONS:
        raise InvalidProblem("part", repr(part), " or ".join(DESCRIPTIONS))
    folder = files("equipoise.traces") / "recorded"
    provenance = json.loads((folder / DESCRIPTIONS[part]).read_text())
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, stated in provenance["files"].items():
        content = (folder / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != stated["sha256"]:
            raise InvalidFile(f"the recorded trace {name} is damaged: its hash is not the one in provenance.json")
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays |= {key: archive[key] for key in archive.files}
    for array in arrays.values():
        array.flags.writeable = False
    return RecordedTrace(provenance, arrays)
