"""What a user may set about a run of the checks."""

from __future__ import annotations

from dataclasses import dataclass, fields

from equipoise.balancers.balancer import CALL_SECONDS
from equipoise.errors import InvalidProblem

_LEAST = {"max_gap": 0, "examples": 1, "shrink_steps": 0, "call_seconds": 0.1, "seconds": 0.1, "run_seconds": 0.1}


@dataclass(frozen=True)
class Settings:
    """Settings of one run. Counts and the seed decide what is tried; seconds are safety stops, where a check gives up.

    Attributes
    ----------
    max_gap
        Largest relative gap to the certified optimum; None: only better than a trivial answer, see the quality checks.
    examples
        Cases per check in the search.
    shrink_steps
        Smaller cases per finding that Hypothesis tries, and again as many that are tried on the arrays.
    seed
        Of the search.
    call_seconds
        Wall time of one call, where the balancer has a process of its own; one that takes longer hangs.
    seconds
        Wall time of one check.
    run_seconds
        Wall time of all checks together.

    Raises
    ------
    InvalidProblem
        If a number is too small, or is no number.
    """

    max_gap: float | None = None
    examples: int = 200
    shrink_steps: int = 200
    seed: int = 0
    call_seconds: float = CALL_SECONDS
    seconds: float = 300.0
    run_seconds: float = 3600.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, least = getattr(self, field.name), _LEAST.get(field.name, float("-inf"))
            whole = field.type == "int"
            given = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
            if not (given and value >= least) and (value is not None or field.name != "max_gap"):
                kind = "a whole number" if whole else "a number"
                allowed = kind if least == float("-inf") else f"{kind} of at least {least}"
                raise InvalidProblem(field.name, repr(value), allowed)
