"""The schema of what `equipoise place` answers."""

from __future__ import annotations

from schema_words import COUNT, FRACTION, NUMBER, TEXT, TRUTH, WORDS, Schema, many, nullable, record

SLOTS: Schema = {**many({"type": "integer", "minimum": -1}), "description": "[P]: the expert in every slot"}
ON_LOADS = record(
    peak={**FRACTION, "description": "of the fullest device, in tokens, with the split of the document"},
    even_peak=FRACTION,
    free_peak={**FRACTION, "description": "with the certified best split of the same map"},
    balancedness={**NUMBER, "description": "mean over peak"},
    physical_to_logical=SLOTS,
)
PEAKS = {"load": COUNT, "bound": FRACTION, "peak": FRACTION, "gap": nullable(NUMBER), "balancedness": NUMBER}
PEAKS |= {
    "even_peak": {**FRACTION, "description": "of the current map, without one of the best"},
    "scheduled_peak": {**FRACTION, "description": "of the same map with its best split"},
    "current_peak": FRACTION,
    "current_gap": {**nullable(NUMBER), "description": "peak over bound, less 1"},
    "current_balancedness": NUMBER,
    "moved": {**COUNT, "description": "experts to copy to a device that does not hold them"},
}
WITH_CURRENT = ("current_peak", "current_gap", "current_balancedness", "moved")

PLACEMENT = record(
    schema={"const": "equipoise-placement/1"},
    loads=TEXT,
    steps=COUNT,
    num_experts=COUNT,
    num_slots=COUNT,
    num_devices=COUNT,
    num_nodes=COUNT,
    num_groups=COUNT,
    split={"enum": ["even", "free"]},
    distinct={**TRUTH, "description": "whether no device may hold an expert twice"},
    current=nullable({**TEXT, "description": "name of the deployed map"}),
    notes=many(TEXT),
    verdict=TEXT,
    total=record(WITH_CURRENT, **PEAKS) | {"description": "all layers: peaks are added up"},
    layers=many(
        record(
            WITH_CURRENT, layer=COUNT, **PEAKS, evidence=WORDS, stopped=TRUTH, best=ON_LOADS, current=nullable(ON_LOADS)
        )
    ),
    window=nullable({**COUNT, "description": "steps of a part of the record"}),
    lag=many(
        record(
            part=COUNT,
            layer=COUNT,
            load=COUNT,
            bound=FRACTION,
            hindsight=FRACTION,
            placed={**FRACTION, "description": "peak on this part of the map made for the part before"},
            current=nullable(FRACTION),
        )
    ),
)
