"""One codec for certificates: every field is declared once, and files and hashes follow from the declarations.

The fields of a record say in their annotations how they stand in a file::

    load: Annotated[Integers, Array("E")]

From these follow the structure that a file is parsed into (:func:`structure`), the way there and back (:func:`to_plain`
and :func:`from_plain`), and the hash (:func:`digest`). Axes that share a name have one length within a record.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import chain
from math import prod
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import msgspec
import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidFile, InvalidProblem

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Axes = tuple[str, ...]
Sizes = dict[str, int]
"""Length of every axis met so far, by its name."""

R = TypeVar("R", bound="Record")

LARGEST_INTEGER = 10**400
_CHUNK = 1 << 16
_FORMS: dict[type, dict[str, Form]] = {}
_STRUCTURES: dict[type, type[msgspec.Struct]] = {}


class Record:
    """A dataclass whose annotations say how its fields stand in a file."""

    def confirm(self) -> None:
        """Raise :class:`InvalidProblem` where fields that were read from a file contradict each other."""


class Form:
    """How a field stands in a file: here as it is, under its own name.

    Parameters
    ----------
    plain
        Type that JSON is parsed into.
    optional
        Whether the field may be None, in a file null.
    """

    def __init__(self, plain: Any, *, optional: bool = False) -> None:
        self.plain, self.optional = plain, optional

    def parts(self, name: str) -> dict[str, Any]:
        """Types of the file's fields that hold this one."""
        return {name: self.plain | None if self.optional else self.plain}

    def write(self, name: str, value: Any) -> dict[str, Any]:
        """Return the file's fields."""
        return {name: None if value is None else self.to_plain(value)}

    def read(self, name: str, document: Any, prefix: str, sizes: Sizes) -> Any:
        """Take the value from the parsed fields; raise :class:`InvalidFile` naming it with ``prefix``."""
        given = getattr(document, name)
        return None if given is None else self.of_plain(prefix + name, given, sizes)

    def to_plain(self, value: Any) -> Any:
        """Return the one field's content."""
        return value

    def of_plain(self, name: str, given: Any, sizes: Sizes) -> Any:
        """Take the value from the one field's content."""
        if isinstance(given, int) and abs(given) >= LARGEST_INTEGER:
            raise InvalidFile(f"{name} has more than 400 digits")
        return given

    def arrays(self, value: Any) -> list[tuple[Axes, str, Any]]:
        """Return the arrays in the value, each with its axes and the type of a number in the hash."""
        return []


class Array(Form):
    """Integers along named axes; not empty, unless ``least`` is 0."""

    hashed = "<i8"

    def __init__(self, *axes: str, optional: bool = False, least: int = 1, item: Any = int) -> None:
        plain: Any = item
        for _ in axes:
            plain = list[plain]
        super().__init__(plain, optional=optional)
        self.axes, self.least = axes, least

    def to_plain(self, value: Any) -> Any:
        """Return nested lists."""
        return value[:].tolist()

    def of_plain(self, name: str, given: Any, sizes: Sizes) -> Any:
        """Refuse ragged and empty lists, and lengths other than those of the same axes before."""
        try:
            array = np.array(given, np.int64)
        except (OverflowError, ValueError) as error:
            raise InvalidFile(f"{name} is ragged or holds a number beyond 64 bits") from error
        if array.ndim != len(self.axes) or array.size < self.least:
            raise InvalidFile(f"{name} has shape {array.shape}; allowed: {len(self.axes)} non-empty dimension(s)")
        for axis, size in zip(self.axes, array.shape, strict=True):
            if sizes.setdefault(axis, size) != size:
                raise InvalidFile(f"{name} has {size} entries; allowed: {axis}={sizes[axis]}")
        return array

    def arrays(self, value: Any) -> list[tuple[Axes, str, Any]]:
        """Return the array itself."""
        return [] if value is None else [(self.axes, self.hashed, value)]


class Bits(Array):
    """Booleans along named axes, in a file 0 and 1 (with ``item=bool``: false and true), in the hash one byte each."""

    hashed = "u1"

    def to_plain(self, value: Any) -> Any:
        """Return nested lists."""
        return value.tolist() if self.plain == list[bool] else value.astype(int).tolist()

    def of_plain(self, name: str, given: Any, sizes: Sizes) -> Any:
        """Refuse what is neither 0 nor 1."""
        array = super().of_plain(name, given, sizes)
        if ((array != 0) & (array != 1)).any():
            raise InvalidFile(f"{name} holds something else than 0 and 1")
        return array.astype(bool)


