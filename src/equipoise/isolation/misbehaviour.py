"""When a target gives no answer that a check could look at."""

from __future__ import annotations

from typing import Any


class Misbehaviour(Exception):
    """The target did not answer, or with nothing usable; reported once, not by every check that meets it.

    Attributes
    ----------
    kind
        "raises", "hangs", "crashes", "unable", "returns nothing readable", "gives no routing", "gives no schedule" or
        "gives no placement".
    message
        One sentence.
    better
        What it could have answered; None where there is nothing to show.
    """

    def __init__(self, kind: str, message: str, better: Any = None) -> None:
        super().__init__(message)
        self.kind, self.message, self.better = kind, message, better
