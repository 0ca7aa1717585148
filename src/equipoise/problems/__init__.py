"""The problems: frozen values, validated once, understood by every engine."""

from equipoise.problems.assignment import AssignmentProblem

__all__ = ["AssignmentProblem"]
