"""Small files of every format, written by code of its own, and what they hold."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from equipoise import InvalidFile, read_loads

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def token_ids(draw, least_tokens=1, most_layers=3):
    """Ids [steps, layers, tokens, K] of distinct experts, and E, which the largest id attains."""
    steps, layers, tokens = (
        draw(st.integers(1, 2)),
        draw(st.integers(1, most_layers)),
        draw(st.integers(least_tokens, 4)),
    )
    experts = draw(st.integers(2, 6))
    top_k = draw(st.integers(2, experts))
    rows = [draw(st.permutations(range(experts)))[:top_k] for _ in range(steps * layers * tokens)]
    ids = np.array(rows).reshape(steps, layers, tokens, top_k)
    ids[0, 0, 0] = sorted({experts - 1, *ids[0, 0, 0].tolist()}, reverse=True)[:top_k]
    return ids, experts


def counted(ids, experts):
    """Tokens per expert, one at a time: [steps, layers, experts]."""
    loads = np.zeros((*ids.shape[:2], experts), int)
    for step, layer, token, place in np.ndindex(ids.shape):
        loads[step, layer, ids[step, layer, token, place]] += 1
    return loads


def refusal(path, reader=read_loads, **options):
    with pytest.raises(InvalidFile) as raised:
        reader(path, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def megatron(folder, rank, ids, logits=None, **more):
    """Write a trace as Megatron-LM's tracer does: a line for each step and layer, logits in bfloat16 beside it."""
    lines, binary = [], b""
    for step, layer in np.ndindex(ids.shape[:2]):
        record = {"step": step, "stage": "pre_dispatch", "block": "decoder", "layer": layer, "rank": rank}
        record |= {"num_tokens": ids.shape[2], "topk": ids.shape[3], "top_indices": ids[step, layer].tolist(), **more}
        if logits is not None:
            content = b"".join(value.tobytes()[2:] for value in logits[step, layer].astype("<f4").ravel())
            record |= {"logit_offset": len(binary), "logit_bytes": len(content)}
            record["logit_shape"] = list(logits[step, layer].shape)
            binary += content
        lines.append(json.dumps(record))
    (folder / f"router_trace_rank{rank}.jsonl").write_text("".join(line + "\n" for line in lines))
    if logits is not None:
        (folder / f"logits_rank{rank}.bin").write_bytes(binary)
    return folder / f"router_trace_rank{rank}.jsonl"


def recorder_file(torch, path, ids, mapping, rank, per_token):
    """Write what SGLang's recorder dumps on one rank: forward passes of physical experts."""
    records = []
    for step, of_step in enumerate(ids):
        counts = np.zeros(mapping.shape, np.int32)
        for layer, token, place in np.ndindex(of_step.shape):
            counts[layer, of_step[layer, token, place]] += 1
        record = {"forward_pass_id": 7 + step, "rank": rank, "gatherer_key": "primary"}
        if per_token:
            record |= {
                "topk_ids_of_layer": torch.tensor(of_step, dtype=torch.int32),
                "input_ids": [0],
                "positions": [0],
            }
        else:
            record |= {"global_physical_count": torch.tensor(counts)}
        records.append(record)
    torch.save({"records": records, "last_physical_to_logical_map": torch.tensor(mapping)}, path)
