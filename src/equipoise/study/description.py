"""What a study is of: a TOML file, decoded strictly into frozen values (docs/reference/study-file.md)."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta, Struct, defstruct
from msgspec.structs import asdict

from equipoise.audits.role_audit import Option
from equipoise.audits.run import choose, role_audit
from equipoise.balancers.adapters.forms import form_named
from equipoise.balancers.find import Target
from equipoise.conditions import Condition
from equipoise.errors import InvalidFile, InvalidProblem
from equipoise.files import strict_toml, text_of
from equipoise.roles import all_roles, role_named
from equipoise.roles.role import Role
from equipoise.study.steptime import StepTime

Positive = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]
Amount = Annotated[float, Meta(ge=0, le=100)]
Gate = Literal["softmax", "sigmoid", "none"]
Movement = Literal["stationary", "drift", "settling", "switch"]
Names = Annotated[tuple[str, ...], Meta(min_length=1)]

LARGEST_DESCRIPTION = 1 << 20
"""Bytes of a description: read whole and by hand."""


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file: unknown keys are refused."""


class Size(Part, frozen=True):
    """T, E and K."""

    tokens: Positive
    experts: Positive
    top_k: Positive


class GeneratedScores(Part, frozen=True, tag_field="kind", tag="generated"):
    """One batch per gate, skew, size and seed: logits ``skew * a[e] + n[t, e]``, a and n standard normal."""

    gate: Annotated[tuple[Gate, ...], Meta(min_length=1)]
    skew: Annotated[tuple[Amount, ...], Meta(min_length=1)]
    size: Annotated[tuple[Size, ...], Meta(min_length=1)]


class RecordedScores(Part, frozen=True, tag_field="kind", tag="recorded"):
    """Held-out batches of the trace that ships; a key left out means all there are."""

    runs: Names | None = None
    steps: tuple[int, ...] | None = None
    layers: tuple[int, ...] | None = None


class ScoresFile(Part, frozen=True, tag_field="kind", tag="file"):
    """Batches of a trace file, as `equipoise audit --trace` reads them."""

    path: str
    top_k: Positive | None = None
    gate: str | None = None
    axes: str | None = None


class GeneratedLoads(Part, frozen=True, tag_field="kind", tag="generated"):
    """Multinomial loads with shares ``rank ** -zipf`` in random order, one record per exponent, E and seed."""

    zipf: Annotated[tuple[Amount, ...], Meta(min_length=1)]
    experts: Annotated[tuple[Positive, ...], Meta(min_length=1)]
    tokens: Positive


class RecordedLoads(Part, frozen=True, tag_field="kind", tag="recorded"):
    """Loads of the training runs in the trace that ships; ``steps`` are so many, evenly spaced, the last among them."""

    runs: Names | None = None
    steps: Positive = 1
    layers: tuple[int, ...] | None = None


class LoadsFile(Part, frozen=True, tag_field="kind", tag="file"):
    """A record of loads, as `equipoise audit --role placer --trace` reads it."""

    path: str
    steps: Positive = 1
    axes: str | None = None


class GeneratedSeries(Part, frozen=True, tag_field="kind", tag="generated"):
    """One series of loads per movement, E and seed, as :func:`equipoise.traces.generated_series` makes them."""

    moves: Annotated[tuple[Movement, ...], Meta(min_length=1)]
    experts: Annotated[tuple[Positive, ...], Meta(min_length=1)]
    steps: Positive = 1000
    tokens: Positive = 8192


class RecordedSeries(Part, frozen=True, tag_field="kind", tag="recorded"):
    """Loads of the training runs in the trace that ships, step after step, a series a layer."""

    runs: Names | None = None
    layers: tuple[int, ...] | None = None


class SeriesFile(Part, frozen=True, tag_field="kind", tag="file"):
    """A record of loads, as `equipoise audit --role predictor --trace` reads it, a series a layer."""

    path: str
    axes: str | None = None


INSTANCES: dict[str, Any] = {
    "scores": GeneratedScores | RecordedScores | ScoresFile,
    "loads": GeneratedLoads | RecordedLoads | LoadsFile,
    "series": GeneratedSeries | RecordedSeries | SeriesFile,
}
"""By the data that a role is tried on."""

NO_SEARCH = {"time_limit": 0.0}
"""Of audits that may search: bounds that take no search do not depend on how fast a machine is."""


