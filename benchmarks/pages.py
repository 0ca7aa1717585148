"""Parts of pages that benchmarks write: what stands between ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->``."""

from __future__ import annotations

import os
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def fill(page: str, name: str, text: str) -> None:
    """Replace the part of this name."""
    path = DOCS / page
    content, begin, end = path.read_text(), f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if content.count(begin) != 1 or content.count(end) != 1 or content.index(begin) > content.index(end):
        raise SystemExit(f"{path} needs one line {begin} and, after it, one line {end}")
    before, _, rest = content.partition(begin)
    partial = path.with_suffix(".part")
    partial.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{rest.partition(end)[2]}")
    os.replace(partial, path)
