"""Arrays at the door: whatever array library a caller uses, NumPy is used inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidProblem


def as_numpy(value: Any, field: str) -> npt.NDArray[Any]:
    """Return ``value`` as a NumPy array of a dtype that NumPy knows; bfloat16 becomes float32, exactly.

    Accepts NumPy arrays, nested sequences, and arrays of any library that supports the array API, DLPack or
    ``__array__`` (torch tensors included, on any device, with or without gradients).

    Raises
    ------
    InvalidProblem
        If ``value`` is not a rectangular array of numbers; ``field`` is the name it is blamed under.
    """
    allowed = "a rectangular array of numbers"
    try:
        if not isinstance(value, np.ndarray) and (hasattr(value, "__dlpack__") or hasattr(value, "detach")):
            value = _foreign_to_numpy(value)
        array = np.asarray(value)
    except InvalidProblem:
        raise
    except Exception as error:  # a foreign array may raise anything at all
        raise InvalidProblem(field, f"not convertible to an array ({_first_line(error)})", allowed) from error
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    if array.dtype == object:
        raise InvalidProblem(field, "an array of Python objects (ragged, or numbers too large for 64 bits)", allowed)
    return array


def _foreign_to_numpy(value: Any) -> npt.NDArray[Any]:
    if hasattr(value, "detach"):
        value = value.detach()
    import array_api_compat

    if array_api_compat.is_array_api_obj(value):
        namespace = array_api_compat.array_namespace(value)
        if str(value.dtype).endswith("bfloat16"):
            value = namespace.astype(value, namespace.float32)
        value = array_api_compat.to_device(value, "cpu")
    return np.asarray(value) if hasattr(value, "__array__") else np.from_dlpack(value)


def whole_numbers(value: Any, field: str, shape: tuple[int | None, ...], low: int, high: int) -> npt.NDArray[np.int64]:
    """Return ``value`` as frozen 64-bit integers of ``shape`` (None: any length) between ``low`` and ``high``.

    Floating-point arrays are taken if every entry is whole: recorded loads often come as 12.0.

    Raises
    ------
    InvalidProblem
        If a number is not whole or out of range, or the shape is another; the first such entry is named.
    """
    array = as_numpy(value, field)
    if array.dtype.kind not in "iuf":
        raise InvalidProblem(field, f"of type {array.dtype}", "whole numbers")
    if array.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, array.shape, strict=True)):
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise InvalidProblem(field, f"of shape {array.shape}", f"shape ({wanted})")
    for what, bad in (
        ("not whole", ~np.isfinite(array) | (array != np.floor(array)) if array.dtype.kind == "f" else None),
        ("too small", array < low),
        ("too large", array > high),
    ):
        if bad is not None and bad.any():
            where = tuple(int(index) for index in np.argwhere(bad)[0])
            raise InvalidProblem(field, f"{what} ({array[where]} at {list(where)})", f"whole numbers, {low} to {high}")
    return frozen(array.astype(np.int64))


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a C-contiguous, native-endian, read-only array of the same values; a copy unless it is one already."""
    native = array.dtype.newbyteorder("=")
    if array.flags.c_contiguous and not array.flags.writeable and array.dtype == native and array.flags.owndata:
        return array
    copy = np.array(array, dtype=native, order="C", copy=True, subok=False)
    copy.flags.writeable = False
    return copy


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
