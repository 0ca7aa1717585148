"""What a planner must satisfy; importing this registers every check."""

from equipoise.checks.planner import answers, invariance, production, quality

__all__ = ["answers", "invariance", "production", "quality"]
