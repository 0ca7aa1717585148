"""What a check has to say."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Proved = Literal["optimal", "infeasible", "bounded"]


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

    @property
    def status(self) -> Proved | None:
        """What is proved of the answer.

        "optimal"; "infeasible": that there is none; "bounded": that it is feasible, so that one of the bounds is its
        own value, and that the other holds, without meeting it. None: not even that.
        """
        bounds = [bound for bound in (self.lower, self.upper) if bound is not None]
        if self.valid:
            return "optimal" if bounds else "infeasible"
        return "bounded" if len(bounds) == 2 else None

    def __bool__(self) -> bool:
        return self.valid


def of_bounds(lower: Fraction, upper: Fraction, slip: Fraction, exponent: int) -> Verdict:
    """Judge a feasible answer that scores at least ``lower`` by a dual bound; grid rounding moves each by ``slip``."""
    steps = (upper - lower - 2 * slip) * Fraction(2) ** exponent
    if steps:
        gap = f"{steps} grid steps of 2^{-exponent}"
        return Verdict(False, f"the prices leave a gap of {gap} above the assignment's score", lower, upper)
    return Verdict(True, "the assignment is feasible and its score equals the dual bound", lower, upper)
