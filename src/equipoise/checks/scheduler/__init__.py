"""What a scheduler must satisfy; importing this registers every check."""

from equipoise.checks.scheduler import answers, manners, quality, sources

__all__ = ["answers", "manners", "quality", "sources"]
