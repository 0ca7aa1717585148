"""What passes between us and a worker: length-prefixed MessagePack; arrays as dtype, shape and bytes, never pickles."""

from __future__ import annotations

from typing import Any, BinaryIO, Literal

import msgspec
import numpy as np

_ARRAY = 1
_LARGEST = 2 << 30


class Array(msgspec.Struct, array_like=True):
    """An array on the wire; column-major and read-only arrays arrive as such."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes
    order: Literal["C", "F"]
    writeable: bool


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        order: Literal["C", "F"] = "F" if value.flags.fnc else "C"
        array = Array(value.dtype.str, value.shape, value.tobytes(order), order, value.flags.writeable)
        return msgspec.msgpack.Ext(_ARRAY, msgspec.msgpack.encode(array))
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _decode(code: int, data: memoryview) -> Any:
    if code != _ARRAY:
        raise ValueError(f"unknown extension {code}")
    array = msgspec.msgpack.decode(data, type=Array)
    dtype = np.dtype(array.dtype)
    if dtype.hasobject:
        raise ValueError("an array of objects cannot be received")
    received = np.frombuffer(array.data, dtype).reshape(array.shape, order=array.order)
    return received.copy(order="K") if array.writeable else received


def encoded(message: Any) -> bytes:
    """Return the bytes of one message."""
    content = msgspec.msgpack.encode(message, enc_hook=_encode)
    return len(content).to_bytes(8, "little") + content


def send(stream: BinaryIO, message: Any) -> None:
    """Write one message."""
    stream.write(encoded(message))
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Read one message.

    Raises
    ------
    EOFError
        If the other side is gone.
    ValueError
        If what arrives is not a message.
    """
    head = stream.read(8)
    if len(head) < 8:
        raise EOFError
    size = int.from_bytes(head, "little")
    if size > _LARGEST:
        raise ValueError(f"a message of {size} bytes")
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return msgspec.msgpack.decode(content, ext_hook=_decode)
