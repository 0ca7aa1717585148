"""What a metric must satisfy; importing this registers every check."""

from equipoise.checks.metric import answers, invariance, production, quality

__all__ = ["answers", "invariance", "production", "quality"]
