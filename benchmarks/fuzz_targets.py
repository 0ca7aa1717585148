"""Hostile targets at every door: is each named for what it did, in time, with nothing left and the sound one untouched?

    python benchmarks/fuzz_targets.py                        every hostility at the quick doors, once
    python benchmarks/fuzz_targets.py --table docs/explanation/hostile-targets.md   and write the page's tables
    python benchmarks/fuzz_targets.py --seconds 25           random doors, hostilities and moments, until the time is up
    python benchmarks/fuzz_targets.py --minutes 240 --seed 7

A hostile target (tests/hostile_targets.py) goes through a door (tests/hostile_doors.py) beside a sound one. In random
runs it is sound until its n-th call. Exit code 1 at the first that is named for something else, takes longer than
120 s, changes the sound one's answer or leaves a process; the seed is printed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import secrets
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import hostile_doors as doors
from equipoise.balancers import isolated
from equipoise.balancers.pool import POOL

START, END = "<!-- made by benchmarks/fuzz_targets.py -->\n", "<!-- end -->\n"
LONGEST = 120.0
FAILED = "FAILED:"
SHOWN = ("check", "audit", "placer", "study")
"""Doors of the table; what `replay` and a suite of pytest say is compared in nightly tests, as they take longer."""
ROUTERS = ("check", "replay", "audit", "placer", "study", "pytest")
ODDS = {"check": 3, "audit": 3, "placer": 3, "study": 2, "commands": 3, "monitor": 1, "pytest": 0.2}


def tried(door: str, name: str) -> str:
    """Send a hostile target through a door and return what was said; raise AssertionError where that is not right."""
    start, here = time.monotonic(), os.getcwd()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        said, sound = doors.DOORS[door](Path(place), name)
        assert Path.cwd() == Path(place).resolve(), "the directory is another one"
        os.chdir(here)
    POOL.close()
    assert sound, f"the sound target has another answer ({said})"
    assert "\n" not in said, "several lines"
    assert time.monotonic() - start < LONGEST, "it took too long"
    end = time.monotonic() + 10
    while left := doors.left_behind():
        assert time.monotonic() < end, f"left behind: {left}"
        time.sleep(0.05)
    return said


def expected(door: str, name: str) -> tuple[str, ...]:
    """Return how what is said may start."""
    if door == "commands":
        return (doors.COMMANDS[name],)
    if door == "monitor":
        return (doors.SINKS[name],)
    hostile = doors.HOSTILE.get(name) or doors.HOSTILE[name.rpartition("_at_")[0]]
    words = hostile.partition(": ")[2]
    late = (doors.FINE,) if "_at_" in name else ()
    if door == "placer" and name.startswith(doors.LATER):
        late = (doors.FINE, "gives no placement: ")
    hangs = ("hangs: it did not ",) if hostile.startswith("hangs") else ()
    return (hostile, *late, *hangs, f"{doors.KEPT}: {words}", f"STILL FAILS: {words}", "FIXED: ")


def once(door: str, name: str) -> str:
    """Try, compare and print; what is not right starts with :data:`FAILED`."""
    try:
        said = tried(door, name)
        assert said.startswith(expected(door, name)), f"it is named for something else: {said}"
    except Exception as error:
        said = f"{FAILED} {error}"
    print(f"{door} {name}: {said}", flush=True)
    return said


def fuzz(seconds: float, seed: int) -> int:
    """Try random doors, hostilities and moments."""
    random, until, count = np.random.default_rng(seed), time.monotonic() + seconds, 0
    weights = np.array(list(ODDS.values()))
    print(f"seed {seed}")
    while time.monotonic() < until:
        door = str(random.choice(list(ODDS), p=weights / weights.sum()))
        names = {"commands": doors.COMMANDS, "monitor": doors.SINKS}.get(door, doors.HOSTILE)
        name = str(random.choice(list(names)))
        if door in ROUTERS and "_at_" not in name and random.random() < 0.7:
            name = f"{name}_at_{random.integers(1, 9)}"
        if once(door, name).startswith(FAILED):
            return 1
        count += 1
    print(f"seed {seed}: {count} hostile targets, 0 failed")
    return 0


def begin() -> None:
    """Set a process up that tries some of them: what it leaves is told from what others leave."""
    os.environ[doors.RUN] = secrets.token_hex(8)
    isolated.FIRST = 3


def every(workers: int) -> str:
    """Send every hostility through every door and return Markdown tables of what was said."""
    pairs = [(door, name) for name in doors.HOSTILE for door in SHOWN]
    pairs += [("commands", name) for name in doors.COMMANDS] + [("monitor", name) for name in doors.SINKS]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), begin) as executor:
        said = dict(zip(pairs, executor.map(once, *zip(*pairs, strict=True)), strict=True))
    rows = ["| a target that | says | " + " | ".join(SHOWN) + " |", "|---" * (len(SHOWN) + 2) + "|"]
    for name in doors.HOSTILE:
        cells = [said.get((door, name), "").split(": ")[0] for door in SHOWN]
        words = doors.HOSTILE[name].partition(": ")[2].replace("|", "\\|").replace("<", "&lt;")
        words = f"{words} ..." if words else ""
        rows.append(f"| {name.replace('_', ' ')} | {words} | " + " | ".join(map(shown, cells)) + " |")
    rows += ["", "| a command that | is reported as |", "|---|---|"]
    rows += [f"| {name} | {said['commands', name]} |" for name in doors.COMMANDS]
    rows += ["", "| a sink of a monitor that | is reported as |", "|---|---|"]
    rows += [f"| {name.replace('_', ' ')} | {escaped(said['monitor', name])} |" for name in doors.SINKS]
    return "\n".join(rows) + "\n"


def escaped(words: str) -> str:
    return words.replace("|", "\\|").replace("<", "&lt;")


def shown(cell: str) -> str:
    """Return the word of a cell."""
    return "-" if cell == doors.FINE else cell


def main() -> int:
    """Run what is asked for; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    begin()
    limit = given.seconds or (given.minutes * 60 if given.minutes else None)
    if limit:
        return fuzz(limit, given.seed if given.seed is not None else time.time_ns() % 2**32)
    made = every(given.workers)
    if given.table:
        before, _, rest = given.table.read_text().partition(START)
        given.table.write_text(before + START + "\n" + made + "\n" + END + rest.partition(END)[2])
    return int(FAILED in made)


if __name__ == "__main__":
    sys.exit(main())
