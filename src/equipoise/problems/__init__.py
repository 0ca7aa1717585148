"""The problems: frozen values, validated once, understood by every engine."""

from equipoise.problems.assignment import AssignmentProblem
from equipoise.problems.communication import CommunicationProblem
from equipoise.problems.few_experts import FewExpertsProblem
from equipoise.problems.group_limited import GroupLimitedProblem
from equipoise.problems.limited import Limit, LimitedProblem, device_limits, null_limit, sequence_limits
from equipoise.problems.migration import MigrationProblem
from equipoise.problems.placement import PlacementProblem
from equipoise.problems.replication import ReplicationProblem
from equipoise.problems.scheduling import SchedulingProblem
from equipoise.problems.traffic import TrafficProblem, node_costs, placement_by_links

ScoredProblem = AssignmentProblem | LimitedProblem | GroupLimitedProblem | FewExpertsProblem
"""Routing: the score is maximised."""

DeviceProblem = (
    SchedulingProblem | TrafficProblem | PlacementProblem | CommunicationProblem | ReplicationProblem | MigrationProblem
)
"""Loads on devices: a peak or a cost is minimised."""

Problem = ScoredProblem | DeviceProblem

__all__ = [
    "DeviceProblem",
    "Problem",
    "ScoredProblem",
    "MigrationProblem",
    "PlacementProblem",
    "ReplicationProblem",
    "TrafficProblem",
    "node_costs",
    "null_limit",
    "placement_by_links",
    "AssignmentProblem",
    "CommunicationProblem",
    "FewExpertsProblem",
    "GroupLimitedProblem",
    "Limit",
    "LimitedProblem",
    "SchedulingProblem",
    "device_limits",
    "sequence_limits",
]
