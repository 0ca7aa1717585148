"""Audits per hour by workers: certified judgements of a routing, on generated batches.

python benchmarks/throughput.py                              # 1 and 2 local processes
python benchmarks/throughput.py --workers 1 2 4 --batches 64
python benchmarks/throughput.py --dask tcp://127.0.0.1:8786  # a cluster that is there
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from concurrent.futures import Executor

from equipoise.audit import audit
from equipoise.executors import open_executor
from equipoise.targets import find_router
from equipoise.traces import Instance, drifting

METHODS = ("topk", "bip", "quantile", "midpoint")


def batches(count: int, first_seed: int) -> list[Instance]:
    """Independent batches of 512 tokens and 32 experts, K = 4."""
    return [drifting(1, 512, 32, 4, seed=first_seed + seed)[0] for seed in range(count)]


def rate(executor: Executor | None, count: int, first_seed: int) -> float:
    """Audits per hour: one is one router on one batch, shown ten times, with every optimum certified."""
    instances, targets = batches(count, first_seed), [find_router(name) for name in METHODS]
    started = time.perf_counter()
    result = audit(targets, instances, passes=10, executor=executor)
    seconds = time.perf_counter() - started
    if not result.certified:
        raise SystemExit("an optimum was not certified")
    return 3600 * len(result.rows) / seconds


def main() -> None:
    """Print a table: median and range of the rates, after a round that is not counted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--dask", metavar="ADDRESS")
    parser.add_argument("--batches", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors; {options.batches} batches x {len(METHODS)} routers, {options.rounds} rounds\n")
    print("| workers | audits per hour | least | most |\n|---|---:|---:|---:|")
    where = [(f"Dask at {options.dask}", None, options.dask)] if options.dask else []
    where = where or [(str(workers), workers, None) for workers in options.workers]
    for name, workers, address in where:
        with open_executor(workers, address) as executor:
            rate(executor, 4, 10_000)
            rates = [rate(executor, options.batches, 100 * number) for number in range(options.rounds)]
        print(f"| {name} | {statistics.median(rates):,.0f} | {min(rates):,.0f} | {max(rates):,.0f} |", flush=True)


if __name__ == "__main__":
    main()
