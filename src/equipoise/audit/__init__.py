"""Balancers against the optimum on a trace, batch by batch and as a stream."""

from equipoise.audit.judge import Row
from equipoise.audit.run import PASSES, Audit, Summary, audit
from equipoise.audit.stream import StreamSummary, audit_stream, summarise

__all__ = ["PASSES", "Audit", "Row", "StreamSummary", "Summary", "audit", "audit_stream", "summarise"]