class Method(Part, frozen=True):
    """A method, with what is said of it beside its name, as on the command line."""

    name: str
    form: str | None = None
    accepts: str | None = None
    declares: tuple[str, ...] = ()

    def target(self, role: str) -> Target:
        """Return it as what is to be tried."""
        return Target(
            self.name, self.name, role=role, form=self.form, accepts=self.accepts, declares=tuple(self.declares)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what is said of it, without what is not; a method that is a name alone has nothing."""
        return {name: value for name, value in asdict(self).items() if value and name != "name"}

    def sensible(self, role: Role) -> None:
        """Raise :class:`InvalidProblem` if there is no such form, condition or declaration."""
        if self.form is not None:
            form_named(self.form, role.name)
        if self.accepts is not None:
            Condition(self.accepts, role.letters)
        role.declared(self.declares)


class RolePart(Struct, frozen=True):
    """What is studied of a role: methods on instances.

    Attributes
    ----------
    details
        What is said of methods beside their names.
    options
        Of the role's audit, by name; None where the audit finds a value itself.
    seconds
        Time limit of a method on one instance, all calls and training together.
    """

    methods: tuple[str, ...]
    options: dict[str, Any]
    seconds: float
    instances: tuple[Any, ...]
    details: dict[str, Method] = {}

    def said(self, method: str) -> Method:
        """Return a method with what is said of it."""
        return self.details.get(method, Method(method))


class ClusterPart(Part, frozen=True):
    """Sizes for all roles that have devices; what is left out follows from the number of experts."""

    slots: Positive | None = None
    devices: Positive | None = None
    nodes: Positive | None = None
    groups: Positive | None = None


class FiguresPart(Part, frozen=True):
    """What the report draws beside the rows.

    Attributes
    ----------
    frontiers
        Router instances whose exact frontier is drawn, with every method on it.
    streams
        Recorded runs that the routers route step by step.
    heat, layer
        Recorded runs whose loads of every training step are drawn, at this layer.
    devices
        Scheduler or placer instances whose device loads are drawn before and after.
    """

    frontiers: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    heat: tuple[str, ...] = ()
    layer: Natural = 1
    devices: tuple[str, ...] = ()


class Description(Struct, frozen=True):
    """A study. Methods are compared in pairs with the first of their role, or with ``baseline``."""

    title: str
    seeds: tuple[int, ...]
    parts: dict[str, RolePart]
    baseline: str | None = None
    cluster: ClusterPart = ClusterPart()
    time: StepTime = StepTime()
    figures: FiguresPart = FiguresPart()

    def baseline_of(self, role: str) -> str:
        """Return the method that the others of a role are compared with."""
        methods = self.parts[role].methods
        return self.baseline if self.baseline in methods else methods[0]

    def settings_of(self, role: str) -> dict[str, Any]:
        """Return the values of all options of a role's audit: what decides a row beside its case."""
        known = {option.name for option in role_audit(role).options}
        beside = NO_SEARCH | {name: size for name, size in asdict(self.cluster).items() if size is not None}
        own = {name: value for name, value in self.parts[role].options.items() if value is not None}
        return choose(role, {name: value for name, value in beside.items() if name in known} | own)[1]


def shipped() -> Description:
    """Return the study that runs when none is named."""
    return decode((files("equipoise.study") / "shipped.toml").read_text(encoding="utf-8"), "shipped.toml")


def read(path: str) -> Description:
    """Read a description.

    Raises
    ------
    InvalidFile
        Saying where in the file what is wrong, and what is allowed.
    """
    return decode(text_of(path, LARGEST_DESCRIPTION), path)


def decode(text: str, path: str) -> Description:
    """Decode a description; ``path`` is for the words of an error, see :func:`read`."""
    table = strict_toml(text, path)
    found = _converted(table, _whole(), path, "")
    parts = {role: _part(role, getattr(found, role), path) for role in table if role in all_roles()}
    rest = {field.name: getattr(found, field.name) for field in msgspec.structs.fields(Description)[3:]}
    description = Description(found.title, found.seeds, parts, **rest)
    _sensible(description, path)
    return description


def _whole() -> type[Struct]:
    """Return the type of the file: a table for every role that is known."""
    fields: list[Any] = [("title", str), ("seeds", tuple[Natural, ...])]
    fields += [(role, _table_of(role) | None, None) for role in all_roles()]
    fields += [("baseline", str | None, None), ("cluster", ClusterPart, ClusterPart())]
    fields += [("time", StepTime, StepTime()), ("figures", FiguresPart, FiguresPart())]
    return defstruct("Whole", fields, bases=(Part,), frozen=True, forbid_unknown_fields=True)


def _table_of(role: str) -> Any:
    """Return the type of a role's table: methods, the options of its audit, a time limit, instances."""
    fields: list[Any] = [("methods", Annotated[tuple[str | Method, ...], Meta(min_length=1)])]
    fields += [(key, _type_of(option), option.default) for key, option in _options(role).items()]
    fields += [("seconds", Seconds, 30.0), ("instances", tuple[Any, ...], ())]
    return defstruct(role, fields, bases=(Part,), frozen=True, forbid_unknown_fields=True)


def _options(role: str) -> dict[str, Option]:
    """Return the options of a role's table by key: the plural where there may be several values."""
    options = (option for option in role_audit(role).options if option.studied)
    return {f"{option.name}s" if option.several else option.name: option for option in options}


def _type_of(option: Option) -> Any:
    kind: Any = option.kind
    if option.least is not None:
        kind = Annotated[kind, Meta(ge=option.least)]
    if option.several:
        return Annotated[tuple[kind, ...], Meta(min_length=1)]
    return kind | None if option.default is None else kind


def _part(role: str, found: Any, path: str) -> RolePart:
    if not found.instances:
        raise InvalidFile(f"{path}: {role} has no instances; allowed: one [[{role}.instances]] or more")
    kinds = INSTANCES[role_audit(role).data]
    instances = tuple(
        _converted(entry, kinds, path, f"{role}.instances[{number}]") for number, entry in enumerate(found.instances)
    )
    options = {option.name: getattr(found, key) for key, option in _options(role).items()}
    details = {one.name: one for one in found.methods if isinstance(one, Method)}
    for one in details.values():
        try:
            one.sensible(role_named(role))
        except InvalidProblem as error:
            raise InvalidFile(f"{path}: {role}.methods: {one.name}: {error}") from error
    methods = tuple(one.name if isinstance(one, Method) else one for one in found.methods)
    return RolePart(methods, options, found.seconds, instances, details)


def _sensible(description: Description, path: str) -> None:
    """Refuse what types alone do not: nothing to study, twice the same, a baseline that is no method."""
    parts = description.parts
    if not parts:
        roles = ", ".join(f"[{role}]" for role in all_roles())
        raise InvalidFile(f"{path} studies nothing; allowed: one of {roles} or more")
    lists: dict[str, tuple[Any, ...]] = {"seeds": description.seeds}
    for role, part in parts.items():
        several = {key: part.options[option.name] for key, option in _options(role).items() if option.several}
        lists |= {f"{role}.{key}": values for key, values in {"methods": part.methods, **several}.items()}
    for where, values in lists.items():
        if len(set(values)) < len(values) or not values:
            raise InvalidFile(f"{path}: {where} is {list(values)}; allowed: one or more, none of them twice")
    methods = [method for part in parts.values() for method in part.methods]
    if description.baseline is not None and description.baseline not in methods:
        raise InvalidFile(f"{path}: baseline is {description.baseline!r}; allowed: {', '.join(methods)}")
    for role, entry in ((role, entry) for role, part in parts.items() for entry in part.instances):
        for size in entry.size if isinstance(entry, GeneratedScores) else ():
            if size.top_k > size.experts:
                raise InvalidFile(f"{path}: {role}.instances: top_k is {size.top_k}; allowed: 1 to {size.experts}")


def _converted(value: Any, kind: Any, path: str, where: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        words, _, place = str(error).partition(" - at `$")
        inner = place.removesuffix("`").lstrip(".")
        full = ".".join(filter(None, [where, inner])) or "the file"
        tags = [one.__struct_config__.tag for one in get_args(kind)]
        if tags and value.get("kind") not in tags:
            words = f"{where}.kind is {value.get('kind')!r}; allowed: {', '.join(tags)}"
        elif (unknown := re.search(r"unknown field `(.*)`", words)) is not None:
            words = f"{full} has the key {unknown[1]!r}; allowed: {', '.join(_keys(_at(value, kind, inner)))}"
        elif choices := _choices(_at(value, kind, inner)):
            words = f"{full}: {words.lower()}; allowed: {', '.join(choices)}"
        else:
            words = f"{full}: {words[:1].lower()}{words[1:].replace('`', '')}"
        raise InvalidFile(f"{path}: {words}") from error


def _at(value: Any, kind: Any, inner: str) -> Any:
    """Return the type of what stands at a place inside ``value``."""
    for one in get_args(kind):
        if one.__struct_config__.tag == value.get("kind"):
            kind = one
    for name in re.findall(r"[a-z]\w*", inner):
        kind = next(field.type for field in msgspec.structs.fields(_first(kind, _is_table)) if field.name == name)
    return kind


def _keys(kind: Any) -> list[str]:
    """Keys of the table that a type is, or is a list of."""
    table = _first(kind, _is_table)
    return (["kind"] if table.__struct_config__.tag_field else []) + [f.name for f in msgspec.structs.fields(table)]


def _choices(kind: Any) -> list[str]:
    """Return the words that a type is limited to; none if it is not."""
    literal = _first(kind, lambda one: get_origin(one) is Literal)
    return [] if literal is None else [str(choice) for choice in get_args(literal)]


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _first(kind: Any, is_wanted: Callable[[Any], bool]) -> Any:
    """Return the first type, the outermost included, that is wanted among those a type is made of."""
    if is_wanted(kind):
        return kind
    inside = (_first(one, is_wanted) for one in get_args(kind))
    return next((one for one in inside if one is not None), None)
