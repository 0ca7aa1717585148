"""What a scheduler must satisfy; importing this registers every check."""

from equipoise.checks.scheduler import answers, invariance, production, quality, state

__all__ = ["answers", "invariance", "production", "quality", "state"]
