"""Score files, whatever their format: batches to audit routers on, and single problems to solve."""

from __future__ import annotations

from os import PathLike

import numpy as np

from equipoise.errors import InvalidFile, InvalidProblem
from equipoise.problems import AssignmentProblem
from equipoise.traces.formats import matrices
from equipoise.traces.formats.source import Asked
from equipoise.traces.formats.table import blamed_on, read_parts
from equipoise.traces.instance import Instance, ScoreTrace


def read_trace(
    path: str | PathLike[str], top_k: int | None = None, *, gate: str | None = None, axes: str | None = None
) -> ScoreTrace:
    """Read every batch of a score file, or of a folder with one file for each rank; told by content.

    Parameters
    ----------
    top_k
        K; overrides the file's own.
    gate
        "softmax", "sigmoid", "sqrtsoftplus" or "none": what makes scores of the file's numbers; overrides its own.
    axes
        Names of the axes, where the file's format leaves them open: "layers,tokens,k".

    Raises
    ------
    InvalidFile
        If the file cannot be read, is of no format that holds scores, or does not say K or the gate and neither does
        the caller. docs/reference/files.md lists the formats.
    ExtraMissing
        If its format needs a package that is not installed.
    """
    asked = Asked(top_k, gate, axes)
    parts = []
    for format_, source in read_parts(path, "scores"):
        assert format_.scores is not None
        with blamed_on(source.path):
            parts.append(format_.scores(source, asked))
    with blamed_on(path):
        return parts[0] if len(parts) == 1 else _merged(parts)


def _merged(parts: list[ScoreTrace]) -> ScoreTrace:
    """Return the batches of several ranks: tokens of batches of one name follow each other."""
    named: dict[str, list[Instance]] = {}
    for part in parts:
        for batch in part:
            named.setdefault(batch.name, []).append(batch)
    batches = []
    for name, pieces in named.items():
        if len({(piece.scores.shape[1], piece.top_k) for piece in pieces}) > 1:
            raise InvalidProblem(name, "of several numbers of experts or K", "the same in every file")
        scores = np.concatenate([piece.scores for piece in pieces])
        batches.append(Instance(name, scores, pieces[0].top_k, pieces[0].sequence))
    return ScoreTrace(tuple(batches), tuple(dict.fromkeys(warning for part in parts for warning in part.warnings)))


def read_problem(
    path: str | PathLike[str],
    top_k: int | None = None,
    capacity: int | None = None,
    drop: bool = False,
    gate: str | None = None,
) -> AssignmentProblem:
    """Read one problem; arguments override what the file says."""
    for _, source in read_parts(path, "scores"):
        if not matrices.fits(source):
            break
        with blamed_on(path):
            scores, _ = matrices.matrix(source, Asked(top_k, gate))
            if scores.ndim != 2:
                raise InvalidProblem("scores", f"of shape {scores.shape}", "one matrix [T, E]")
            k = matrices.whole(source.content, "top_k", top_k)
            if k is None:
                raise InvalidProblem("top_k", "not said", "--top-k, or the key 'top_k'")
            dropping = drop or bool(matrices.single(source.content, "drop", False))
        limit = source.content.get("capacity") if capacity is None else capacity
        return AssignmentProblem(scores, k, limit, dropping, source.content.get("mask"))
    raise InvalidFile(f"{path} is a trace of batches; allowed: one matrix of scores [T, E]")
