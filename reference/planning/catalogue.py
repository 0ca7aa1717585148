"""The planners by the names that the command line knows; nothing is imported to list them."""

from __future__ import annotations

from equipoise.reference.catalogue import Entry

PLANNERS = {
    entry.name: entry
    for entry in (
        Entry("no-copies", "planning.no_copies", "no_copies", "every token is served at its expert's home"),
        Entry("moonep", "planning.moonep", "moonep", "moves from the fullest home to the roomiest device (MoonEP)"),
        Entry(
            "threshold-exports",
            "planning.ultraep",
            "UltraEP",
            "exports of overloaded devices below a threshold (the rule that UltraEP releases)",
        ),
        Entry(
            "llep",
            "planning.llep",
            "LLEP",
            "what exceeds 1.1 times the mean goes to the least loaded, in any amount (LLEP)",
            {"min_tokens": 1},
            only_named=True,
        ),
        Entry("eplb-counts", "planning.eplb_counts", "eplb_counts", "EPLB's replica counts, anew for every batch"),
    )
}
