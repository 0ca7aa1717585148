"""What a scheduler must satisfy; importing this registers every check."""

from equipoise.checks.scheduler import answers, invariance, quality, state

__all__ = ["answers", "invariance", "quality", "state"]
