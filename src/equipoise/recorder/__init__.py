"""Record the routers of a running model into a trace that audits take."""

from equipoise.recorder.record import Recording, record
from equipoise.recorder.routers import Observed

__all__ = ["Observed", "Recording", "record"]
