"""Which check catches which faulty miniature: writes docs/measured/kill-matrix.md.

    python benchmarks/kill_matrix.py [ROLE ...]     # try every miniature on every check: minutes for each role
    python benchmarks/kill_matrix.py --list         # keep what was tried, and list the miniatures that are new

What was tried is kept in ``.equipoise/kill-matrix-ROLE.json``, pair by pair: a run that was stopped goes on there, and
one after a new check tries that check alone. Delete the file to try all again. Sections of roles that are not named
stay as they are. Every miniature of every role meets every check of its role, on
up to 20 cases of the check's search (seed 0), without shrinking. A check that needs a capability which the miniature
does not have says nothing.
"""

import json
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from equipoise.balancers.balancer import Balancer  # noqa: E402
from equipoise.balancers.isolated import Isolated  # noqa: E402
from equipoise.checks.engine.registry import Check, Failure, select  # noqa: E402
from equipoise.checks.engine.settings import Settings  # noqa: E402
from equipoise.checks.engine.trial import run_check  # noqa: E402
from equipoise.errors import TargetError  # noqa: E402
from equipoise.files import write_whole  # noqa: E402
from equipoise.roles import all_roles  # noqa: E402
from miniatures import faulty_targets  # noqa: E402

ROLES = tuple(all_roles())
SETTINGS = Settings(max_gap=1.0, examples=20, shrink_steps=0)
HEAD = """# Which check catches which fault

Every faulty miniature in `tests/miniature_<role>s.py`, and of every role the kinds in `tests/miniatures.py`, was made
for one check, which must catch it; no check is without one. `tests/test_checks.py` tries the first of every check, and
in nightly runs (`EQUIPOISE_PROFILE=nightly`) all. *Also caught by*: the other checks
of the role that fail on it, on all known cases and {examples} drawn ones each; `--max-gap` is {gap:.0%}. What raises,
hangs or crashes fails every check that meets it. *Not tried*: new since the others were.

    python benchmarks/kill_matrix.py
"""

NOT_TRIED = "not tried"
"""In place of the other checks, of a miniature that only its own was tried on."""


def once(entry: Check) -> Check:
    """The check, which after its first failure fails at once: found, not shrunk."""
    failed: list[Exception] = []

    def function(balancer: Balancer, case: object, settings: Settings) -> None:
        if failed:
            raise failed[0]
        try:
            entry.function(balancer, case, settings)
        except (Failure, TargetError) as failure:
            if isinstance(failure, Failure) or not failure.on_purpose:  # what is refused is refused case by case
                failed.append(failure)
            raise

    return replace(entry, function=function)


def catching(balancer: Isolated, target: str, role: str, known: dict[str, bool | None]) -> None:
    """Note for every check of the role whether it fails on the target; None if it does not apply to it."""
    missing = [entry for entry in select(role) if entry.name not in known]
    if not missing:
        return
    balancer.take(target, role)
    capabilities = balancer.probe()
    for entry in missing:
        applies = entry.skipped(capabilities) is None
        known[entry.name] = run_check(balancer, once(entry), SETTINGS).finding is not None if applies else None


def tried(role: str) -> dict[str, str]:
    """The others that catch each miniature of one role."""
    faulty, found = faulty_targets(role), {}
    store = ROOT / ".equipoise" / f"kill-matrix-{role}.json"
    store.parent.mkdir(exist_ok=True)
    known = json.loads(store.read_text()) if store.exists() else {}
    with Isolated(next(iter(faulty)), role, call_seconds=0.5) as balancer:
        for target, made_for in faulty.items():
            started, pairs = time.monotonic(), known.setdefault(target, {})
            catching(balancer, target, role, pairs)
            write_whole(store, json.dumps(known).encode())
            caught = [entry.name for entry in select(role) if pairs[entry.name]]
            by_all = all(pairs[entry.name] is not False for entry in select(role))
            others = ", ".join(f"`{other}`" for other in caught if other != made_for) or "none"
            found[named(target, role)] = "all that apply" if by_all else others
            words = f"{role} {target}: {len(caught)} checks, {time.monotonic() - started:.1f} s"
            print(words, file=sys.stderr, flush=True)
    return found


def named(target: str, role: str) -> str:
    """A miniature's name on the page."""
    return target.split(":")[1].removeprefix(f"{role}_")


def section(role: str, others: dict[str, str]) -> str:
    """The table of one role."""
    checks, faulty = select(role), faulty_targets(role)
    counts = f"{len(faulty)} miniatures, {len(checks)} checks."
    head = (
        f"\n## {role.capitalize()}s\n\n{counts}\n\n| miniature | check made for it | also caught by |\n|---|---|---|\n"
    )
    rows = ((named(target, role), made_for) for target, made_for in faulty.items())
    lines = [f"| `{name}` | `{made_for}` | {others.get(name, NOT_TRIED)} |" for name, made_for in rows]
    return head + "\n".join(lines) + "\n"


def kept(page: Path, role: str) -> dict[str, str]:
    """The others that the page has for each miniature of one role."""
    parts = page.read_text().split("\n## ")[1:] if page.exists() else []
    content = next((part for part in parts if part.startswith(f"{role.capitalize()}s\n")), "")
    return dict(re.findall(r"^\| `(\w+)` \| `\w+` \| (.+) \|$", content, re.MULTILINE))


if __name__ == "__main__":
    page = ROOT / "docs" / "measured" / "kill-matrix.md"
    asked = [] if "--list" in sys.argv else sys.argv[1:] or ROLES
    sections = [section(role, tried(role) if role in asked else kept(page, role)) for role in ROLES]
    head = HEAD.format(examples=SETTINGS.examples, gap=SETTINGS.max_gap)
    page.write_text(head + "".join(one.rstrip("\n") + "\n" for one in sections))
