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

    def __init__(self, message: str, better: Any = None) -> None:
        super().__init__(message)
        self.message, self.better = message, better
