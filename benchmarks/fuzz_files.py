"""Is a false certificate ever accepted, a true one refused, or a damaged file answered with anything but a sentence?

    python benchmarks/fuzz_files.py                        10,000 forged claims of every kind, 10,000 damaged files
    python benchmarks/fuzz_files.py --kind placement       one kind
    python benchmarks/fuzz_files.py --hours 8              until the time is up, with a seed of the clock's
    python benchmarks/fuzz_files.py --seconds 25 --seed 7  a short run

Forgeries change genuine certificates of small problems; what is accepted is judged by enumeration (tests/forgeries.py),
and a second, naive checker has to decide the same of each (tests/second_checkers.py).
Exit code 1 and the document on the first wrong verdict. Seeds are printed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from equipoise import Certificate, EquipoiseError
from equipoise.audits.baseline import Baseline
from equipoise.certificates.certificate import KINDS
from equipoise.checks.engine import findings
from equipoise.deployment.maps import read_map
from equipoise.files import read_arrays
from equipoise.study import description
from equipoise.traces.formats.source import open_source
from forgeries import attack
from second_checkers import valid

READERS = {
    "certificate": Certificate.load,
    "arrays": read_arrays,
    "trace": open_source,
    "baseline": Baseline.load,
    "finding": lambda path: findings.load(str(path)),
    "map": read_map,
    "study": lambda path: description.read(str(path)),
}
PIECES = [b"{", b"}", b"[", b'"', b"-0", b"1e999", b"NaN", b"\0", b"\xff", b"9" * 500, b"[" * 5000, b"null", b"\x1b[2J"]


def damage(seed: int, count: int, folder: Path, until: float) -> Counter[str]:
    """Damage real files by bytes, and give each to every reader."""
    random, counts = np.random.default_rng(seed), Counter[str]()
    golden = (Path(__file__).parent.parent / "tests" / "golden_certificates.jsonl").read_bytes().splitlines()
    np.savez(folder / "a.npz", scores=np.eye(3), load=np.arange(4))
    np.save(folder / "a.npy", np.eye(3))
    seeds = [line for line in golden if len(line) < 5000] + [
        (folder / f"a.{end}").read_bytes() for end in ("npz", "npy")
    ]
    seeds.append(b'{"physical_to_logical_map": [[0, 1, 2, 3]], "schema": "x", "gaps": {}, "instances": {}}')
    for _ in range(count):
        content = bytearray(seeds[random.integers(len(seeds))])
        for _ in range(random.integers(1, 5)):
            at = int(random.integers(len(content) + 1))
            piece = PIECES[random.integers(len(PIECES))] if random.random() < 0.5 else bytes([random.integers(256)])
            content[at : at + int(random.integers(0, 3))] = piece
        path = folder / "damaged.json"
        path.write_bytes(content)
        for name, read in READERS.items():
            start = time.monotonic()
            try:
                read(path)
                counts["read"] += 1
            except EquipoiseError as error:
                counts["refused"] += 1
                counts["of several lines"] += "\n" in str(error)
            except BaseException:
                print(f"{name} broke at {bytes(content)!r}")
                raise
            assert time.monotonic() - start < 10, (name, bytes(content))
        if time.monotonic() > until:
            break
    return counts


def main() -> int:
    """Run the forgeries and the damaged files; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--kind", choices=[*KINDS, "damage"])
    parser.add_argument("--hours", type=float)
    parser.add_argument("--seconds", type=float)
    given = parser.parse_args()
    limit = given.seconds or (given.hours * 3600 if given.hours else None)
    seed = given.seed if given.seed is not None else (time.time_ns() % 2**32 if limit else 1)
    until = time.monotonic() + (limit or float("inf"))
    with tempfile.TemporaryDirectory() as name:
        while True:
            for kind in [given.kind] if given.kind else [*KINDS, "damage"]:
                if kind == "damage":
                    print(f"seed {seed} damage {dict(damage(seed, 100 if limit else given.count, Path(name), until))}")
                    continue
                bases, count = (3, 50) if limit else (40, given.count)
                counts, wrong = attack(kind, seed, count, Path(name) / "c.json", bases, valid)
                print(f"seed {seed} {kind} {counts} wrong {len(wrong)}", flush=True)
                if wrong:
                    print(json.dumps(wrong[0]))
                    return 1
                if time.monotonic() > until:
                    return 0
            if not limit or time.monotonic() > until:
                return 0
            seed += 1


if __name__ == "__main__":
    sys.exit(main())
