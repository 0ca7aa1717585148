"""A comparison: a method of ours, an original of somebody's, and inputs on which both are run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TRIALS = 300


@dataclass(frozen=True)
class Comparison:
    """One row of the page.

    Attributes
    ----------
    name, source
        Its own, and that of the source in :data:`sources.SOURCES`.
    ours, original
        What is compared: names that a reader finds.
    inputs
        What is drawn, in words.
    load
        ``load(path)``: the original, out of a checkout or an unpacked wheel.
    trial
        ``trial(original, rng)``: None where both agree, else how they differ, in words.
    says
        What the difference comes to, where one is known; or what agreement means.
    """

    name: str
    source: str
    ours: str
    original: str
    inputs: str
    load: Callable[[Path], Any]
    trial: Callable[[Any, np.random.Generator], str | None]
    says: str = ""
    trials: int = TRIALS

    def run(self, path: Path) -> dict[str, Any]:
        """Run all trials; return what is stored of it."""
        original = self.load(path)
        differences = [one for one in self._differences(original) if one is not None]
        return {
            "name": self.name,
            "trials": self.trials,
            "agree": self.trials - len(differences),
            "first_difference": differences[0] if differences else None,
        }

    def _differences(self, original: Any) -> Iterator[str | None]:
        for seed in range(self.trials):
            yield self.trial(original, np.random.default_rng(seed))


def differing(what: str, ours: Any, theirs: Any, tolerance: float = 0.0) -> str | None:
    """Return None where two arrays are equal, or within ``tolerance`` of the largest magnitude; else the first gap."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if ours.shape != theirs.shape:
        return f"{what}: shape {ours.shape} against {theirs.shape}"
    apart = ~(np.abs(ours - theirs) <= tolerance * max(1.0, np.abs(theirs).max(initial=0)))
    if not apart.any():
        return None
    place = tuple(int(index) for index in np.argwhere(apart)[0])
    return f"{what} {list(place)}: {ours[place]:.7g} against {theirs[place]:.7g}"
