"""The tables and pictures of docs/measured/routers.md and docs/measured/devices.md: audits as anybody can make them.

    python benchmarks/audits.py                            # print every table that needs no other data
    python benchmarks/audits.py routers stream --write     # put these into their pages, with their pictures
    python benchmarks/audits.py --deepseek FOLDER --write  # also those of the DeepSeek-V3 counts of sglang issue 6017

Times of calls differ from run to run and are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pages import DOCS, fill

import equipoise

ROUTERS, DEVICES = "measured/routers.md", "measured/devices.md"
PREFILL, DECODE = "prefill_in1024.json", "decode_in2000out100.json"


@dataclass(frozen=True)
class Part:
    """One table of a page, with the measures that its picture shows."""

    page: str
    audit: Callable[..., equipoise.Audit]
    drawn: tuple[str, ...] = ()


def audit(targets: Any = (), **options: Any) -> Callable[[Path | None], equipoise.Audit]:
    """Return an audit that is yet to be made; names of DeepSeek's files are completed by their folder."""

    def made(folder: Path | None) -> equipoise.Audit:
        files = {key: str(folder / name) for key, name in options.items() if folder and name in (PREFILL, DECODE)}
        return equipoise.audit(targets, **{**options, **files})

    return made


PARTS = {
    "routers": Part(ROUTERS, audit(role="router"), ("relative_regret", "max_vio")),
    "stream": Part(ROUTERS, audit(role="router", stream=True), ("relative_regret", "max_vio")),
    "schedulers": Part(DEVICES, audit(role="scheduler"), ("relative_excess",)),
    "placers": Part(DEVICES, audit(role="placer"), ("even_excess", "split_excess")),
}
DEEPSEEK = {
    "deepseek schedulers": Part(DEVICES, audit(role="scheduler", trace=PREFILL)),
    "deepseek placers": Part(DEVICES, audit(["eplb", "random"], role="placer", trace=PREFILL, time_limit=1)),
    "deepseek against": Part(
        DEVICES, audit(["eplb", "random"], role="placer", trace=PREFILL, against=DECODE, time_limit=1)
    ),
}


def without_times(found: equipoise.Audit) -> equipoise.Audit:
    """Return the audit without columns that no other run would show, and with files named without their folder."""
    measures = tuple(one for one in found.kind.measures if one.unit != "seconds")
    about = [{k: Path(v).name if isinstance(v, str) else v for k, v in row.about.items()} for row in found.rows]
    rows = [replace(row, about=named) for row, named in zip(found.rows, about, strict=True)]
    trace = Path(found.trace).name
    return replace(found, kind=replace(found.kind, measures=measures), rows=rows, trace=trace)


def main() -> None:
    """Make the tables that are named, or all that can be made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"{', '.join(PARTS | DEEPSEEK)}; default: all")
    parser.add_argument("--deepseek", type=Path, metavar="FOLDER", help=f"where {PREFILL} and {DECODE} are")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    parts = PARTS | (DEEPSEEK if options.deepseek else {})
    for name in options.tables or parts:
        if name not in parts:
            parser.error(f"there is no table {name!r}; allowed: {', '.join(parts)}")
        part = parts[name]
        found = without_times(part.audit(options.deepseek))
        if not options.write:
            print(f"### {name}\n\n{found.to_markdown()}\n", flush=True)
            continue
        fill(part.page, f"audits.py {name}", found.to_markdown())
        if part.drawn:
            found.plot(*part.drawn, path=str(DOCS / "images" / f"{name}.png"))


if __name__ == "__main__":
    main()
