"""The problems: frozen values, validated once, understood by every engine."""

from equipoise.problems.assignment import AssignmentProblem
from equipoise.problems.limited import Limit, LimitedProblem, device_limits, sequence_limits

__all__ = ["AssignmentProblem", "Limit", "LimitedProblem", "device_limits", "sequence_limits"]
