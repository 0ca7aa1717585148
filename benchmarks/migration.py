"""The frontier of peak against moved slots in docs/measured/devices.md: one layer of the DeepSeek-V3 counts.

python benchmarks/migration.py FOLDER            # where the two records of sglang issue 6017 are; print it
python benchmarks/migration.py FOLDER --write    # put it into its page
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pages import fill

import equipoise
from equipoise.reference.placement.eplb import eplb

LAYER, DEVICES, SLOTS = 10, 32, 288
SPLITS = ("even", "free")
MOVES = (0, 4, 8, 16, 32, 64, 128)


def table(folder: Path) -> str:
    """Return a row for every limit of moves: peak, proved bound and gap, for an even and for the best split."""
    before, after = (
        equipoise.read_loads(folder / name).loads for name in ("prefill_in1024.json", "decode_in2000out100.json")
    )
    seen, load = (counts.reshape(-1, counts.shape[-1])[LAYER] for counts in (before, after))
    current, mean = eplb(seen, SLOTS, 1, 1, DEVICES), load.sum() / DEVICES
    lines = [
        f"| moves at most |{''.join(f' used, {one} | peak / mean | bound / mean | gap |' for one in SPLITS)}",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for most in MOVES:
        cells = [str(most)]
        for split in SPLITS:
            placement = equipoise.PlacementProblem(load, SLOTS, DEVICES, split, distinct=False)
            problem = equipoise.MigrationProblem(placement, current, most)
            found = equipoise.solve(problem, "move-search")
            assert found.objective is not None
            assert found.lower is not None
            assert found.physical_to_logical is not None
            used = problem.moves(placement.counts(found.physical_to_logical))
            peak, bound = float(found.objective) / mean, float(found.lower) / mean
            cells += [str(used), f"{peak:.4f}", f"{bound:.4f}", f"{peak / bound - 1:.2%}"]
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    made = table(options.folder)
    if options.write:
        fill("measured/devices.md", "migration.py", made)
    else:
        print(made)
