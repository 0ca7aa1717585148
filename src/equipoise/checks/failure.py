"""How a check says that a property does not hold."""

from __future__ import annotations

from typing import Any


class Failure(Exception):
    """A property is broken.

    Parameters
    ----------
    message
        One sentence with the numbers.
    better
        A better answer, as proof that the property can be had; None where there is nothing to show.
    """

    kind = "property"

    def __init__(self, message: str, better: Any = None) -> None:
        super().__init__(message)
        self.message, self.better = message, better


class Misbehaviour(Failure):
    """The target did not answer at all: it raised, hung, crashed, or returned nothing readable.

    ``kind`` is one of "raises", "hangs", "crashes", "returns nothing readable", "gives no routing"; such a failure is
    reported once, not by every check that meets it.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
