"""What a placer must satisfy; importing this registers every check."""

from equipoise.checks.placer import answers, invariance, production, quality, state

__all__ = ["answers", "invariance", "production", "quality", "state"]
