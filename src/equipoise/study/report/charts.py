"""The panels of a report; each takes numbers and returns one ``<svg>``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from equipoise.study.report.svg import INK, MUTED, PAPER, RULE, SHADE, colour, dashes, marker, panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from equipoise.study.statistics import Interval

DEVICES = {"placed": 2, "scheduled": 4}
"""Series colours of device loads after placement and after scheduling."""

PEAKS = (1, 1.25, 1.5, 2, 3, 4, 6, 8, 12, 16)


def frontier(
    name: str, points: Sequence[Sequence[float]], dots: Sequence[tuple[int, float, float, bool]], label: str
) -> str:
    """Score against peak: the exact frontier, what lies beyond it shaded, and methods ``(index, peak, score, own)``.

    ``own`` says whether the frontier applies to the method: it gives every token exactly K experts.
    """
    xs, ys = np.array(points).T
    most = max([float(xs.max()), *(peak for _, peak, _, _ in dots)]) * 1.08
    lowest = min([1.0, *(score for _, _, score, _ in dots)])
    top = float(ys.max())
    margin = 0.06 * (top - lowest) or 0.01

    def draw(axes: Axes) -> None:
        line_x, line_y = [*xs, most], [*ys, top]
        axes.fill_between(line_x, line_y, top + 3 * margin, color=SHADE, linewidth=0)
        axes.fill_betweenx([lowest - margin, top + 3 * margin], 0.94, 1.0, color=SHADE, linewidth=0)
        axes.plot([1.0, *line_x], [lowest - margin, *line_y], color=INK, linewidth=1.6, zorder=3)
        for index, peak, score, own in dots:
            face = colour(index) if own else "none"
            edge = PAPER if own else colour(index)
            style: dict[str, Any] = {"markersize": 6, "markeredgewidth": 0.8 if own else 1.4}
            axes.plot(
                [peak],
                [score],
                marker(index),
                markerfacecolor=face,
                markeredgecolor=edge,
                zorder=5,
                clip_on=False,
                **style,
            )
        axes.set_xscale("log")
        _ticks(axes, "x", [peak for peak in PEAKS if peak <= most])
        axes.set_xlim(0.94, most)
        axes.set_ylim(lowest - margin, top + 3 * margin)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g}%")
        axes.text(1.02, top + 1.3 * margin, "out of reach, proved", color=MUTED, fontsize=7.5)
        axes.set_xlabel("peak load / mean load")

    return panel(draw, label, name=name)


def lines(
    name: str,
    x: Sequence[float],
    series: Mapping[int, Sequence[float | None]],
    label: str,
    *,
    x_label: str,
    linear_to: float,
    bands: Mapping[int, tuple[Sequence[float], Sequence[float]]] | None = None,
    percent: bool = True,
    ticks: Sequence[float] | None = None,
    tick_labels: Sequence[str] | None = None,
    styles: Mapping[int, tuple[str, str]] | None = None,
    marked: bool = True,
) -> str:
    """One line per series over ``x``, on an axis that is linear up to ``linear_to`` and logarithmic beyond.

    ``bands`` are least and largest values; ``styles`` colour and dashes of series that are no methods.
    """

    def draw(axes: Axes) -> None:
        for index, values in series.items():
            own_colour, style = (styles or {}).get(index, (colour(index), dashes(index)))
            heights = [np.nan if value is None else value for value in values]
            if bands is not None and index in bands:
                low, high = bands[index]
                axes.fill_between(x, low, high, color=own_colour, alpha=0.1, linewidth=0)
            dots: dict[str, Any] = {"marker": marker(index), "markersize": 4.8, "markeredgecolor": PAPER}
            dots = dots | {"markeredgewidth": 0.6} if marked else {}
            width = 1.6 if marked or style != "-" else 1.3
            axes.plot(x, heights, style, color=own_colour, linewidth=width, clip_on=False, **dots)
        largest = max(
            [
                linear_to,
                *(value for values in series.values() for value in values if value is not None and value == value),
            ]
        )
        axes.set_yscale("symlog", linthresh=linear_to, linscale=0.6)
        _ticks(axes, "y", _decades(linear_to, largest), percent=percent)
        axes.set_ylim(-0.08 * linear_to, largest * 1.25)
        if ticks is not None:
            _ticks(axes, "x", ticks, labels=tick_labels)
        axes.set_xlabel(x_label)

    return panel(draw, label, name=name)


@dataclass(frozen=True)
class Curves:
    """Errors against the steps ``ahead``, by series; ``bands`` are least and largest values."""

    ahead: Sequence[int]
    floor: Sequence[float]
    lines: Mapping[int, Sequence[float]]
    bands: Mapping[int, tuple[Sequence[float], Sequence[float]]]


def around(values: Sequence[float]) -> tuple[float, float]:
    """Return limits of a logarithmic axis that holds the values, zeros at its lower end."""
    lowest = min((value for value in values if value > 0), default=0.01)
    return lowest / 1.6, max([5 * lowest, *values]) * 1.3


def horizons(name: str, curves: Curves, limits: tuple[float, float], label: str) -> str:
    """Errors of forecasts against the steps ahead, both logarithmic; below the noise floor the ground is shaded."""
    ahead, lowest = curves.ahead, limits[0]
    wide = (ahead[-1] / ahead[0]) ** 0.04 if len(ahead) > 1 else 2.0
    left, right = ahead[0] / wide, ahead[-1] * wide
    across, floor = (ahead, curves.floor) if len(ahead) > 1 else ((left, right), (curves.floor[0],) * 2)
    floor = np.clip(floor, *limits).tolist()

    def draw(axes: Axes) -> None:
        axes.fill_between(across, floor, lowest, color=SHADE, linewidth=0)
        axes.plot(across, floor, color=INK, linewidth=1.6, zorder=3)
        for index, values in curves.lines.items():
            low, high = (np.clip(ends, *limits) for ends in curves.bands[index])
            axes.fill_between(ahead, low, high, color=colour(index), alpha=0.1, linewidth=0)
            dots: dict[str, Any] = {"marker": marker(index), "markersize": 4.8, "markeredgecolor": PAPER}
            heights = np.clip(values, *limits)
            axes.plot(ahead, heights, dashes(index), color=colour(index), linewidth=1.6, markeredgewidth=0.6, **dots)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(left, right)
        axes.set_ylim(*limits)
        _ticks(axes, "x", ahead, labels=_apart(ahead))
        _ticks(axes, "y", _steps(*limits), percent=True)
        axes.set_xlabel("steps ahead")

    return panel(draw, label, name=name)


def _apart(places: Sequence[int]) -> list[str]:
    """Return labels of places on a logarithmic axis, from the last on those that do not run into the next."""
    shown: list[int] = []
    least = (places[-1] / places[0]) ** 0.14
    for place in reversed(places):
        if not shown or shown[-1] >= place * least:
            shown.append(place)
    return [f"{place:,}" if place in shown else "" for place in places]


def heat(name: str, load: Sequence[Sequence[float]], steps: int, label: str, *, dark: bool) -> str:
    """Experts by steps: load over mean on a logarithmic colour scale, the mean in the theme's own ground colour."""
    grid = np.log2(np.clip(np.array(load), 1 / 8, 8))

    def draw(axes: Axes) -> None:
        from matplotlib.colors import LinearSegmentedColormap

        middle = "#1b1f27" if dark else "#f4f2ee"
        ends = ("#4cc2e0", "#2a6f9e", middle, "#c8662f", "#ffc96b") if dark else heat_colours(dark=False)
        shades = LinearSegmentedColormap.from_list("load", ends)
        axes.imshow(
            grid,
            aspect="auto",
            cmap=shades,
            vmin=-3,
            vmax=3,
            extent=(0, steps, len(load), 0),
            interpolation="nearest",
        )
        axes.grid(visible=False)
        axes.set_yticks([0.5, len(load) - 0.5], ["1", str(len(load))])
        axes.set_xlabel("training step")
        axes.set_ylabel("expert, by load", labelpad=-6)

    return panel(draw, label, height=2.2, name=f"{name} {dark}")


