"""Traces to audit balancers on: scores and loads, from files or from the recording that ships."""

from equipoise.traces.drift import drifting, generated_series
from equipoise.traces.instance import GATES, Instance, LoadInstance, LoadSeries, ScoreTrace, apply_gate
from equipoise.traces.loads import LoadTrace, read_loads
from equipoise.traces.read import read_trace
from equipoise.traces.recorded_file import RecordedLayer, RecordedStep, merge, read_recording
from equipoise.traces.recording import RecordedTrace, recorded

__all__ = [
    "GATES",
    "Instance",
    "LoadInstance",
    "LoadSeries",
    "LoadTrace",
    "RecordedLayer",
    "RecordedStep",
    "RecordedTrace",
    "ScoreTrace",
    "apply_gate",
    "drifting",
    "generated_series",
    "merge",
    "read_loads",
    "read_recording",
    "read_trace",
    "recorded",
]
