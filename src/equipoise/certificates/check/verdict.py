"""What a check has to say."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Verdict:
    """Outcome of checking a certificate.

    Attributes
    ----------
    valid
        Whether the certificate proves its answer optimal.
    reason
        Why, in one sentence.
    lower, upper
        ``lower <= optimum <= upper``, proved by the certificate even where it is not valid; None where it proves no
        such bound. Rounding of scores to the grid is accounted for.
    """

    valid: bool
    reason: str
    lower: Fraction | None = None
    upper: Fraction | None = None

    def __bool__(self) -> bool:
        return self.valid