def heat_colours(*, dark: bool) -> tuple[str, ...]:
    """Colours of 1/8, 1/2.8, 1, 2.8 and 8 times the mean load."""
    if dark:
        return ("#4cc2e0", "#2a6f9e", "#1b1f27", "#c8662f", "#ffc96b")
    return ("#0b4f6c", "#6fb0cc", "#f4f2ee", "#e08a4f", "#8f2d0f")


def devices(name: str, loads: Mapping[str, Sequence[float]], label: str) -> str:
    """Device loads before, placed and scheduled, in units of the mean; devices ordered by the load before."""
    order = np.argsort(-np.array(loads["before"]), kind="stable")
    x = np.arange(1, len(order) + 1)

    def draw(axes: Axes) -> None:
        axes.bar(x, np.array(loads["before"])[order], color=RULE, width=0.78)
        axes.axhline(1.0, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        for key in DEVICES:
            values = np.sort(np.array(loads[key]))[::-1]
            style = DEVICES[key]
            axes.plot(x, values, color=colour(style), marker=marker(style), markersize=4, linewidth=1.1)
        axes.set_ylim(0, max(1.6, max(loads["before"]) * 1.05))
        axes.set_xlim(0.3, len(order) + 0.7)
        _ticks(axes, "x", [1, *range(len(order) // 4, len(order) + 1, max(1, len(order) // 4))])
        axes.set_xlabel("device, by load")

    return panel(draw, label, height=2.2, name=name)


def forest(name: str, intervals: Mapping[str, tuple[int, Interval]], label: str, *, percent: bool, x_label: str) -> str:
    """Differences from the baseline with their confidence intervals, a method a line; left of zero is better."""

    def draw(axes: Axes) -> None:
        for row, (index, interval) in enumerate(intervals.values()):
            axes.plot([interval.low, interval.high], [row, row], color=colour(index), linewidth=1.8, alpha=0.55)
            axes.plot([interval.mean], [row], marker(index), color=colour(index), markersize=6, markeredgewidth=0)
        axes.axvline(0, color=INK, linewidth=0.9)
        axes.grid(visible=False)
        axes.set_yticks(range(len(intervals)), list(intervals))
        axes.set_ylim(len(intervals) - 0.4, -0.6)
        axes.tick_params(axis="y", labelcolor=INK)
        axes.xaxis.set_major_locator(_few())
        axes.xaxis.set_major_formatter(lambda value, _: _signed(value, percent))
        axes.set_xlabel(x_label)

    return panel(draw, label, height=0.6 + 0.23 * len(intervals), name=name)


def step_times(name: str, times: Mapping[str, tuple[int, float, float]], even: float, label: str) -> str:
    """Estimated seconds of a step, matrix products and transfer stacked; the line is perfect balance."""

    def draw(axes: Axes) -> None:
        for row, (index, compute, transfer) in enumerate(times.values()):
            axes.barh(row, compute, color=colour(index), height=0.62)
            axes.barh(row, transfer, left=compute, color=colour(index), alpha=0.45, height=0.62)
        axes.axvline(even, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.grid(visible=False)
        axes.grid(visible=True, axis="x")
        axes.set_yticks(range(len(times)), list(times))
        axes.tick_params(axis="y", labelcolor=INK)
        axes.set_ylim(len(times) - 0.4, -0.6)
        axes.xaxis.set_major_locator(_few())
        axes.set_xlabel("estimated seconds a step")

    return panel(draw, label, height=0.6 + 0.23 * len(times), name=name)


def _signed(value: float, percent: bool) -> str:
    if abs(value) < 1e-12:
        return "0"
    return f"{100 * value:+.3g}%" if percent else f"{value:+.3g}"


def _few() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(5)


def _decades(linear_to: float, largest: float) -> list[float]:
    found, value = [0.0], linear_to
    while value <= largest * 1.25:
        found.append(value)
        value *= 10
    return found


def _steps(least: float, largest: float) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten in a range; the powers alone where that would be many."""
    exponents = range(math.floor(math.log10(least)), math.ceil(math.log10(largest)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        found = [digit * 10.0**exponent for exponent in exponents for digit in digits]
        found = [value for value in found if least <= value <= largest]
        if len(found) <= 6:
            break
    return found


def _ticks(
    axes: Axes, which: str, places: Sequence[float], *, labels: Sequence[str] | None = None, percent: bool = False
) -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    words = labels or [f"{100 * place:g}%" if percent else f"{place:g}" for place in places]
    axis.set_major_locator(FixedLocator(list(places)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FixedFormatter(list(words)))
