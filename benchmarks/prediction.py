"""Tables of docs/measured/prediction.md.

    python benchmarks/prediction.py [TABLE ...]            # print
    python benchmarks/prediction.py [TABLE ...] --write    # put them into the page

recorded, generated, value: what `equipoise audit` prints, without seconds and worst cases. learners, learners-value:
ARIMA and the LSTM beside the others. alarms: how often a stationary series is called transient. states: windows and
states of the recorded runs. replacements: how often to place anew.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from itertools import pairwise

import numpy as np
from pages import fill

from equipoise.audits.cluster import Cluster, placed_by
from equipoise.audits.forecast_value import least_peak
from equipoise.audits.replanning import hindsight_plan, interval_plan
from equipoise.audits.run import audit
from equipoise.balancers.find import Target
from equipoise.reference.placement.floors import round_robin
from equipoise.reference.prediction.catalogue import PREDICTORS
from equipoise.series import noise_floor, sliding_range, sliding_variance, transient
from equipoise.traces import recorded

SEED = 0


def table(columns, rows):
    head, *body = ["| " + " | ".join(row) + " |" for row in (columns, *rows)]
    return "\n".join([head, "|" + "---:|" * len(columns), *body]) + "\n"


def audited(*options):
    """The table that an audit prints, without what depends on the machine or is a name."""
    command = [sys.executable, "-m", "equipoise", "audit", "--role", "predictor", *options, "--format", "markdown"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [line.strip("|").split("|") for line in printed.splitlines() if line.startswith("|")]
    kept = [index for index, name in enumerate(rows[0]) if name.strip() not in ("seconds", "worst instance")]
    return "\n".join("|" + "|".join(row[index] for index in kept) + "|" for row in rows) + "\n"


def recorded_runs():
    """Errors on the recorded runs."""
    return audited()


def generated_series():
    """Errors on generated series."""
    return audited("--trace", "generated")


def value():
    """What forecasts are worth."""
    return audited("--value")


def alarms(series=20, steps=1099):
    """Share of full windows (of series) called transient, draws around the same shares."""
    rows = []
    for experts, tokens in ((16, 64), (16, 8192), (64, 256), (64, 16384), (256, 1024), (256, 65536)):
        random = np.random.default_rng(SEED)
        draws = [random.multinomial(tokens, random.dirichlet(np.ones(experts)), size=steps) for _ in range(series)]
        row = [str(experts), str(tokens)]
        for tolerance, margin in ((0.0, 0.0), (0.0, 1.0), (0.0, 2.0), (0.0, 3.0), (0.05, 3.0)):
            moving = np.array([transient(one, tolerance=tolerance, margin=margin)[99:] for one in draws])
            row.append(f"{moving.mean():.2%} ({moving.any(axis=1).sum()}/{series})")
        rows.append(row)
    settings = [f"tolerance {t}, margin {m}" for t, m in ((0, 0), (0, 1), (0, 2), (0, 3), (0.05, 3))]
    return table(["experts", "tokens a step", *settings], rows)


def states():
    """Windows over shares, mean over experts of the root (relative to 1/E), and the detector, by part of the run."""
    rows = []
    trace = recorded()
    for run in trace.runs:
        loads = trace.loads(run).astype(np.int64)
        steps, layers, experts = loads.shape
        for start, end in ((0, 200), (200, 500), (500, 1000), (1000, 4000), (4000, 8000)):
            if end > steps:
                continue
            parts = [loads[max(0, start - 99) : end, layer] for layer in range(layers)]
            spread = [np.sqrt([sliding_variance(p, w) for p in parts]).mean() * experts for w in (10, 100)]
            reach = np.mean([sliding_range(p, 100) for p in parts]) * experts
            moving = np.mean([transient(loads[:, layer])[start:end] for layer in range(layers)])
            floor = np.mean([noise_floor(p, trace.top_k(run)).step for p in parts])
            numbers = [f"{value:.3f}" for value in (*spread, reach)]
            rows.append([run, f"{start} to {end}", *numbers, f"{floor:.2%}", f"{moving:.0%}"])
    return table(
        ["run", "steps", "deviation, w=10", "deviation, w=100", "range, w=100", "noise floor", "transient"],
        rows,
    )


def all_on_three_series(**options):
    """Every predictor on one layer of the three runs with 16 experts, two origins each."""
    series = [one for one in recorded().load_series() if one.loads.shape[1] == 16 and one.name.endswith("layer1")]
    return audit(list(PREDICTORS), role="predictor", trace=series, origins=2, **options).summary


def learners():
    """Errors of every predictor."""
    rows = []
    for one in all_on_three_series():
        kinds = ("step", "step_unweighted", "mean", "mean_unweighted")
        cells = [f"{one[f'mean_error_{kind}']:.2%} / {one[f'mean_floor_{kind}']:.2%}" for kind in kinds]
        rows.append([one["balancer"], str(one["horizon"]), *cells, str(one["instances"])])
    return table(["predictor", "horizon", "per step", "unweighted", "of mean", "unweighted", "forecasts"], rows)


def learners_value():
    """What the forecasts of every predictor are worth."""
    rows = [
        [
            one["balancer"],
            f"{one['mean_balancedness']:.4f} / {one['min_balancedness']:.4f}",
            f"{one['mean_beyond_hindsight']:.2%} / {one['max_beyond_hindsight']:.2%}",
            f"{one['evidence']['peak'].get('certified', 0)}/{one['instances']}",
        ]
        for one in all_on_three_series(value=True, placement="micromoe")
    ]
    return table(["placed on", "balancedness", "beyond hindsight", "certified"], rows)


def replacements(count=8, length=100):
    """Cost over the mean load of a device, less 1, for placements every so many blocks, by the price of a move."""
    average = Target("ema", "ema", role="predictor").hold(in_process=True)
    series = [one for one in recorded().load_series() if one.name in ("E16-none/layer1", "E64-none/layer1")]
    parts = []
    for one in series:
        first = len(one.loads) - count * length
        blocks = one.loads[first:].reshape(count, length, -1).sum(axis=1)
        cluster = Cluster.of(one.loads.shape[1])
        mean = blocks.sum() / cluster.devices
        start = round_robin(one.loads.shape[1], cluster.slots)
        known = {}

        def place(load, cluster=cluster, known=known):
            key = tuple(load.tolist())
            if key not in known:
                known[key] = placed_by("micromoe", cluster, load)
            return known[key]

        def past(now, until, one=one, first=first):
            return np.asarray(one.loads[first + (now - 1) * length : first + now * length].sum(axis=0))

        def forecast(now, until, one=one, first=first):
            history = one.loads[: first + now * length]
            return np.rint(average.ask(history, (until - now) * length).sum(axis=0)).astype(np.int64)

        def truth(now, until, blocks=blocks):
            return blocks[now:until].sum(axis=0)

        prices, rows = (0, 100, 1000), []
        for name, seen in (("last block", past), ("ema's forecast", forecast), ("truth", truth)):
            for every in (1, 2, 4, 8):
                plan = interval_plan(blocks, start, every, seen, place, cluster, 0)
                costs = [f"{(plan.peaks + price * plan.moved) / mean - 1:.2%}" for price in prices]
                rows.append([name, str(every), str(plan.moved), *costs])
        best = [hindsight_plan(blocks, start, place, cluster, price) for price in prices]
        times = [sum(a != b for a, b in pairwise((0, *plan.placements))) for plan in best]
        label = ", ".join(f"{plan.moved} in {count}" for plan, count in zip(best, times, strict=True))
        rows.append(["best in hindsight", "any", label, *(f"{plan.cost / mean - 1:.2%}" for plan in best)])
        stay = sum(least_peak(block, start, cluster.devices)[0] for block in blocks)
        rows.append(["never placed anew", "-", "0", *[f"{stay / mean - 1:.2%}"] * len(prices)])
        sizes = f"{len(blocks)} blocks of {length} steps, {cluster.slots} slots on {cluster.devices} devices"
        columns = ["placed on", "every", "moved", *(f"price {price}" for price in prices)]
        parts.append(f"{one.name}: {sizes}\n\n{table(columns, rows)}")
    return "\n".join(parts)


TABLES = {
    "recorded": recorded_runs,
    "generated": generated_series,
    "learners": learners,
    "learners-value": learners_value,
    "alarms": alarms,
    "states": states,
    "value": value,
    "replacements": replacements,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"{', '.join(TABLES)}; default: all")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    unknown = [name for name in options.tables if name not in TABLES]
    if unknown:
        parser.error(f"there is no table {unknown[0]}; allowed: {', '.join(TABLES)}")
    for name in options.tables or TABLES:
        text = TABLES[name]()
        if options.write:
            fill("measured/prediction.md", f"prediction.py {name}", text)
        else:
            print(f"### {name}\n\n{text}", flush=True)


if __name__ == "__main__":
    main()
