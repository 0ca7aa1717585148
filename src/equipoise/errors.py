"""The exceptions of Equipoise; every one is an :class:`EquipoiseError`."""

from __future__ import annotations

from typing import Any


class EquipoiseError(Exception):
    """Root of all errors that Equipoise raises on purpose; its text is one sentence for a person."""


class InvalidProblem(EquipoiseError, ValueError):
    """A problem that cannot be stated.

    Parameters
    ----------
    field
        Name of the offending argument.
    given
        What was found there.
    allowed
        What is allowed there.
    """

    def __init__(self, field: str, given: str, allowed: str) -> None:
        super().__init__(field, given, allowed)
        self.field, self.given, self.allowed = field, given, allowed

    def __str__(self) -> str:
        return f"{self.field} is {self.given}; allowed: {self.allowed}"


class InvalidFile(EquipoiseError, ValueError):
    """A file that cannot be read as what it should be."""


class SolverNotAvailable(EquipoiseError, LookupError):
    """A solver that is unknown, not installed, or not made for this problem."""


class OracleError(EquipoiseError):
    """The oracle is in trouble: an engine failed, or engines disagree."""


class TargetNotFound(EquipoiseError, LookupError):
    """A target that names no balancer: unknown, not importable, or not callable."""


class TargetNotMade(TargetNotFound):
    """A class or an adapter that is there, and makes no balancer when it is called."""


class TargetError(EquipoiseError):
    """The balancer under test broke: it gave no answer, or one that its role cannot read.

    Parameters
    ----------
    message
        One sentence that starts with "it".
    kind
        "raises", "hangs", "crashes", "unable", "returns nothing readable", or "gives no routing" and the like.
    better
        What it could have answered; None where there is nothing to show.
    on_purpose
        Whether the balancer's own code raised it, as one does that refuses an input.

    Attributes
    ----------
    arguments, keywords
        Of the call that broke; None of anything else.
    """

    def __init__(
        self,
        message: str = "",
        kind: str = "returns nothing readable",
        better: Any = None,
        *,
        on_purpose: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind, self.better, self.on_purpose = kind, better, on_purpose
        self.arguments: tuple[Any, ...] | None = None
        self.keywords: dict[str, Any] = {}


class TargetUnable(TargetError):
    """The balancer says itself that it cannot answer here: a package is missing, or the input is too short for it."""

    def __init__(self, message: str = "", kind: str = "unable", better: Any = None) -> None:
        super().__init__(message, kind, better, on_purpose=True)


class WorkerLost(OracleError):
    """A process that worked for us died, and what it had in hand with it."""


class ExtraMissing(EquipoiseError, ImportError):
    """Something that needs a package which only an extra installs.

    Parameters
    ----------
    what
        What was asked for.
    package
        What it needs.
    extra
        Which extra of Equipoise installs it.
    """

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(what, package, extra)
        self.what, self.package, self.extra = what, package, extra

    def __str__(self) -> str:
        return f"{self.what} needs {self.package}: pip install 'equipoise[{self.extra}]'"