class Members(Form):
    """Booleans along one axis, in a file the indices of the true ones."""

    def __init__(self, axis: str) -> None:
        super().__init__(list[int])
        self.axis = axis

    def to_plain(self, value: Any) -> Any:
        """Return the indices."""
        return np.flatnonzero(value).tolist()

    def of_plain(self, name: str, given: Any, sizes: Sizes) -> Any:
        """Refuse indices beyond the axis."""
        members = np.zeros(sizes[self.axis], bool)
        if any(not 0 <= index < len(members) for index in given):
            raise InvalidFile(f"{name} names one that does not exist; allowed: 0 to {len(members) - 1}")
        members[given] = True
        return members


class Ratio(Form):
    """A fraction, not negative, in a file ``"p/q"`` or ``"p"`` with at most 400 digits each."""

    def __init__(self) -> None:
        super().__init__(str)

    def to_plain(self, value: Any) -> Any:
        """Return the text."""
        return str(value)

    def of_plain(self, name: str, given: Any, sizes: Sizes) -> Any:
        """Refuse other texts."""
        if not re.fullmatch(r"[0-9]{1,400}(/[0-9]{1,400})?", given) or re.search(r"/0+$", given):
            raise InvalidFile(f"{name} is {given[:40]!r}; allowed: a fraction such as '1/1024'")
        return Fraction(given)


class Nested(Form):
    """A record inside another; they share their axes."""

    def __init__(self, record: type[Record]) -> None:
        super().__init__(structure(record))
        self.record = record

    def to_plain(self, value: Any) -> Any:
        """Return its fields."""
        return to_plain(value)

    def of_plain(self, name: str, given: Any, sizes: Sizes) -> Any:
        """Build the record."""
        return from_plain(self.record, given, f"{name}.", sizes)


Exponent = Annotated[int, Form(Annotated[int, msgspec.Meta(ge=-1100, le=1200)])]
Whole = Annotated[int, Form(int)]
Flag = Annotated[bool, Form(bool)]
Text = Annotated[str, Form(str)]
Rational = Annotated[Fraction, Ratio()]


def forms(record: type[Record]) -> dict[str, Form]:
    """Return the declared fields of a record."""
    if record not in _FORMS:
        hints = get_type_hints(record, include_extras=True).items()
        declared = {name: [form for form in get_args(hint) if isinstance(form, Form)] for name, hint in hints}
        _FORMS[record] = {name: found[0] for name, found in declared.items() if found}
    return _FORMS[record]


def parts(record: type[Record]) -> list[tuple[str, Any]]:
    """Return the fields of a record in a file, with their types."""
    return list(chain.from_iterable(form.parts(name).items() for name, form in forms(record).items()))


def structure(record: type[Record]) -> type[msgspec.Struct]:
    """Return the strict structure that a file's fields of a record are parsed into."""
    if record not in _STRUCTURES:
        name = record.__name__.replace("Statement", "ProblemFile")
        _STRUCTURES[record] = strict(name, parts(record), record.__doc__)
    return _STRUCTURES[record]


def strict(name: str, fields: Sequence[Any], doc: str | None) -> type[msgspec.Struct]:
    """Define a structure that refuses unknown fields."""
    namespace = {"__doc__": doc}
    return msgspec.defstruct(name, fields, namespace=namespace, frozen=True, forbid_unknown_fields=True)


def to_plain(record: Record) -> dict[str, Any]:
    """Return the fields of a record as they stand in a file."""
    written = (form.write(name, getattr(record, name)) for name, form in forms(type(record)).items())
    return dict(chain.from_iterable(fields.items() for fields in written))


def from_plain(record: type[R], document: Any, prefix: str = "", sizes: Sizes | None = None, **more: Any) -> R:
    """Build a record from the parsed fields.

    Raises
    ------
    InvalidFile
        If the values of fields, or their sizes, contradict each other.
    """
    sizes = {} if sizes is None else sizes
    fields = {name: form.read(name, document, prefix, sizes) for name, form in forms(record).items()}
    found = record(**fields, **more)
    try:
        found.confirm()
    except InvalidProblem as error:
        raise InvalidFile(f"{prefix}{error}") from error
    return found


def digest(record: Record, head: str) -> str:
    """SHA-256 over a line of text, ``head`` with the record's fields and sizes filled in, and all arrays in order.

    Numbers are 8 bytes, little-endian; booleans one byte.
    """
    found = (form.arrays(getattr(record, name)) for name, form in forms(type(record)).items())
    arrays = list(chain.from_iterable(found))
    sizes = {axis: size for axes, _, array in arrays for axis, size in zip(axes, array.shape, strict=True)}
    state = hashlib.sha256(f"{head.format(self=record, **sizes)}\n".encode())
    for _, kind, array in arrays:
        rows = max(1, _CHUNK // max(1, prod(array.shape[1:])))
        for start in range(0, len(array), rows):
            state.update(np.ascontiguousarray(array[start : start + rows], kind).data)
    return state.hexdigest()
