"""Routing traces: score matrices to audit balancers on, from files or from the recording that ships."""

from equipoise.traces.drift import drifting
from equipoise.traces.instance import GATES, Instance, apply_gate
from equipoise.traces.read import read_trace
from equipoise.traces.recording import RecordedTrace, recorded

__all__ = ["GATES", "Instance", "RecordedTrace", "apply_gate", "drifting", "read_trace", "recorded"]
