"""What a predictor must satisfy; importing this registers every check."""

from equipoise.checks.predictor import answers, invariance, quality, state

__all__ = ["answers", "invariance", "quality", "state"]
