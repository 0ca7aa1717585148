"""Watch the routers of a running loop: loads and a proved bound on regret at every step, exact audits now and then."""

from equipoise.monitor.bound import Bound, regret_bound
from equipoise.monitor.monitor import Monitor
from equipoise.monitor.sinks import jsonl, prometheus, tensorboard

__all__ = ["Bound", "Monitor", "jsonl", "prometheus", "regret_bound", "tensorboard"]
