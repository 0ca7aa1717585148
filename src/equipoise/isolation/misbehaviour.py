"""When a target gives no answer that a check could look at."""

from __future__ import annotations


class Misbehaviour(Exception):
    """The target did not answer, or with nothing usable; reported once, not by every check that meets it.

    Attributes
    ----------
    kind
        "raises", "hangs", "crashes", "returns nothing readable" or "gives no routing".
    message
        One sentence.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message
