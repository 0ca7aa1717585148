"""The door for files: written whole or not at all; read without unpickling, sizes checked before memory is taken."""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from os import PathLike
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from equipoise.errors import EquipoiseError, InvalidFile

LARGEST_ARRAY = 16 << 30
LARGEST_JSON = 256 << 20
LARGEST_DIGITS = 400

NPY = b"\x93NUMPY"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
"""How files start."""


def write_whole(path: str | PathLike[str], content: bytes) -> None:
    """Write through a temporary file in the same folder and a rename; raise :class:`InvalidFile` if that fails.

    What a writer that was killed has left of the same file goes.
    """
    target = Path(path)
    try:
        for left in target.parent.glob(f".{escape(target.name)}.*.partial"):
            with suppress(OSError), open(left, "rb") as file:
                if _held(file):
                    left.unlink(missing_ok=True)
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
        try:
            with open(temporary, "xb") as file:
                _held(file)
                file.write(content)
                file.flush()
                os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidFile(f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def alone(folder: Path, what: str) -> Iterator[None]:
    """Make a folder and keep it from others, who are refused, until the end, however that comes.

    Raises
    ------
    InvalidFile
        If it cannot be made, or another run has it: ``what`` says which.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = os.open(folder, os.O_RDONLY) if fcntl is not None else None
    except OSError as error:
        raise InvalidFile(f"{folder} cannot be made: {error.strerror}") from error
    try:
        if number is not None and _held(number) is False:
            raise InvalidFile(f"{folder} is in use by another {what}; allowed: one at a time")
        yield
    finally:
        if number is not None:
            os.close(number)


def _held(file: BinaryIO | int) -> bool | None:
    """Whether a file or folder is ours now, until it is closed; None where the platform cannot tell."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True


@contextmanager
def reading(path: str | PathLike[str]) -> Iterator[None]:
    """Turn whatever a decoder raises at damaged content into one :class:`InvalidFile`."""
    try:
        yield
    except EquipoiseError:
        raise
    except OSError as error:
        raise InvalidFile(f"{path} cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise InvalidFile(f"{path} does not fit into memory") from error
    except Exception as error:  # zip, .npy, JSON and other libraries' decoders raise anything at all at damaged bytes
        words = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise InvalidFile(f"{path} is damaged or not what its name says: {words}") from error


@contextmanager
def regular(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """Open a regular file for reading: a pipe or a device is refused, and never waited for.

    Raises
    ------
    InvalidFile
        If there is no such file, or it is not a regular file.
    """
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise InvalidFile(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    mode = os.fstat(number).st_mode
    if not stat.S_ISREG(mode):
        os.close(number)
        what = os.strerror(errno.EISDIR) if stat.S_ISDIR(mode) else "it is not a regular file"
        raise InvalidFile(f"{path} cannot be read: {what}")
    with os.fdopen(number, "rb") as file:
        yield file


def size_of(file: BinaryIO, path: str | PathLike[str], limit: int) -> int:
    """Return how many bytes an open file has; raise :class:`InvalidFile` if they are more than ``limit``."""
    size = os.fstat(file.fileno()).st_size
    if size > limit:
        raise InvalidFile(f"{path} has {size} bytes; a file of its kind has at most {limit}")
    return size


def content_of(path: str | PathLike[str], limit: int = LARGEST_JSON) -> bytes:
    """Return the bytes of a regular file.

    Raises
    ------
    InvalidFile
        If it cannot be read, is no regular file, or has more than ``limit`` bytes.
    """
    with regular(path) as file, reading(path):
        size_of(file, path, limit)
        content = file.read(limit + 1)
    if len(content) > limit:  # it grew meanwhile
        raise InvalidFile(f"{path} has more than {limit} bytes; a file of its kind has at most that")
    return content


def text_of(path: str | PathLike[str], limit: int = LARGEST_JSON) -> str:
    """Return the text of a regular file in UTF-8; see :func:`content_of`."""
    try:
        return content_of(path, limit).decode()
    except UnicodeDecodeError as error:
        raise InvalidFile(f"{path} is not text in UTF-8") from error


def strict_json(text: bytes | str) -> Any:
    """Parse JSON; raise :class:`InvalidFile` at a name given twice, NaN, -0, 401 digits, or too much depth."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_int=_whole, parse_constant=_refused)
    except RecursionError as error:
        raise InvalidFile("the JSON is nested too deeply") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InvalidFile(f"the JSON gives {twice[:40]!r} twice; allowed: once")
    return found


def _whole(digits: str) -> int:
    if digits == "-0" or len(digits) > LARGEST_DIGITS:
        raise InvalidFile(
            f"the JSON holds the number {digits[:20]}; allowed: at most {LARGEST_DIGITS} digits, and no -0"
        )
    return int(digits)


def _refused(constant: str) -> None:
    raise InvalidFile(f"the JSON holds {constant}, which JSON does not know")


def json_of(path: str | PathLike[str], limit: int = LARGEST_JSON) -> Any:
    """Return what a JSON file holds, parsed by :func:`strict_json`; every error names the file."""
    return parsed(content_of(path, limit), path)


def parsed(content: bytes, path: str | PathLike[str]) -> Any:
    """Parse the JSON content of a file; every error names the file."""
    with reading(path):
        try:
            return strict_json(content)
        except InvalidFile as error:
            raise InvalidFile(f"{path} cannot be read: {error}") from error


def strict_toml(text: str, path: str | PathLike[str]) -> dict[str, Any]:
    """Parse the TOML content of a file; raise :class:`InvalidFile`, which names the file, at what is none."""
    try:
        return tomllib.loads(text)
    except (RecursionError, ValueError) as error:  # ValueError: what tomllib raises, and Python at endless digits
        raise InvalidFile(f"{path} is not TOML: {error}") from error


def read_arrays(path: str | PathLike[str]) -> dict[str, Any]:
    """Read named arrays from an NPZ or JSON file, or one array named ``scores`` from an NPY file, told by content.

    Raises
    ------
    InvalidFile
        If the file is missing, of another kind, damaged, holds Python objects, or declares more than 16 GiB.
    """
    with regular(path) as file, reading(path):
        start = file.read(len(NPY))
        file.seek(0)
        if start == NPY:
            return {"scores": read_array(file, str(path), size_of(file, path, LARGEST_ARRAY))}
        return read_npz(file, path) if start[:4] in ZIP else read_json(file, path)


def read_npz(file: BinaryIO, path: str | PathLike[str]) -> dict[str, Any]:
    """Read the named arrays of an open NPZ file."""
    arrays: dict[str, Any] = {}
    with zipfile.ZipFile(file) as archive:
        total = 0
        for member in archive.infolist():
            if not member.filename.endswith(".npy"):
                raise InvalidFile(f"{path} holds {member.filename!r}; allowed: arrays (.npy) only")
            total += member.file_size
            if total > LARGEST_ARRAY:
                raise InvalidFile(f"{path} unpacks to more than {LARGEST_ARRAY >> 30} GiB")
        for member in archive.infolist():
            with archive.open(member) as content:
                name = member.filename.removesuffix(".npy")
                arrays[name] = read_array(content, f"{path}: {name}", member.file_size)
    return arrays


def read_json(file: BinaryIO, path: str | PathLike[str]) -> dict[str, Any]:
    """Read the JSON object of an open file."""
    size_of(file, path, LARGEST_JSON)
    content = parsed(file.read(LARGEST_JSON + 1), path)
    if not isinstance(content, dict):
        raise InvalidFile(f"{path} holds a JSON {type(content).__name__}; allowed: an object with named arrays")
    return content


def read_array(file: IO[bytes], name: str, size: int) -> npt.NDArray[Any]:
    """Read one ``.npy`` stream of ``size`` bytes, after its header was compared with that size."""
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
    if any(not 0 <= length <= LARGEST_ARRAY for length in shape) or len(shape) > 32:
        raise InvalidFile(f"{name} declares the shape {shape}")
    if expected > LARGEST_ARRAY or expected > size:
        raise InvalidFile(f"{name} declares {expected} bytes of shape {shape}, the file has {size}")
    content = file.read(expected)
    if len(content) != expected:
        raise InvalidFile(f"{name} ends after {len(content)} of {expected} bytes")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
