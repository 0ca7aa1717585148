"""Edges of the checks of routers, module by module."""

import edges_router_answers
import edges_router_domains
import edges_router_groups
import edges_router_invariance
import edges_router_production
import edges_router_quality
import edges_router_state
import edges_router_values
import edges_router_weights

PARTS = (
    edges_router_answers,
    edges_router_weights,
    edges_router_values,
    edges_router_domains,
    edges_router_invariance,
    edges_router_groups,
    edges_router_quality,
    edges_router_production,
    edges_router_state,
)
EDGES = [edge for part in PARTS for edge in part.EDGES]
BORDERS = [border for part in PARTS for border in getattr(part, "BORDERS", [])]
