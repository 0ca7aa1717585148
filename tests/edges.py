"""Where the judgement of a check changes: a case, the worst answer that is allowed, and the best that is not.

``edges_<role>.py`` has a role's, ``edges_<role>_<module>.py`` the rest of them. The numbers are worked out by hand from
what the check promises, not by its code.
"""

import importlib
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from equipoise.balancers.in_process import InProcess
from equipoise.checks.engine.registry import Failure, Silent
from equipoise.checks.engine.settings import Settings
from equipoise.errors import TargetError
from equipoise.roles import role_named
from miniatures import Kind


@dataclass(frozen=True)
class Edge:
    """An answer is what a balancer gives, or the function, or the class, that gives it; None is tried by nobody.

    ``says`` is in the words of the failure, and ``unsaid`` is not.
    """

    check: str
    case: Any
    allowed: Any = None
    refused: Any = None
    says: str = ""
    capabilities: tuple[str, ...] = ()
    max_gap: float | None = None
    unsaid: str = "\0"


@dataclass(frozen=True)
class Border:
    """A case that the family of a check admits, and one next to it that it does not; None is tried by nobody."""

    check: str
    inside: Any = None
    outside: Any = None


def edges_of(role):
    return importlib.import_module(f"edges_{role}").EDGES


def borders_of(role):
    return getattr(importlib.import_module(f"edges_{role}"), "BORDERS", [])


def strayed(entry, border):
    """What a check's family judges wrongly of a border: words, or None."""
    if border.inside is not None and not entry.cases.admits(border.inside):
        return "does not admit the case inside"
    return "admits the case outside" if border.outside is not None and entry.cases.admits(border.outside) else None


class Scripted(Kind):
    """Gives its answers one after another, and then the last one again."""

    answers: tuple[Any, ...] = ()
    shown: ClassVar[dict[str, Any]] = {}

    def __call__(self, *given, **keywords):
        self.calls += 1
        answer = self.answers[min(self.calls, len(self.answers)) - 1]
        return answer(*given, **keywords) if callable(answer) else answer

    def __getattr__(self, name):
        if name not in self.shown:
            raise AttributeError(name)
        return self.shown[name][min(self.calls, len(self.shown[name]) - 1)]


def script(*answers, **shown):
    """A class of balancers with these answers; each attribute has a list of values: at first, after one call, ..."""
    values = {name: [None if one is None else np.array(one) for one in each] for name, each in shown.items()}
    return type("Scripted", (Scripted,), {"answers": answers, "shown": values})


def judged(function, role, edge, answer):
    """What a check says of an answer, twice: the words of its failure, or None.

    It is asked again about the same balancer: each case starts with a fresh one, whatever was done to it before.
    """

    def make():
        made = (answer if isinstance(answer, type) else script(answer))()
        made.capabilities = edge.capabilities
        return made

    balancer = InProcess("scripted", role_named(role), make)
    said = []
    for _ in range(2):
        try:
            said.append(function(balancer, edge.case, Settings(max_gap=edge.max_gap)))
        except (Failure, TargetError) as failure:
            said.append(str(failure))
        except Silent as silent:
            said.append(f"silent: {silent}")
    return said


def missed(function, role, edge):
    """What a check judges wrongly of an edge: words, or None."""
    allowed = [] if edge.allowed is None else judged(function, role, edge, edge.allowed)
    refused = [] if edge.refused is None else judged(function, role, edge, edge.refused)
    for said in allowed:
        if said is not None:
            return f"flags what is allowed: {said}"
    for said in refused:
        if said is None or edge.says not in said or edge.unsaid in said:
            return f"of what is not allowed it says {said}"
    return None
