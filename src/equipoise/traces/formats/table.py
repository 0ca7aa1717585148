"""The table of formats: what `equipoise list --formats`, the page "Files", readers and refusals are made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal

from equipoise.errors import InvalidFile, InvalidProblem
from equipoise.traces.formats import (
    count_table,
    flame_moe,
    load_arrays,
    matrices,
    megatron,
    recording,
    routed,
    sglang_recorder,
    ultra_ep,
)
from equipoise.traces.formats.counts import Counts
from equipoise.traces.formats.source import PAGE, Asked, Source, open_source
from equipoise.traces.instance import ScoreTrace

Kind = Literal["scores", "loads"]

BESIDE = (".bin", ".txt", ".log")
"""Ends of names that are no traces, in a folder of them; and what starts with a dot, and ``router_state_*``."""


@dataclass(frozen=True)
class Format:
    """One format of files.

    Attributes
    ----------
    name
        As users may call it.
    looks
        What such a file looks like.
    writer
        Who writes it.
    snippet
        Python or a command that makes one.
    fits
        Whether a file is of this format.
    scores, loads
        How it is read as either kind of data; None: it does not hold that.
    merges
        Whether a folder of such files, one for each rank or part, is one trace.
    """

    name: str
    looks: str
    writer: str
    snippet: str
    fits: Callable[[Source], bool]
    scores: Callable[[Source, Asked], ScoreTrace] | None = None
    loads: Callable[[Source, Asked], Counts] | None = None
    merges: bool = False

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What it can be read as."""
        every: tuple[Kind, ...] = ("scores", "loads")
        return tuple(kind for kind in every if getattr(self, kind) is not None)


FORMATS = (
    Format(
        "recording",
        "NPZ or JSON with `format` equipoise-recording/1",
        "equipoise.record",
        """with equipoise.record(model, "trace.npz", every=100, tokens=4096):
    train(model)""",
        recording.fits,
        scores=recording.read_scores,
        loads=recording.read_loads,
    ),
    Format(
        "scores",
        "NPY, or NPZ or JSON with `scores` [..., T, E], or `logits` and `gate`; also `top_k`",
        "NumPy",
        """np.savez("scores.npz", logits=logits, gate="softmax", top_k=8)  # [T, E], or [batches, T, E]""",
        matrices.fits,
        scores=matrices.read,
    ),
    Format(
        "routing record",
        "NPZ, JSON or .pt with `topk_ids` [L, T, K] or [S, L, T, K]; for scores also `topk_weights`",
        "NumPy, torch; hooks on a framework's top-K",
        """np.savez("record.npz", topk_ids=ids, topk_weights=weights, num_experts=64)  # [layers, tokens, K]""",
        routed.fits,
        scores=routed.read_scores,
        loads=routed.read_loads,
    ),
    Format(
        "routed experts",
        "NPZ, JSON or .pt with `routed_experts` [T, L, K], lists or NPY in base 64; also `prompt_routed_experts`",
        "vLLM and SGLang (--enable-return-routed-experts), NeMo-RL",
        """# vLLM
np.savez("routed.npz", routed_experts=llm.generate(prompt)[0].outputs[0].routed_experts)
# SGLang
ids = sglang.srt.state_capturer.routed_experts.extract_routed_experts_from_meta_info(answer)
np.savez("routed.npz", routed_experts=ids.reshape(-1, layers, top_k))
# NeMo-RL
np.savez("routed.npz", routed_experts=routed_experts.cpu().numpy())  # [tokens, layers, K]""",
        routed.fits_routed,
        loads=routed.read_routed,
    ),
    Format(
        "array",
        "NPY of whole numbers, whose axes --axes names",
        "NumPy",
        """np.save("ids.npy", ids)  # then --axes tokens,layers,k, or steps,layers,experts for loads""",
        load_arrays.fits_alone,
        loads=load_arrays.read_alone,
    ),
    Format(
        "loads",
        "JSON or NPZ with `logical_count` or `load`, [L, E] or [S, L, E]",
        "SGLang's expert distribution as JSON; NumPy",
        """np.savez("loads.npz", load=tokens_per_expert)  # [steps, layers, experts]""",
        load_arrays.fits,
        loads=load_arrays.read,
    ),
    Format(
        "ADRS",
        "JSON with `load_history`, a list of {`logical_expert_load`: [L][E]}",
        "the EPLB benchmark of ADRS",
        """json.dump({"load_history": [{"logical_expert_load": load.tolist()} for load in steps]}, file)""",
        load_arrays.fits_history,
        loads=load_arrays.read_history,
    ),
    Format(
        "SGLang recorder",
        ".pt with `logical_count`, or `records` and `last_physical_to_logical_map`",
        "SGLang (--expert-distribution-recorder-mode stat, per_pass, per_token)",
        """# the server writes expert_distribution_recorder_*.pt, to $SGLANG_EXPERT_DISTRIBUTION_RECORDER_DIR
requests.post(f"{server}/start_expert_distribution_record")
...
requests.post(f"{server}/dump_expert_distribution_record")""",
        sglang_recorder.fits,
        loads=sglang_recorder.read,
        merges=True,
    ),
    Format(
        "Megatron router trace",
        "JSON lines with `step`, `layer`, `topk`, `top_indices`; for scores also logits_rank*.bin beside it",
        "Megatron-LM (--moe-routing-trace-path)",
        """# command line of training or inference; the folder is the trace, and --gate says the score function
--moe-routing-trace-path traces --moe-routing-trace-capture-logits""",
        megatron.fits,
        scores=megatron.read_scores,
        loads=megatron.read_loads,
        merges=True,
    ),
    Format(
        "FLAME-MoE trace",
        "Parquet with `indices` and `scores`, lists of K; one layer a file",
        "CMU-FLAME/FLAME-MoE-Traces; polars",
        """polars.DataFrame({"indices": ids, "scores": weights}).write_parquet("layer.parquet")""",
        flame_moe.fits,
        scores=flame_moe.read_scores,
        loads=flame_moe.read_loads,
    ),
    Format(
        "UltraEP profile",
        f"NPZ with `metadata` of the schema {ultra_ep.SCHEMA}, `pre_logical_loads`, `layers`, `microbatches`",
        "UltraEP (ULTRA_EP_LOAD_PROFILING=1)",
        """# environment of the job; the folder is the trace
ULTRA_EP_LOAD_PROFILING=1 ULTRA_EP_LOAD_PROFILE_DIR=traces""",
        ultra_ep.fits,
        loads=ultra_ep.read,
        merges=True,
    ),
    Format(
        "table of counts",
        "CSV with the columns step, layer, expert, count (the first two may be left out), or a matrix",
        "spreadsheets, pandas",
        """frame.to_csv("loads.csv", index=False)  # step,layer,expert,count
# a matrix: its columns are experts, its first column is step or layer, or --axes steps,experts says it""",
        count_table.fits,
        loads=count_table.read,
    ),
)
"""The first that fits and holds the kind that is asked for is taken."""


