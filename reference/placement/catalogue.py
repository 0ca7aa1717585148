"""The placers by the names that the command line knows; nothing is imported to list them."""

from __future__ import annotations

from equipoise.reference.catalogue import Entry

PLACERS = {
    entry.name: entry
    for entry in (
        Entry("eplb", "placement.eplb", "eplb", "heaviest replica first, global or by groups (EPLB)"),
        Entry(
            "eplb-relabelled",
            "placement.relabelled",
            "RelabelledEplb",
            "EPLB, its devices numbered so that fewest experts move",
            only_named=True,
        ),
        Entry(
            "swift-balancer",
            "placement.swift_balancer",
            "SwiftBalancer",
            "few copies and exchanges from the placement before (vllm-ascend)",
            only_named=True,
        ),
        Entry(
            "micromoe",
            "placement.layers",
            "asymmetric_layers",
            "best of 100 random placements by density (arXiv 2511.16947)",
        ),
        Entry(
            "micromoe-symmetric",
            "placement.layers",
            "symmetric_layers",
            "two devices an expert, on Cayley graphs; for four sizes (arXiv 2511.16947)",
            only_named=True,
        ),
        Entry("random", "placement.layers", "random_layers", "experts in random order, seed 0; knows no load"),
        Entry("round-robin", "placement.layers", "round_robin_layers", "slot p holds expert p mod E; knows no load"),
    )
}
