"""The tables and pictures of docs/measured/{routers,devices,replication}.md: audits as anybody can make them.

    python benchmarks/audits.py                            # print every table that needs no other data
    python benchmarks/audits.py routers stream --write     # put these into their pages, with their pictures
    python benchmarks/audits.py --deepseek FOLDER --write  # also those of the DeepSeek-V3 counts of sglang issue 6017

Times of calls differ from run to run and are left out.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pages import DOCS, fill

import equipoise

ROUTERS, DEVICES, COPIES = "measured/routers.md", "measured/devices.md", "measured/replication.md"
PREFILL, DECODE = "prefill_in1024.json", "decode_in2000out100.json"


@dataclass(frozen=True)
class Part:
    """One table of a page, with the measures that its picture shows."""

    page: str
    audit: Callable[[], equipoise.Audit]
    drawn: tuple[str, ...] = ()


PARTS = {
    "routers": Part(ROUTERS, partial(equipoise.audit, role="router"), ("relative_regret", "max_vio")),
    "stream": Part(ROUTERS, partial(equipoise.audit, role="router", stream=True), ("relative_regret", "max_vio")),
    "schedulers": Part(DEVICES, partial(equipoise.audit, role="scheduler"), ("relative_excess",)),
    "planners": Part(COPIES, partial(equipoise.audit, role="planner"), ("relative_excess",)),
    "placers": Part(DEVICES, partial(equipoise.audit, role="placer"), ("even_excess", "split_excess")),
}
PARTS["moves"] = Part(
    DEVICES,
    partial(equipoise.audit, ["eplb", "eplb-relabelled", "swift-balancer", "round-robin"], role="placer", moves=True),
)
DEEPSEEK = {
    "deepseek schedulers": Part(DEVICES, partial(equipoise.audit, role="scheduler", trace=PREFILL)),
    "deepseek planners": Part(COPIES, partial(equipoise.audit, role="planner", trace=PREFILL)),
    "deepseek placers": Part(
        DEVICES, partial(equipoise.audit, ["eplb", "random"], role="placer", trace=PREFILL, time_limit=1)
    ),
    "deepseek against": Part(
        DEVICES,
        partial(equipoise.audit, ["eplb", "random"], role="placer", trace=PREFILL, against=DECODE, time_limit=1),
    ),
}


def without_times(found: equipoise.Audit) -> equipoise.Audit:
    """Return the audit without the columns that no other run would show."""
    measures = tuple(one for one in found.kind.measures if one.unit != "seconds")
    return replace(found, kind=replace(found.kind, measures=measures))


def main() -> None:
    """Make the tables that are named, or all that can be made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"{', '.join(PARTS | DEEPSEEK)}; default: all")
    parser.add_argument("--deepseek", type=Path, metavar="FOLDER", help=f"where {PREFILL} and {DECODE} are")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    parts = PARTS | (DEEPSEEK if options.deepseek else {})
    if options.deepseek:
        os.chdir(options.deepseek)  # so that files go by their names
    for name in options.tables or parts:
        if name not in parts:
            parser.error(f"there is no table {name!r}; allowed: {', '.join(parts)}")
        part = parts[name]
        found = without_times(part.audit())
        if not options.write:
            print(f"### {name}\n\n{found.to_markdown()}\n", flush=True)
            continue
        fill(part.page, f"audits.py {name}", found.to_markdown())
        if part.drawn:
            found.plot(*part.drawn, path=str(DOCS / "images" / f"{name}.png"))


if __name__ == "__main__":
    main()
