"""Predictors at work: where a series is cut, what one that learns may learn from, and asking it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from equipoise.audits.contender import Contender
from equipoise.audits.role_audit import Options
from equipoise.errors import TargetError, TargetUnable
from equipoise.traces import LoadSeries


@dataclass(frozen=True, eq=False)
class Lessons:
    """The series that predictors may be trained on, as far as they are not tested on their run."""

    series: tuple[LoadSeries, ...]

    def for_run(self, run: str, experts: int) -> list[LoadSeries]:
        """Return the series of the next run, in alphabetical order and round, with as many experts; none if none is.

        Generated series are taught by generated ones only, recorded ones by recorded ones.
        """
        alike = [one for one in self.series if one.loads.shape[1] == experts]
        generated = {one.run: one.generated for one in alike}
        runs = sorted(name for name in generated if generated[name] == generated.get(run))
        if len(runs) < 2:
            return []
        chosen = runs[(runs.index(run) + 1) % len(runs)]
        return [one for one in alike if one.run == chosen]


def runs_alike(instances: Sequence[LoadSeries], options: Options) -> list[list[LoadSeries]]:
    """Group series by run and number of experts: one lesson is for all that share both."""
    groups: dict[tuple[str, int], list[LoadSeries]] = {}
    for one in instances:
        groups.setdefault((one.run, one.loads.shape[1]), []).append(one)
    return [groups[key] for key in sorted(groups)]


def origins_of(steps: int, horizons: Sequence[int], count: int) -> tuple[list[int], list[int]]:
    """Return the horizons that fit a series of so many steps twice, and its origins; none of either if none fits."""
    fitting = [horizon for horizon in horizons if 2 * horizon <= steps]
    if not fitting:
        return [], []
    spaced = np.linspace(steps - fitting[-1], fitting[-1], count)[::-1]
    return fitting, sorted({round(origin) for origin in spaced})


def taught(contender: Contender, one: LoadSeries, lessons: Lessons) -> TargetError | None:
    """Train for the run of a series, if the predictor learns; return what stands against it, if anything does."""
    if not contender.trainable:
        return None
    experts = one.loads.shape[1]
    others = lessons.for_run(one.run, experts)
    if not others:
        return TargetUnable(f"it is trained on another run with {experts} experts, and there is none")
    try:
        contender.train([other.loads for other in others])
    except TargetError as broke:
        return broke
    return None


def asked(
    contender: Contender, history: npt.NDArray[np.int64], horizon: int, obstacle: TargetError | None
) -> tuple[npt.NDArray[np.float64] | None, TargetError | None]:
    """Return the forecast, or what stands against it."""
    if obstacle is not None:
        return None, obstacle
    try:
        return contender.ask(history, horizon), None
    except TargetError as broke:
        return None, broke
