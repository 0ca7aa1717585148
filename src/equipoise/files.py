"""Files: written whole or not at all; read without unpickling, sizes checked before memory is taken."""

from __future__ import annotations

import json
import os
import secrets
import zipfile
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidFile

LARGEST_ARRAY = 16 << 30
LARGEST_JSON = 256 << 20


def write_whole(path: str | PathLike[str], content: bytes) -> None:
    """Write through a temporary file in the same folder and a rename; raise :class:`InvalidFile` if that fails."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        try:
            with open(temporary, "xb") as file:
                file.write(content)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidFile(f"{path} cannot be written: {error.strerror}") from error


def read_arrays(path: str | PathLike[str]) -> dict[str, Any]:
    """Read named arrays from ``.npz`` or ``.json``, or one array named ``scores`` from ``.npy``.

    Raises
    ------
    InvalidFile
        If the file is missing, of another kind, damaged, holds Python objects, or declares more than 16 GiB.
    """
    source = Path(path)
    readers = {".npy": _read_npy, ".npz": _read_npz, ".json": _read_json}
    reader = readers.get(source.suffix.lower())
    if reader is None:
        raise InvalidFile(f"{path} ends in {source.suffix or 'nothing'!r}; allowed: {', '.join(readers)}")
    try:
        return reader(source)
    except InvalidFile:
        raise
    except OSError as error:
        raise InvalidFile(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, KeyError, RecursionError, zipfile.BadZipFile, NotImplementedError) as error:
        raise InvalidFile(f"{path} is damaged or not what its name says: {error}") from error
    except MemoryError as error:
        raise InvalidFile(f"{path} does not fit into memory") from error


def _read_npy(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        return {"scores": _checked_array(file, str(path), os.stat(path).st_size)}


def _read_npz(path: Path) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    with zipfile.ZipFile(path) as archive:
        total = 0
        for member in archive.infolist():
            if not member.filename.endswith(".npy"):
                raise InvalidFile(f"{path} holds {member.filename!r}; allowed: arrays (.npy) only")
            total += member.file_size
            if total > LARGEST_ARRAY:
                raise InvalidFile(f"{path} unpacks to more than {LARGEST_ARRAY >> 30} GiB")
        for member in archive.infolist():
            with archive.open(member) as file:
                name = member.filename.removesuffix(".npy")
                arrays[name] = _checked_array(file, f"{path}: {name}", member.file_size)
    return arrays


def _read_json(path: Path) -> dict[str, Any]:
    if (size := os.stat(path).st_size) > LARGEST_JSON:
        raise InvalidFile(f"{path} has {size} bytes; a JSON file has at most {LARGEST_JSON}")
    content = json.loads(path.read_bytes())
    if not isinstance(content, dict):
        raise InvalidFile(f"{path} holds a JSON {type(content).__name__}; allowed: an object with named arrays")
    return content


def _checked_array(file: IO[bytes], name: str, size: int) -> npt.NDArray[Any]:
    """Read one ``.npy`` stream after its header was compared with the bytes that are really there."""
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise InvalidFile(f"{name} has .npy version {version}; allowed: 1.0 and 2.0")
    shape, fortran, dtype = readers[version](file)
    if dtype.hasobject:
        raise InvalidFile(f"{name} holds pickled Python objects, which are never loaded")
    count = 1
    for length in shape:
        count *= length
    expected = count * dtype.itemsize
    if expected > LARGEST_ARRAY or expected > size:
        raise InvalidFile(f"{name} declares {expected} bytes of shape {shape}, the file has {size}")
    content = file.read(expected)
    if len(content) != expected:
        raise InvalidFile(f"{name} ends after {len(content)} of {expected} bytes")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
