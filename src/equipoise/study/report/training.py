"""MaxVio over the steps of real training runs, from the folders that benchmarks/training/train.py writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from equipoise import metrics
from equipoise.errors import InvalidFile
from equipoise.files import json_of, read_arrays
from equipoise.study.report import charts, tables
from equipoise.study.report.layout import Panel, Section, line_keys
from equipoise.tables import Table

SMOOTHED = 5
"""Steps that a point of a line averages."""


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """One finished run: the balancer in its loop, MaxVio of every step (mean over layers), and its perplexity."""

    experts: int
    method: str
    seed: int
    max_vio: npt.NDArray[np.float64]
    perplexity: float | None


def read_training(folder: str) -> list[TrainingRun]:
    """Read the finished runs of a folder, those with a ``metrics.npz`` beside their ``run.json``.

    Raises
    ------
    InvalidFile
        If there is none, or one cannot be read.
    """
    found = []
    for described in sorted(Path(folder).glob("*/run.json")):
        measured = described.with_name("metrics.npz")
        if not measured.exists():
            continue
        try:
            run, arrays = json_of(described), read_arrays(measured)
            loads = np.asarray(arrays["loads"])
            series = np.array([[metrics.max_vio(layer) for layer in step] for step in loads]).mean(axis=1)
            perplexity = arrays.get("validation_perplexity")
            about = (int(run["experts"]), str(run["method"]), int(run["seed"]))
        except (KeyError, ValueError, TypeError) as error:
            raise InvalidFile(f"{described.parent} is not a finished training run: {error}") from error
        found.append(TrainingRun(*about, series, None if perplexity is None else float(perplexity)))
    if not found:
        raise InvalidFile(f"{folder} holds no finished training run; allowed: folders with run.json and metrics.npz")
    return found


def training_section(runs: list[TrainingRun]) -> Section:
    """Return a panel per number of experts, a line per balancer: the mean over its seeds."""
    methods = sorted({run.method for run in runs})
    panels, told = [], []
    for experts in sorted({run.experts for run in runs}):
        own = [run for run in runs if run.experts == experts]
        length = min(len(run.max_vio) for run in own)
        edges = range(0, length - SMOOTHED + 1, SMOOTHED)
        series = {}
        for index, method in enumerate(methods):
            seeds = [run for run in own if run.method == method]
            if seeds:
                mean = np.mean([run.max_vio[:length] for run in seeds], axis=0)
                series[index] = [float(mean[at : at + SMOOTHED].mean()) for at in edges]
                ends = [run.perplexity for run in seeds if run.perplexity is not None]
                perplexity = f"{np.mean(ends):.2f}" if ends else "-"
                last = tables.shown(float(mean[-length // 4 :].mean()), "ratio")
                told.append(
                    [
                        f"E = {experts}",
                        method,
                        str(len(seeds)),
                        tables.shown(float(mean.mean()), "ratio"),
                        last,
                        perplexity,
                    ]
                )
        words = "; ".join(f"{row[1]} {row[3]}" for row in told if row[0] == f"E = {experts}")
        label = f"MaxVio over {length} training steps, E = {experts}; means: {words}"
        middles = [at + (SMOOTHED + 1) / 2 for at in edges]
        svg = charts.lines(
            f"training {experts}",
            middles,
            series,
            label,
            x_label="training step",
            linear_to=0.1,
            percent=False,
            marked=False,
        )
        panels.append(Panel(f"E = {experts}", svg))
    head = ["model", "balancer", "seeds", "AvgMaxVio", "last quarter", "perplexity"]
    return Section(
        "training",
        "In a training loop",
        f"MaxVio of small models trained with each balancer in the loop, mean over layers and seeds, {SMOOTHED} steps "
        "a point (docs/measured/training.md has the setting).",
        legend=line_keys(methods),
        panels=panels,
        folded=[("In numbers", Table(head, told))],
    )
