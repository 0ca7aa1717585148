"""The conformance table: `equipoise check` and `equipoise audit` on the frameworks' own code, at pinned versions.

    python benchmarks/field/run.py                                    # every target that needs no checkout
    python benchmarks/field/run.py --checkout eplb=../EPLB            # those of a clone too
    python benchmarks/field/run.py --only sglang vllm-policy --write  # these alone, and the page made anew
    python benchmarks/field/run.py --only vllm --parts check          # and without their audits
    python benchmarks/field/run.py --examples 20 --seconds 120        # less of each
    python benchmarks/field/run.py --only --write                     # the page alone, from what is stored

Every result is stored in results/, one file a target; what is not named stays as it was. Environments are made once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments import Environment, NotInstalled, environment
from page import write_page
from rows import HERE, Framework, Target, frameworks
from stored import PARTS, store, unreviewed

EXAMPLES = 100
"""Cases that every check searches."""

SECONDS, SHARE = 600, 0.2
"""After which all checks of a target, or its audit, give up; the share of it after which one check does."""

OPTIONS = {"placer": ["--time-limit", "0.2"], "router": ["--passes", "10"]}
"""More arguments of the audits of a role."""


@dataclass(frozen=True)
class Limits:
    """What is spent on one target."""

    examples: int
    seconds: int


def main() -> int:
    """Run what is named, and say what was found; 1 if a finding has no class, or a class no finding."""
    known = frameworks()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", metavar="NAME", help="frameworks or targets; none: run nothing")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to run; the other part stays")
    parser.add_argument("--examples", type=int, default=EXAMPLES, metavar="N", help="cases that every check searches")
    parser.add_argument("--seconds", type=int, default=SECONDS, metavar="N", help="for all checks of a target")
    parser.add_argument("--environments", type=Path, default=HERE / ".environments", metavar="FOLDER")
    parser.add_argument("--checkout", nargs="*", default=[], metavar="NAME=PATH", help="clones, by framework")
    parser.add_argument("--write", action="store_true", help="write the page too")
    options = parser.parse_args()
    names = {one.name for framework in known for one in (framework, *framework.targets)}
    if unknown := set(options.only or ()) - names:
        parser.error(f"there is no {', '.join(sorted(unknown))}; allowed: {', '.join(sorted(names))}")
    checkouts = {name: Path(path).resolve() for name, _, path in (word.partition("=") for word in options.checkout)}
    for framework in known:
        targets = framework.targets
        chosen = [one for one in targets if options.only is None or {framework.name, one.name} & set(options.only)]
        if chosen:
            checkout = checkouts.get(framework.name)
            limits = Limits(options.examples, options.seconds)
            _run_framework(framework, chosen, options.parts, limits, options.environments.resolve(), checkout)
    if options.write:
        write_page(known)
    for warning in (warnings := unreviewed(known)):
        print(f"warning: {warning}", file=sys.stderr)
    return 1 if warnings else 0


def _run_framework(
    framework: Framework,
    targets: list[Target],
    parts: list[str],
    limits: Limits,
    folder: Path,
    checkout: Path | None,
) -> None:
    try:
        home = environment(framework, folder, checkout)
    except NotInstalled as error:
        print(f"{framework.name}: {error}", file=sys.stderr)
        return
    for target in targets:
        for part in parts:
            print(f"{framework.name}: {part} {target.name} ...", end=" ", flush=True)
            report = _equipoise(home, *_words(target, part, limits))
            store(target, framework.version, part, report | {"examples": limits.examples})
            print("done", flush=True)


def _words(target: Target, part: str, limits: Limits) -> tuple[list[str], int]:
    """Return the arguments of a check or an audit, and the seconds that it may take."""
    if part == "audit":
        return ["audit", *target.said, *OPTIONS.get(target.role, ()), *target.audit], limits.seconds
    sizes = ["--experts", str(target.sizes[0]), "--top-k", str(target.sizes[1])] if target.sizes else []
    one, every = str(SHARE * limits.seconds), str(limits.seconds)
    bounds = ["--examples", str(limits.examples), "--seconds", one, "--run-seconds", every]
    return ["check", *target.said, *sizes, *bounds, *target.check], 2 * limits.seconds


def _equipoise(home: Environment, words: list[str], seconds: int) -> dict[str, Any]:
    """Return what a command prints as JSON, or why it does not under ``failed``."""
    command = [str(home.python), "-m", "equipoise", *words, "--format", "json"]
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "glue").symlink_to(HERE / "glue")
        try:
            done = subprocess.run(
                command, cwd=place, env=home.variables, capture_output=True, text=True, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"gave up after {seconds} s"}
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return {
            "failed": done.stderr.strip().splitlines()[-1].replace(place, "") if done.stderr.strip() else "no answer"
        }
    return found


if __name__ == "__main__":
    sys.exit(main())
