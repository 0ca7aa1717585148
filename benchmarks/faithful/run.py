"""Run methods of ours beside their originals on random inputs, and print where they agree.

    python benchmarks/faithful/run.py --sources              # the sources, their versions, how to get them
    python benchmarks/faithful/run.py eplb=PATH megatron=PATH ...
    python benchmarks/faithful/run.py --write                # docs/measured/faithful.md, from the stored results

PATH is a checkout, or an unpacked wheel. Needs torch on the CPU; fairseq's auction is compiled, for which it needs a
C++ compiler and ninja. Nothing of an original is kept: results are numbers, in benchmarks/faithful/results.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from comparison import Comparison
from page import PAGE, RESULTS, text
from sources import SOURCES


def main() -> int:
    """Return 1 if something could not be run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", nargs="*", metavar="SOURCE=PATH")
    parser.add_argument("--sources", action="store_true", help="print what there is, and run nothing")
    parser.add_argument("--write", action="store_true", help="write the page")
    options = parser.parse_args()
    for name, source in SOURCES.items() if options.sources else ():
        print(f"{name:14} {source.title} {source.version}: {source.where}")
    paths = dict(one.split("=", 1) for one in options.checkouts if "=" in one)
    if unknown := [one for one in options.checkouts if one.partition("=")[0] not in SOURCES or "=" not in one]:
        parser.error(f"{unknown[0]!r} is no SOURCE=PATH; sources: {', '.join(SOURCES)}")
    failed = [one for one in (comparisons() if paths else ()) if one.source in paths and not _ran(one, paths)]
    if options.write:
        PAGE.write_text(text())
    return 1 if failed else 0


def comparisons() -> list[Comparison]:
    """Return all comparisons; their modules need torch."""
    from capacities import COMPARISONS as CAPACITIES
    from devices import COMPARISONS as DEVICES
    from routing import COMPARISONS as ROUTING

    return [*ROUTING, *CAPACITIES, *DEVICES]


def _ran(one: Comparison, paths: dict[str, str]) -> bool:
    try:
        result = one.run(Path(paths[one.source]).resolve())
    except (ImportError, OSError, LookupError, RuntimeError) as error:
        print(f"{one.name}: not run: {type(error).__name__}: {error}", file=sys.stderr)
        return False
    source = SOURCES[one.source]
    described = {
        "ours": one.ours,
        "original": one.original,
        "source": source.title,
        "version": source.version,
        "inputs": one.inputs,
        "says": one.says,
        "with": f"Python {platform.python_version()}, torch {version('torch')}, NumPy {version('numpy')}",
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{one.name}.json").write_text(json.dumps(result | described, indent=1) + "\n")
    print(f"{one.name}: {result['agree']} of {result['trials']} agree", result["first_difference"] or "")
    return True


if __name__ == "__main__":
    sys.exit(main())
