"""The schedulers by the names that the command line knows; nothing is imported to list them."""

from __future__ import annotations

from equipoise.reference.catalogue import Entry

SCHEDULERS = {
    entry.name: entry
    for entry in (
        Entry("even", "scheduling.even", "even_split", "every replica serves the same"),
        Entry("micromoe", "scheduling.micromoe", "MicroMoE", "linear program, rounded in a flow (arXiv 2511.16947)"),
        Entry("lplb", "scheduling.lplb", "LPLB", "five steps of affine scaling in float32 (LPLB)"),
        Entry(
            "lplb-released",
            "scheduling.lplb",
            "LPLB",
            "LPLB with the released kernel's maximum over lanes",
            {"lanes": 32},
        ),
        Entry(
            "sglang-lp",
            "scheduling.sglang_lp",
            "SGLangLP",
            "LPLB's steps on SGLang's program, then sampling (SGLang)",
            only_named=True,
        ),
        Entry("quota-greedy", "scheduling.quota_greedy", "quota_greedy", "binary search for a quota, filled greedily"),
        Entry(
            "nearest",
            "scheduling.nearest",
            "nearest_replica",
            "own device, own node, anywhere, evenly; needs loads by source device",
            only_named=True,
        ),
        Entry(
            "sglang-static",
            "scheduling.sglang_static",
            "sglang_static",
            "one replica for each source and expert; needs loads by source device (SGLang)",
            only_named=True,
        ),
    )
}
