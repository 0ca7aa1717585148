"""The metrics by the names that the command line knows, each of which is also what it computes."""

from __future__ import annotations

from equipoise.reference.catalogue import Entry

METRICS = {
    entry.name: entry
    for entry in (
        Entry("balancedness", "metrics.balancedness", "Balancedness", "mean over max load (SGLang, vLLM)"),
        Entry("imbalance", "metrics.imbalance", "Imbalance", "max over mean load"),
        Entry("max-vio", "metrics.max_vio", "MaxVio", "max over mean load, less 1 (arXiv 2408.15664)"),
        Entry("min-vio", "metrics.min_vio", "MinVio", "min over mean load, less 1"),
        Entry("cv", "metrics.variation", "Variation", "coefficient of variation of the loads (arXiv 1701.06538)"),
        Entry("expert-load", "metrics.expert_load", "ExpertLoad", "assignments of every expert, over all ranks"),
        Entry("dropped", "metrics.dropped", "Dropped", "share of the assignments that are not served"),
        Entry(
            "aux-loss", "metrics.switch", "SwitchLoss", "load-balancing loss of Switch and GShard (arXiv 2101.03961)"
        ),
        Entry("sequence-loss", "metrics.sequence", "SequenceLoss", "the same, sequence by sequence (arXiv 2412.19437)"),
        Entry("global-loss", "metrics.global_batch", "GlobalLoss", "the same over the global batch (arXiv 2501.11873)"),
        Entry("z-loss", "metrics.z_loss", "ZLoss", "mean square of the router's log-partition (arXiv 2202.08906)"),
    )
}
