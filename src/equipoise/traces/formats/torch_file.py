"""Files of ``torch.save``: read by torch with ``weights_only=True``, and every tensor compared with its storage."""

from __future__ import annotations

import os
import zipfile
from os import PathLike
from typing import Any, BinaryIO

from equipoise.errors import ExtraMissing, InvalidFile
from equipoise.files import LARGEST_ARRAY, size_of

DEEPEST = 8
"""Levels of lists and dictionaries."""


def is_one(file: BinaryIO) -> bool:
    """Return whether a zip archive is what ``torch.save`` writes."""
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith("/data.pkl") or name == "data.pkl" for name in archive.namelist())


def read(file: BinaryIO, path: str | PathLike[str]) -> dict[str, Any]:
    """Read a dictionary; its tensors become NumPy arrays.

    Raises
    ------
    InvalidFile
        If it holds anything but plain values and tensors, is compressed, or a tensor is larger than what is stored.
    ExtraMissing
        If torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise ExtraMissing(f"reading {os.fspath(path)}, a file of torch.save,", "torch", "train") from error
    size = size_of(file, path, LARGEST_ARRAY)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
    if any(one.compress_type != zipfile.ZIP_STORED for one in members) or sum(m.file_size for m in members) > size:
        raise InvalidFile(f"{path} declares more bytes than it has: torch.save compresses nothing")
    file.seek(0)
    content = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise InvalidFile(f"{path} holds a {type(content).__name__}; allowed: a dictionary with named tensors")
    return {str(key): _plain(value, path, torch) for key, value in content.items()}


def _plain(value: Any, path: str | PathLike[str], torch: Any, depth: int = 0) -> Any:
    """Return a value with every tensor in it as an array."""
    if depth > DEEPEST:
        raise InvalidFile(f"{path} is nested deeper than {DEEPEST} levels")
    if isinstance(value, torch.Tensor):
        if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
            raise InvalidFile(f"{path} holds a tensor that is sparse, quantized or without data; allowed: dense ones")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise InvalidFile(f"{path} declares a tensor of shape {tuple(value.shape)}, larger than what it stores")
        value = value.detach()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, dict):
        return {str(key): _plain(one, path, torch, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, path, torch, depth + 1) for one in value]
    return value
