"""What engines say of their answers, in our words."""

from typing import Literal

ClaimStatus = Literal["optimal", "feasible", "infeasible", "time limit", "failed"]
