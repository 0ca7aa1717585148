"""A finding in words."""

from __future__ import annotations

import json

from equipoise.checks import store
from equipoise.checks.run import Finding

PHASES = {
    "vectors": "a known hard case, made smaller",
    "boundary": "a boundary case, made smaller",
    "search": "search",
    "sequence": "search among sequences of steps",
}
"""Where a finding came from, in words."""


LINES = 12
"""Of the case that are shown; the file has it whole."""


def describe(finding: Finding, max_gap: float | None = None) -> str:
    """Return the finding for a person: the sentence, the case, a better answer, how to see it again.

    ``max_gap`` is the one it was found with.
    """
    name = store.identity(finding)
    gap = [] if max_gap is None else ["--max-gap", f"{max_gap:g}"]
    lines = repr(finding.case).splitlines()
    more = [f"... and {len(lines) - LINES} more lines in {store.FOLDER}/{name}.json"] if len(lines) > LINES else []
    case = "\n".join(f"    {line}" for line in lines[:LINES] + more)
    better = [] if finding.better is None else [f"A better answer: {str(finding.better)[:400]}"]
    command = json.dumps(["equipoise", "replay", f"{store.FOLDER}/{name}.json", *gap])
    snippet = f"    def test_{finding.check}():\n        subprocess.run({command}, check=True)"
    head = f"{finding.check}: {finding.message}."
    reproduce = f"Reproduce with: {' '.join(['equipoise replay', name, *gap])}"
    found = f"Found by: {PHASES.get(finding.phase, finding.phase)}" + f" ({finding.origin})" * bool(finding.origin)
    return "\n".join([head, case, *better, found, reproduce, "Or in pytest:", snippet])
