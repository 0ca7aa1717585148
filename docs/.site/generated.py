"""Parts of reference pages that the package itself says: where a page has ``<!-- generated: NAME -->``."""

import re
from collections.abc import Iterator
from functools import partial

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

from equipoise.audits.role_audit import Option, RoleAudit
from equipoise.audits.run import role_audit
from equipoise.roles import all_roles
from equipoise.roles.role import Role
from equipoise.traces import recorded
from equipoise.traces.formats.table import FORMATS
from equipoise.traces.recording import ARRAYS, DESCRIPTIONS

MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace every mark by what its function returns."""
    return MARK.sub(lambda found: PARTS[found[1]](), markdown)


def audits() -> str:
    """Every role's audit and its variants: data, options, columns."""
    lines: list[str] = []
    for name in all_roles():
        own = role_audit(name)
        lines += [f"## {name.capitalize()}s", "", f"Data: {own.data}.", *_options(own.options), *_columns(own)]
        for flag, variant in own.variants.items():
            lines += [
                f"### {name.capitalize()}s with `--{flag}`",
                "",
                f"{variant.summary[0].upper()}{variant.summary[1:]}",
                "",
            ]
            lines += [*_options(variant.options), *_columns(variant)]
    return "\n".join(lines)


def _options(options: tuple[Option, ...]) -> Iterator[str]:
    yield from ("", "| option | in Python | meaning |", "|---|---|---|")
    for option in options:
        default = "" if option.default is None or "default" in option.help else f" [default: {_shown(option.default)}]"
        yield f"| `{option.flag}` | `{option.name}` | {option.help}{default} |"
    yield ""


def _columns(audit: RoleAudit) -> Iterator[str]:
    yield from ("", "| column | in rows | what it is |", "|---|---|---|")
    for one in audit.measures:
        if one.title:
            yield f"| {one.title} | `{one.name}` | {one.words} |"
    yield ""


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def formats() -> str:
    """Every format of files: what it looks like, who writes it, what it holds, and how to make one."""
    lines = ["| format | what it looks like | written by | holds |", "|---|---|---|---|"]
    lines += [f"| {one.name} | {one.looks} | {one.writer} | {', '.join(one.kinds)} |" for one in FORMATS]
    for one in FORMATS:
        lines += ["", f"## {one.name[0].upper()}{one.name[1:]}", "", f"{one.looks}. Who writes it: {one.writer}."]
        if one.merges:
            lines += ["", "A folder with one file for each rank, or for each part, is one trace."]
        lines += ["", *("    " + line for line in one.snippet.splitlines())]
    return "\n".join(lines)


def declarations(role: Role) -> str:
    """What a balancer of the role may declare."""
    lines = ["| declared | meaning |", "|---|---|"]
    return "\n".join(lines + [f"| `{name}` | {meaning} |" for name, meaning in role.declarations.items()])


def recorded_arrays() -> str:
    """The arrays of a run of the dataset."""
    lines = ["| array | type | axes | what it holds | |", "|---|---|---|---|---|"]
    for name, one in ARRAYS.items():
        lines.append(f"| `{name}` | {one.dtype} | {one.axes} | {one.meaning} | {'some runs' if one.optional else ''} |")
    return "\n".join(lines)


def recorded_runs() -> str:
    """The runs of the dataset, part by part."""
    lines = []
    for part in DESCRIPTIONS:
        trace = recorded(part)
        lines += ["", f"Part `{part}`:", "", "| run | gate | K | rule | training steps | logits after step | T |"]
        lines.append("|---|---|---:|---|---:|---|---:|")
        for run in trace.runs:
            about, logits = trace.provenance["runs"][run], trace.arrays[f"{run}/logits"]
            steps = ", ".join(map(str, trace.arrays[f"{run}/steps"]))
            cells = [f"`{run}`", trace.gate(run), trace.top_k(run), about["balancing"], about["steps"], steps]
            lines.append("| " + " | ".join(map(str, [*cells, logits.shape[2]])) + " |")
    return "\n".join(lines)


PARTS = {"audits": audits, "formats": formats, "arrays": recorded_arrays, "runs": recorded_runs}
PARTS |= {f"{name}_declarations": partial(declarations, role) for name, role in all_roles().items()}
