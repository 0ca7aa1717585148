"""The trace that ships: routers of small MoE language models, recorded in training (docs/measured/trace.md)."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidFile
from equipoise.traces.instance import Instance, LoadInstance, LoadSeries, apply_gate, evenly


@dataclass(frozen=True, eq=False)
class RecordedTrace:
    """Six runs: E=16, K=4 and E=64, K=8, each without balancing, with an auxiliary loss, and Loss-Free.

    Attributes
    ----------
    provenance
        Command, seed, sizes, versions, date, licence and hashes.
    arrays
        ``RUN/logits`` ``[steps, L, T, E]`` of held-out tokens at ``RUN/steps``, ``RUN/bias`` (the selection bias then),
        ``RUN/loads`` ``[S, L, E]`` of every training step, and for some runs ``RUN/stream`` ``[S, T, E]``: logits of
        consecutive training batches in one layer at ``RUN/stream_steps``.
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
        """``[S, L, E]``: tokens per expert at every training step."""
        return self.arrays[f"{run}/loads"]

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
        """Return the loads of every run and layer at so many training steps, evenly spaced."""
        return [
            LoadInstance(f"{run}/layer{layer}/step{step}", self.loads(run)[step, layer].astype(np.int64))
            for run in self.runs
            for step in evenly(len(self.loads(run)), steps)
            for layer in range(self.loads(run).shape[1])
        ]

    def load_series(self) -> list[LoadSeries]:
        """Return the loads of every run and layer over all training steps."""
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


@cache
def recorded() -> RecordedTrace:
    """Load the trace that ships with the package.

    Raises
    ------
    InvalidFile
        If a file's hash is not the one that its provenance states.
    """
    folder = files("equipoise.traces") / "recorded"
    provenance = json.loads((folder / "provenance.json").read_text())
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
