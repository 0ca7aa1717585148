"""What a user may set about a run of the checks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Settings of one run.

    Attributes
    ----------
    max_gap
        Largest relative regret against the certified optimum; None: only better than a random balanced answer.
    examples
        Cases per check in the search.
    seconds
        Wall time per check until something is found.
    shrink_seconds
        Wall time to make smaller what was found.
    seed
        Of the search.
    run_seconds
        Wall time for all checks together: where many take long, each gets less.
    """

    max_gap: float | None = None
    examples: int = 60
    seconds: float = 4.0
    seed: int = 0
    shrink_seconds: float = 2.0
    run_seconds: float = 45.0
