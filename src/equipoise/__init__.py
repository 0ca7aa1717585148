"""Equipoise: exact, certified optima for Mixture-of-Experts load balancing.

>>> import numpy as np, equipoise
>>> problem = equipoise.AssignmentProblem(np.array([[0.9, 0.8], [0.7, 0.1]]), top_k=1)
>>> solution = equipoise.solve(problem)
>>> solution.status, solution.evidence, solution.experts.tolist()
('optimal', 'certified', [[1], [0]])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equipoise.audits.result import Audit as Audit
    from equipoise.audits.run import audit as audit
    from equipoise.certificates.certificate import Certificate as Certificate
    from equipoise.certificates.check.verdict import Verdict as Verdict
    from equipoise.checks.check import check as check
    from equipoise.checks.engine.report import Report as Report
    from equipoise.deployment.answer import Placement as Placement
    from equipoise.deployment.maps import ExpertMap as ExpertMap
    from equipoise.deployment.maps import read_map as read_map
    from equipoise.deployment.maps import write_map as write_map
    from equipoise.deployment.place import place as place
    from equipoise.errors import EquipoiseError as EquipoiseError
    from equipoise.errors import InvalidFile as InvalidFile
    from equipoise.errors import InvalidProblem as InvalidProblem
    from equipoise.errors import SolverNotAvailable as SolverNotAvailable
    from equipoise.errors import TargetError as TargetError
    from equipoise.errors import TargetNotFound as TargetNotFound
    from equipoise.flips import FlipMargins as FlipMargins
    from equipoise.flips import flip_margins as flip_margins
    from equipoise.monitor import Monitor as Monitor
    from equipoise.problems import AssignmentProblem as AssignmentProblem
    from equipoise.problems import CommunicationProblem as CommunicationProblem
    from equipoise.problems import FewExpertsProblem as FewExpertsProblem
    from equipoise.problems import GroupLimitedProblem as GroupLimitedProblem
    from equipoise.problems import Limit as Limit
    from equipoise.problems import LimitedProblem as LimitedProblem
    from equipoise.problems import MigrationProblem as MigrationProblem
    from equipoise.problems import PlacementProblem as PlacementProblem
    from equipoise.problems import ReplicationProblem as ReplicationProblem
    from equipoise.problems import SchedulingProblem as SchedulingProblem
    from equipoise.problems import TrafficProblem as TrafficProblem
    from equipoise.problems import device_limits as device_limits
    from equipoise.problems import node_costs as node_costs
    from equipoise.problems import null_limit as null_limit
    from equipoise.problems import placement_by_links as placement_by_links
    from equipoise.problems import sequence_limits as sequence_limits
    from equipoise.recorder import record as record
    from equipoise.roles.metric import Metric as Metric
    from equipoise.roles.placer import Placer as Placer
    from equipoise.roles.planner import Planner as Planner
    from equipoise.roles.predictor import Predictor as Predictor
    from equipoise.roles.router import Router as Router
    from equipoise.roles.scheduler import Scheduler as Scheduler
    from equipoise.routing import Routing as Routing
    from equipoise.solution import Solution as Solution
    from equipoise.solvers.assignment.frontier import Frontier as Frontier
    from equipoise.solvers.assignment.frontier import FrontierPoint as FrontierPoint
    from equipoise.solvers.assignment.frontier import expert_choice_optimum as expert_choice_optimum
    from equipoise.solvers.assignment.frontier import frontier as frontier
    from equipoise.solvers.assignment.margin import Margin as Margin
    from equipoise.solvers.assignment.margin import margin as margin
    from equipoise.solvers.layers.budget import LayerBudget as LayerBudget
    from equipoise.solvers.layers.budget import layer_budget as layer_budget
    from equipoise.solvers.migration.frontier import fewest_moves as fewest_moves
    from equipoise.solvers.migration.frontier import migration_frontier as migration_frontier
    from equipoise.solvers.migration.relabel import Relabelling as Relabelling
    from equipoise.solvers.migration.relabel import relabel as relabel
    from equipoise.solvers.migration.rounds import Transfers as Transfers
    from equipoise.solvers.migration.rounds import transfers as transfers
    from equipoise.solvers.replication.frontier import replication_frontier as replication_frontier
    from equipoise.solvers.scheduling.push_relabel.batch import Schedules as Schedules
    from equipoise.solvers.scheduling.push_relabel.batch import schedule_batch as schedule_batch
    from equipoise.solvers.solve import available_solvers as available_solvers
    from equipoise.solvers.solve import solve as solve
    from equipoise.solvers.unequal.search import UnequalPlacement as UnequalPlacement
    from equipoise.solvers.unequal.search import place_unequal as place_unequal
    from equipoise.traces import read_loads as read_loads
    from equipoise.traces import read_trace as read_trace
    from equipoise.traces import recorded as recorded

__version__ = "0.2.0"

_HOME = {
    "AssignmentProblem": "problems",
    "Audit": "audits.result",
    "Certificate": "certificates.certificate",
    "CommunicationProblem": "problems",
    "EquipoiseError": "errors",
    "ExpertMap": "deployment.maps",
    "FewExpertsProblem": "problems",
    "FlipMargins": "flips",
    "Frontier": "solvers.assignment.frontier",
    "FrontierPoint": "solvers.assignment.frontier",
    "GroupLimitedProblem": "problems",
    "InvalidFile": "errors",
    "InvalidProblem": "errors",
    "LayerBudget": "solvers.layers.budget",
    "Limit": "problems",
    "LimitedProblem": "problems",
    "Margin": "solvers.assignment.margin",
    "MigrationProblem": "problems",
    "Monitor": "monitor",
    "Placer": "roles.placer",
    "Metric": "roles.metric",
    "Planner": "roles.planner",
    "Predictor": "roles.predictor",
    "Router": "roles.router",
    "Routing": "routing",
    "Placement": "deployment.answer",
    "PlacementProblem": "problems",
    "Relabelling": "solvers.migration.relabel",
    "Report": "checks.engine.report",
    "Scheduler": "roles.scheduler",
    "Schedules": "solvers.scheduling.push_relabel.batch",
    "ReplicationProblem": "problems",
    "SchedulingProblem": "problems",
    "Solution": "solution",
    "SolverNotAvailable": "errors",
    "TargetError": "errors",
    "TargetNotFound": "errors",
    "Transfers": "solvers.migration.rounds",
    "TrafficProblem": "problems",
    "UnequalPlacement": "solvers.unequal.search",
    "Verdict": "certificates.check.verdict",
    "audit": "audits.run",
    "available_solvers": "solvers.solve",
    "check": "checks.check",
    "device_limits": "problems",
    "expert_choice_optimum": "solvers.assignment.frontier",
    "fewest_moves": "solvers.migration.frontier",
    "flip_margins": "flips",
    "frontier": "solvers.assignment.frontier",
    "layer_budget": "solvers.layers.budget",
    "margin": "solvers.assignment.margin",
    "migration_frontier": "solvers.migration.frontier",
    "node_costs": "problems",
    "null_limit": "problems",
    "place": "deployment.place",
    "place_unequal": "solvers.unequal.search",
    "placement_by_links": "problems",
    "read_loads": "traces",
    "read_map": "deployment.maps",
    "read_trace": "traces",
    "record": "recorder",
    "recorded": "traces",
    "relabel": "solvers.migration.relabel",
    "replication_frontier": "solvers.replication.frontier",
    "sequence_limits": "problems",
    "schedule_batch": "solvers.scheduling.push_relabel.batch",
    "solve": "solvers.solve",
    "transfers": "solvers.migration.rounds",
    "write_map": "deployment.maps",
}

_MODULES = ("monitor", "recorder", "traces")

__all__ = ["__version__", *_HOME, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"equipoise.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'equipoise' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"equipoise.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
