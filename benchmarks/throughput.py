"""Audits per hour by workers: certified judgements of a routing, on generated batches.

    python benchmarks/throughput.py                              # 1 and 2 processes, 2 Dask workers on loopback
    python benchmarks/throughput.py --write                      # put the table into its page
    python benchmarks/throughput.py --workers 1 2 4 --batches 64
    python benchmarks/throughput.py --dask tcp://127.0.0.1:8786  # a cluster that is there

All sides run in the same rounds, one after the other, after one that is not counted. Needs the extra `cluster`.
"""

from __future__ import annotations

import argparse
import statistics
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager, nullcontext

from measure import environment, table
from pages import fill

from equipoise.audits.run import choose, judge_units
from equipoise.balancers.find import Target
from equipoise.executors import open_executor
from equipoise.traces import Instance, drifting

METHODS = ("topk", "bip", "quantile", "midpoint")
TOKENS, EXPERTS, TOP_K, PASSES = 512, 32, 4, 10


def batches(count: int, first_seed: int) -> list[Instance]:
    """Independent batches."""
    return [drifting(1, TOKENS, EXPERTS, TOP_K, seed=first_seed + seed)[0] for seed in range(count)]


def rate(executor: Executor | None, instances: list[Instance]) -> float:
    """Audits per hour: one is one router on one batch, shown PASSES times, with every optimum certified."""
    chosen, options = choose("router", {"passes": PASSES})
    targets = [Target(name, name, role="router") for name in METHODS]
    started = time.perf_counter()
    rows = judge_units(chosen, targets, chosen.units(instances, options), options, None, executor=executor)
    seconds = time.perf_counter() - started
    if any(row.error is not None or row.evidence != {"optimum": "certified"} for row in rows):
        raise SystemExit("an optimum was not certified")
    return 3600 * len(rows) / seconds


@contextmanager
def loopback(workers: int) -> Iterator[str]:
    """The address of a Dask cluster of our own, with so many worker processes on this machine."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        yield cluster.scheduler_address


def main() -> None:
    """Print or write a table: medians and ranges of the rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--dask", metavar="ADDRESS")
    parser.add_argument("--batches", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    most = max(options.workers)
    with ExitStack() as opened:
        executors = {str(count): opened.enter_context(open_executor(count)) for count in options.workers}
        cluster = nullcontext(options.dask) if options.dask else loopback(most)
        name = f"Dask at {options.dask}" if options.dask else f"{most}, Dask"
        executors[name] = opened.enter_context(open_executor(None, opened.enter_context(cluster)))
        for executor in executors.values():
            rate(executor, batches(2 * most, 10_000))
        rates: dict[str, list[float]] = {name: [] for name in executors}
        for number in range(options.rounds):
            instances = batches(options.batches, 100 * number)
            for name, executor in executors.items():
                rates[name].append(rate(executor, instances))
    first = next(iter(rates.values()))
    rows = [
        [name, *(f"{value:,.0f}" for value in (statistics.median(found), min(found), max(found)))]
        + [f"{statistics.median(a / b for a, b in zip(found, first, strict=True)):.2f}"]
        for name, found in rates.items()
    ]
    facts = environment(("equipoise", "numpy", "ortools", "distributed"))
    size = f"{options.batches} batches of {TOKENS} tokens and {EXPERTS} experts, K = {TOP_K}"
    words = (
        f"Median, least and most of {options.rounds} rounds. An audit is one router ({', '.join(METHODS)}) on one of "
        f"{size}, shown {PASSES} times, with every optimum certified. {facts.pop('processor')}, {facts.pop('cores')} "
        f"cores, {', '.join(f'{name} {version}' for name, version in facts.items())}."
    )
    columns = ("workers", "audits an hour", "least", "most", "times the first")
    text = f"{table(columns, rows)}\n\n{textwrap.fill(words, 120)}"
    if options.write:
        fill("measured/throughput.md", "throughput.py", text)
    else:
        print(text)


if __name__ == "__main__":
    main()
