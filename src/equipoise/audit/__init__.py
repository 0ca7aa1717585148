"""Balancers against the optimum on a trace: routers batch by batch and as a stream, schedulers and placers on loads."""

from equipoise.audit.devices import Cluster, DeviceAudit
from equipoise.audit.judge import Row
from equipoise.audit.placements import PlacementRow, PlacementSummary, audit_placers, summarise_placements
from equipoise.audit.run import PASSES, Audit, Summary, audit
from equipoise.audit.schedules import ScheduleRow, ScheduleSummary, audit_schedulers, summarise_schedules
from equipoise.audit.stream import StreamSummary, audit_stream, summarise

__all__ = [
    "PASSES",
    "Audit",
    "Cluster",
    "DeviceAudit",
    "PlacementRow",
    "PlacementSummary",
    "Row",
    "ScheduleRow",
    "ScheduleSummary",
    "StreamSummary",
    "Summary",
    "audit",
    "audit_placers",
    "audit_schedulers",
    "audit_stream",
    "summarise",
    "summarise_placements",
    "summarise_schedules",
]
