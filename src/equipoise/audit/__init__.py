"""Balancers on a trace: routers batch by batch and as a stream, devices on loads, predictors on series of loads."""

from equipoise.audit.devices import Cluster, DeviceAudit
from equipoise.audit.forecasts import (
    ForecastAudit,
    ForecastRow,
    ForecastSummary,
    audit_predictors,
    summarise_forecasts,
)
from equipoise.audit.judge import Row
from equipoise.audit.placements import PlacementRow, PlacementSummary, audit_placers, summarise_placements
from equipoise.audit.run import PASSES, Audit, Summary, audit
from equipoise.audit.schedules import ScheduleRow, ScheduleSummary, audit_schedulers, summarise_schedules
from equipoise.audit.stream import StreamSummary, audit_stream, summarise
from equipoise.audit.values import ValueAudit, ValueRow, ValueSummary, audit_values, summarise_values

__all__ = [
    "PASSES",
    "Audit",
    "Cluster",
    "DeviceAudit",
    "ForecastAudit",
    "ForecastRow",
    "ForecastSummary",
    "PlacementRow",
    "PlacementSummary",
    "Row",
    "ScheduleRow",
    "ScheduleSummary",
    "StreamSummary",
    "Summary",
    "ValueAudit",
    "ValueRow",
    "ValueSummary",
    "audit",
    "audit_placers",
    "audit_predictors",
    "audit_schedulers",
    "audit_stream",
    "audit_values",
    "summarise",
    "summarise_forecasts",
    "summarise_placements",
    "summarise_schedules",
    "summarise_values",
]
