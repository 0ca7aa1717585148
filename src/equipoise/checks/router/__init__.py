"""What a router must satisfy; importing this registers every check."""

from equipoise.checks.router import answers, invariance, production, quality, state

__all__ = ["answers", "invariance", "production", "quality", "state"]
