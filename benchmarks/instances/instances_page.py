"""Write the tables of docs/measured/instances.md from the files of the instances.

python benchmarks/instances/instances_page.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import groupby

from collection import HERE, Instance, instances

from equipoise.certificates import problem_files

sys.path.append(str(HERE.parent))
from pages import fill

PAGE = "measured/instances.md"

SIZES = {
    "placement": "{load} experts, {num_slots} slots, {num_devices} devices",
    "replication": "{load} experts, {slots} devices, at most {most_copies} copies",
    "group-limited": "{scores} tokens, {experts} experts, top {top_k}, {topk_groups} of {num_groups} groups",
    "migration": "{load} experts, {num_slots} slots, {num_devices} devices, at most {most_moves} moves",
    "communication": "{hosts} experts, {source_load} devices, alpha {alpha}",
}
"""By kind: what is said of the fields of a problem file, of lists their lengths."""


def sizes(instance: Instance) -> str:
    """Say how large an instance is."""
    fields = problem_files.plain(instance.problem)
    fields |= fields.get("assignment", {}) | fields.get("placement", {})
    counted = {name: len(value) if isinstance(value, list) else value for name, value in fields.items()}
    counted["experts"] = len(fields["scores"][0]) if "scores" in fields else None
    said = SIZES[instance.about["kind"]].format(**counted)
    if fields.get("num_nodes", 1) > 1:
        said += ", {num_groups} groups on {num_nodes} nodes".format(**counted)
    return f"{said}, {fields['split']} split" if "split" in fields else said


def number(value: Fraction) -> str:
    """Show a whole number or a fraction; a long one as a decimal."""
    return str(value) if len(str(value)) < 12 else f"{float(value):.3f}"


def share(gap: Fraction | None) -> str:
    """Show a gap in percent, 0 only where it is none."""
    if gap is None:
        return "-"
    return "0" if gap == 0 else f"{max(float(gap), 1e-5):.3%}".replace("%", " %")


def by(instance: Instance) -> str:
    """Say who found the answer, and who the bound if somebody else did."""
    who = [instance.about[part]["by"] for part in ("answer", "bound")]
    return who[0] if who[0] == who[1] else f"{who[0]}; bound: {who[1]}"


def row(instance: Instance) -> str:
    """Return the line of an instance."""
    answer, bound = instance.values(instance.verdict)
    gap = None if instance.certificate is None else instance.certificate.gap(instance.verdict)
    cells = [f"`{instance.name}`", instance.about["description"], sizes(instance), number(answer), number(bound)]
    return f"| {' | '.join([*cells, share(gap), instance.status, by(instance)])} |"


def page() -> str:
    """Return what stands in the page."""
    return "\n".join(lines(instances()))


def lines(found: list[Instance]) -> Iterator[str]:
    """Return a table for each kind, a line at a time."""
    closed = sum(one.closed for one in found)
    yield f"{len(found)} instances: {closed} closed, {len(found) - closed} open."
    for kind, group in groupby(found, key=lambda one: one.about["kind"]):
        yield f"\n## {kind.capitalize()}\n"
        yield "| name | about | sizes | best answer | best bound | gap | status | found by |"
        yield "|---|---|---|---:|---:|---:|---|---|"
        yield from map(row, group)


def write_page() -> None:
    """Fill the page."""
    fill(PAGE, "instances", page())


if __name__ == "__main__":
    write_page()
