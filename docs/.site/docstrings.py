"""Docstrings as the site shows them: what is written for Sphinx becomes Markdown, links and MathML."""

import html
import re
from typing import Any

import griffe
from latex2mathml.converter import convert

ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):`([^`]+)`")
FORMULA = re.compile(r"^\.\. math:: *(.*(?:\n +.*)*)", re.MULTILINE)
DOCTEST = re.compile(r"^>>>.*(?:\n.+)*", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites every docstring once, when its object has been read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the object's own docstring."""
        if obj.docstring is not None:
            text = ROLE.sub(lambda found: link(obj, found[1]), obj.docstring.value)
            obj.docstring.value = DOCTEST.sub(r"```pycon\n\g<0>\n```", FORMULA.sub(formula, text))


def link(obj: griffe.Object, name: str) -> str:
    """Return a link that is plain code where the name is on no page."""
    try:
        path = obj.resolve(name)
    except griffe.NameResolutionError:
        path = name
    return f'<autoref optional identifier="{html.escape(path)}"><code>{html.escape(name)}</code></autoref>'


def formula(found: re.Match[str]) -> str:
    """Return LaTeX as MathML, which browsers show without a script."""
    return f'<div class="formula">{convert(" ".join(found[1].split()), display="block")}</div>'