def read_parts(path: str | PathLike[str], kind: Kind) -> Iterator[tuple[Format, Source]]:
    """Yield the format and content of a file, or of every file of a folder that is one trace.

    Raises
    ------
    InvalidFile
        If a file is of no format that holds such data, or a folder's files are of several, or not to be merged.
    """
    folder = Path(path)
    if not folder.is_dir():
        source = open_source(path)
        yield _format(source, kind), source
        return
    files = sorted(
        one
        for one in folder.iterdir()
        if not one.name.startswith((".", "router_state_"))
        and not one.name.endswith((*BESIDE, ".manifest.json"))
        and one.is_file()
    )
    if not files:
        raise InvalidFile(f"{path} is a folder without a trace; see {PAGE}")
    before: Format | None = None
    for file in files:
        source = open_source(file)
        found = _format(source, kind)
        if not found.merges or (before is not None and found is not before):
            many = ", ".join(one.name for one in FORMATS if one.merges)
            raise InvalidFile(f"{path} is a folder with {file.name}; allowed: files of one of {many}; see {PAGE}")
        before = found
        yield found, source


def _format(source: Source, kind: Kind) -> Format:
    fitting = [one for one in FORMATS if one.fits(source)]
    for one in fitting:
        if kind in one.kinds:
            return one
    allowed = ", ".join(one.name for one in FORMATS if kind in one.kinds)
    if source.container == "text" and not fitting:
        what = "is text without a table of numbers"
    elif fitting:
        what = f"holds {fitting[0].kinds[0]}"
    else:
        what = f"is a record of {', '.join(map(repr, source.content)) or 'nothing'} ({source.container})"
    raise InvalidFile(f"{source.path} {what}; allowed for {kind}: {allowed}; see {PAGE}")


@contextmanager
def blamed_on(path: str | PathLike[str]) -> Iterator[None]:
    """Turn what a format says about content into a refusal of the file, which names the page "Files"."""
    try:
        yield
    except InvalidProblem as error:
        raise InvalidFile(f"{path}: {error}; see {PAGE}") from error
    except MemoryError as error:
        raise InvalidFile(f"{path} does not fit into memory; see {PAGE}") from error
