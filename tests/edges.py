"""Where the judgement of a check changes: a case, the worst answer that is allowed, and the best that is not.

``edges_<role>.py`` has a role's. The numbers are worked out by hand from what the check promises, not by its code.
"""

import importlib
from dataclasses import dataclass
from typing import Any

from equipoise.balancers.in_process import InProcess
from equipoise.checks.engine.registry import Failure, Silent
from equipoise.checks.engine.settings import Settings
from equipoise.errors import TargetError
from equipoise.roles import role_named
from miniatures import Kind


@dataclass(frozen=True)
class Edge:
    """An answer is what a balancer gives, or the function, or the class, that gives it; None is tried by nobody.

    ``says`` stands in what is said of the refused one: the message, "; better: ", and the better answer that is shown.
    """

    check: str
    case: Any
    allowed: Any = None
    refused: Any = None
    says: str = ""
    capabilities: tuple[str, ...] = ()
    max_gap: float | None = None


def edges_of(role):
    return importlib.import_module(f"edges_{role}").EDGES


class Scripted(Kind):
    def __init__(self, answer, capabilities):
        self.given, self.capabilities = answer, capabilities

    def __call__(self, *given, **told):
        return self.given(*given, **told) if callable(self.given) else self.given


def on_calls(calls, right, wrong):
    """The class of a balancer that gives the right answer on these calls alone, counted from one."""

    class Remembers(Scripted):
        def __init__(self):
            super().__init__(None, ())

        def __call__(self, *given, **told):
            self.calls += 1
            self.given = right if self.calls in calls else wrong
            return super().__call__(*given, **told)

    return Remembers


def judged(function, role, edge, answer):
    """What a check says of an answer: the words of its failure, or None.

    The check is asked twice about one balancer: each case starts with a fresh one, whatever the first did to it.
    """

    def make():
        made = answer() if isinstance(answer, type) else Scripted(answer, edge.capabilities)
        made.capabilities = edge.capabilities
        return made

    balancer = InProcess("scripted", role_named(role), make)
    said = None
    for _ in range(2):
        try:
            said = function(balancer, edge.case, Settings(max_gap=edge.max_gap))
        except (Failure, TargetError) as failure:
            said = f"{failure}; better: {failure.better}"
        except Silent as silent:
            said = f"silent: {silent}"
    return said


def missed(function, role, edge):
    """What a check judges wrongly of an edge: words, or None."""
    if edge.allowed is not None and (said := judged(function, role, edge, edge.allowed)) is not None:
        return f"flags what is allowed: {said}"
    if edge.refused is not None:
        said = judged(function, role, edge, edge.refused)
        if said is None or edge.says not in said:
            return f"of what is not allowed it says {said}"
    return None
