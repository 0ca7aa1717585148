"""What a router must satisfy; importing this registers every check."""

from equipoise.checks.router import answers, invariance, quality, state

__all__ = ["answers", "invariance", "quality", "state"]
