"""What a predictor must satisfy; importing this registers every check."""

from equipoise.checks.predictor import answers, invariance, production, quality

__all__ = ["answers", "invariance", "production", "quality"]
