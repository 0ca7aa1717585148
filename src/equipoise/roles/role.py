"""What the house asks of a role, and what a case of one is: the input of a check, which goes through JSON unchanged."""

from __future__ import annotations

import base64
import importlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidFile, InvalidProblem
from equipoise.reference.catalogue import Entry

if TYPE_CHECKING:
    from equipoise.balancers.balancer import Balancer

_LARGEST = 1 << 26

_NUMBER = re.compile(r"(?<=by )\d+(\.\d+)?$")

RANDOM = {"random": "two runs may differ"}
STATEFUL = {"stateful": "earlier calls matter, though there is no `reset()`"}
BY_NAME = {"depends on expert order": "the names of the experts matter"}
"""Declarations that mean the same for several roles."""


@dataclass(frozen=True, eq=False)
class Case(ABC):
    """Base of all cases: JSON both ways, a size to compare by, a few lines to look at."""

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {}
    """The letters of the last axes of the arrays in a field; what has the same letter has the same length."""

    @abstractmethod
    def calls(self) -> list[tuple[Any, ...]]:
        """Return the positional arguments of every call that the case asks for, in order of time."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; floats travel as the bytes they are, beside numbers one can read.

        What is None, or an empty tuple, is left out: files of before such a field stay as they are.
        """
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        kept = {name: value for name, value in values if isinstance(value, np.ndarray) or value not in (None, ())}
        return {name: _to_json(value) for name, value in kept.items()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        InvalidFile
            If the document is not such a case.
        """
        names = {field.name for field in fields(cls)}
        needed = {field.name for field in fields(cls) if field.default is MISSING}
        if not needed <= set(document) <= names:
            raise InvalidFile(f"a {cls.__name__} has the fields {sorted(names)}, not {sorted(document)}")
        return cls(**{name: _from_json(name, value) for name, value in document.items()})

    @property
    def valid(self) -> bool:
        """Whether its parts fit each other: what can be asked of a balancer at all."""
        return True

    @property
    def steps(self) -> int:
        """Number of calls."""
        return len(self.calls())

    @property
    def size(self) -> int:
        """Number of array entries: what "smallest" means."""
        values = (getattr(self, field.name) for field in fields(self))
        items = (item for value in values for item in (value if isinstance(value, tuple) else (value,)))
        return sum(item.size for item in items if isinstance(item, np.ndarray))


@dataclass(frozen=True, eq=False)
class Role:
    """One role, as a value.

    Attributes
    ----------
    name
        As users say it, for instance "router".
    home
        The module that calls this value ``ROLE``.
    arguments
        Names of the positional arguments of a call, in order; a command gets them under these names.
    answer
        Name under which a command sends its answer back.
    noun
        What an answer is, for messages: an answer that is none "gives no <noun>".
    read
        ``read(returned, *arguments)``: the answer that a balancer's return value is; raises
        :class:`~equipoise.errors.TargetError` if it is none.
    case
        Type of the cases that checks are tried on.
    letters
        Names of the sizes of an input, for instance ``("T", "E", "K")``: what conditions on inputs are written in.
    shape
        ``shape(*arguments)``: those sizes of one call, in the same order: what a balancer's ``accepts`` is asked about.
    must_take
        Conditions on the sizes under which no balancer of the role may refuse an input.
    boundaries
        A short fixed list of cases at the edges of what a balancer may be asked, by name.
    telltales
        Names of parameters that only this role has.
    catalogue
        Built-in balancers by name.
    attributes
        What a balancer may show beside its answers, for instance ``bias``.
    declarations
        What a balancer may declare in ``capabilities``, or somebody for it, and what each means; an N stands for a
        number.
    kinds
        Those declarations of which every balancer makes exactly one, also said with ``--as``: what it computes, where
        balancers of the role compute different things. Empty: all compute the same.
    calls
        ``calls(capabilities, case)``: the calls of a case, as a balancer with these capabilities takes them; none where
        the case is not for it.
    probe
        Finds out by a harmless call what cannot be read off the balancer; returns capabilities.
    audit, checks
        Modules of the role's audit and its checks.
    """

    name: str
    home: str
    arguments: tuple[str, ...]
    answer: str
    noun: str
    read: Callable[..., Any]
    case: type[Case]
    letters: tuple[str, ...]
    shape: Callable[..., list[int]]
    boundaries: Mapping[str, Case]
    telltales: frozenset[str]
    catalogue: Mapping[str, Entry] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    declarations: Mapping[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    calls: Callable[[frozenset[str], Any], list[tuple[Any, ...]]] = lambda capabilities, case: case.calls()
    probe: Callable[[Balancer], frozenset[str]] = lambda balancer: frozenset()
    must_take: tuple[str, ...] = ()
    audit: str = ""
    checks: str = ""

    def sizes(self, *arguments: Any) -> str:
        """Return the sizes of a call in words: "T = 8, E = 4, K = 2"."""
        return ", ".join(f"{a} = {n}" for a, n in zip(self.letters, self.shape(*arguments), strict=True))

    def declared(self, names: Iterable[str]) -> frozenset[str]:
        """Return the names, each of which must be one of :attr:`declarations`.

        Raises
        ------
        InvalidProblem
            If one is not, with the nearest one.
        """
        for name in (found := frozenset(names)):
            if with_any_number(name) not in self.declarations or name.endswith(" N"):
                near = get_close_matches(name, self.declarations, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise InvalidProblem("declares", repr(name), f"for a {self.name} {', '.join(self.declarations)}{hint}")
        return found

    def kind_of(self, names: Iterable[str]) -> frozenset[str]:
        """Return the one of :attr:`kinds` that is among the names; nothing where the role has no kinds.

        Raises
        ------
        InvalidProblem
            If there is none, or more than one.
        """
        found = frozenset(names).intersection(self.kinds)
        if self.kinds and len(found) != 1:
            given = " and ".join(sorted(found)) or "not said"
            raise InvalidProblem("--as", given, f"what the {self.name} computes, one of {', '.join(self.kinds)}")
        return found

    def __post_init__(self) -> None:
        object.__setattr__(self, "audit", self.audit or f"equipoise.audits.{self.name}")
        object.__setattr__(self, "checks", self.checks or f"equipoise.checks.{self.name}")

    def __reduce__(self) -> Any:
        return importlib.import_module("equipoise.roles").register, (self.home,)  # which imports this module

    def __repr__(self) -> str:
        return f"<role {self.name}>"


def with_any_number(declaration: str) -> str:
    """Return what a declaration is called in :attr:`Role.declarations`: "scaled by 2.5" is a "scaled by N"."""
    return _NUMBER.sub("N", declaration)


def shown(name: str, array: npt.NDArray[Any]) -> str:
    """Return ``name = np.array(...)``, for a person to read and paste."""
    start = f"{name} = np.array("
    return f"{start}{np.array2string(array, separator=', ', threshold=64, prefix=start)}, dtype=np.{array.dtype})"


def _to_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, np.ndarray):
        exact = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"dtype": value.dtype.str, "shape": list(value.shape), "bytes": exact, "values": value.tolist()}
    return value


def _from_json(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_from_json(name, item) for item in value)
    if not isinstance(value, dict):
        return value
    try:
        dtype, shape = np.dtype(value["dtype"]), tuple(int(length) for length in value["shape"])
        content = base64.b64decode(value["bytes"], validate=True)
        if dtype.kind not in "biuf" or len(content) > _LARGEST:
            raise ValueError(f"{dtype} of {len(content)} bytes")
        return np.frombuffer(content, dtype).reshape(shape).copy()  # a balancer may write into what it is given
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidFile(f"{name} is not an array: {error}") from error
