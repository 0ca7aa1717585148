"""What a study is of: a TOML file, decoded strictly into frozen values (docs/study.md lists every key)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from equipoise.audit.forecasts import HORIZONS, ORIGINS
from equipoise.errors import InvalidFile
from equipoise.study.steptime import StepTime

Positive = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]
Amount = Annotated[float, Meta(ge=0, le=100)]
Gate = Literal["softmax", "sigmoid", "none"]
Movement = Literal["stationary", "drift", "settling", "switch"]
Names = Annotated[tuple[str, ...], Meta(min_length=1)]


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


Series = GeneratedSeries | RecordedSeries | SeriesFile
Scores = GeneratedScores | RecordedScores | ScoresFile
Loads = GeneratedLoads | RecordedLoads | LoadsFile


class RouterPart(Part, frozen=True):
    """Routers, held against the certified optimum at their own peak load.

    A router with ``reset()`` sees a batch ``passes`` times and is judged on the last; ``seconds`` is the time limit of
    a method on one instance, all passes together.
    """

    methods: Names
    passes: Positive = 50
    seconds: Seconds = 30.0
    instances: tuple[Any, ...] = ()


class SchedulerPart(Part, frozen=True):
    """Schedulers, held against the certified optimum on the placement that the placer ``placement`` makes."""

    methods: Names
    placement: str = "eplb"
    seconds: Seconds = 30.0
    instances: tuple[Any, ...] = ()


class PlacerPart(Part, frozen=True):
    """Placers with replicas that share evenly, held against a proved bound over all placements."""

    methods: Names
    seconds: Seconds = 30.0
    instances: tuple[Any, ...] = ()


class PredictorPart(Part, frozen=True):
    """Predictors, held beside the noise floor: forecasts after ``origins`` steps of every series, up to each horizon.

    Horizons that do not fit a series twice are left out for it. ``seconds`` is the time limit of a method on one
    series, all forecasts and training together.
    """

    methods: Names
    horizons: Annotated[tuple[Positive, ...], Meta(min_length=1)] = HORIZONS
    origins: Positive = ORIGINS
    seconds: Seconds = 30.0
    instances: tuple[Any, ...] = ()


class ClusterPart(Part, frozen=True):
    """Sizes for schedulers and placers; what is left out follows from the number of experts."""

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


class Description(Part, frozen=True):
    """A study. Methods are compared in pairs with the first of their role, or with ``baseline``."""

    title: str
    seeds: tuple[Natural, ...]
    router: RouterPart | None = None
    scheduler: SchedulerPart | None = None
    placer: PlacerPart | None = None
    predictor: PredictorPart | None = None
    baseline: str | None = None
    cluster: ClusterPart = ClusterPart()
    time: StepTime = StepTime()
    figures: FiguresPart = FiguresPart()

    @property
    def parts(self) -> dict[str, RouterPart | SchedulerPart | PlacerPart | PredictorPart]:
        """The roles that are studied."""
        named = {role: getattr(self, role) for role in ("router", "scheduler", "placer", "predictor")}
        return {role: part for role, part in named.items() if part is not None}

    def baseline_of(self, role: str) -> str:
        """Return the method that the others of a role are compared with."""
        methods = self.parts[role].methods
        return self.baseline if self.baseline in methods else methods[0]


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
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidFile(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InvalidFile(f"{path} is no text in UTF-8") from error
    return decode(text, path)


def decode(text: str, path: str) -> Description:
    """Decode a description; ``path`` is for the words of an error, see :func:`read`."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidFile(f"{path} is no TOML: {error}") from error
    description: Description = _converted(table, Description, path, "")
    for role, part in description.parts.items():
        kinds: Any = {"router": Scores, "predictor": Series}.get(role, Loads)
        if not part.instances:
            raise InvalidFile(f"{path}: {role} has no instances; allowed: one [[{role}.instances]] or more")
        decoded = tuple(
            _converted(entry, kinds, path, f"{role}.instances[{number}]") for number, entry in enumerate(part.instances)
        )
        parts = {role: msgspec.structs.replace(part, instances=decoded)}
        description = msgspec.structs.replace(description, **parts)
    _sensible(description, path)
    return description


def _sensible(description: Description, path: str) -> None:
    """Refuse what types alone do not: nothing to study, twice the same, a baseline that is no method."""
    if not description.parts:
        raise InvalidFile(
            f"{path} studies nothing; allowed: one of [router], [scheduler], [placer], [predictor] or more"
        )
    lists: dict[str, tuple[Any, ...]] = {f"{role}.methods": part.methods for role, part in description.parts.items()}
    if description.predictor is not None:
        lists["predictor.horizons"] = description.predictor.horizons
    for where, values in {"seeds": description.seeds, **lists}.items():
        if len(set(values)) < len(values) or not values:
            raise InvalidFile(f"{path}: {where} is {list(values)}; allowed: one or more, none of them twice")
    methods = [method for part in description.parts.values() for method in part.methods]
    if description.baseline is not None and description.baseline not in methods:
        raise InvalidFile(f"{path}: baseline is {description.baseline!r}; allowed: {', '.join(methods)}")
    for entry in () if description.router is None else description.router.instances:
        for size in entry.size if isinstance(entry, GeneratedScores) else ():
            if size.top_k > size.experts:
                raise InvalidFile(f"{path}: router.instances: top_k is {size.top_k}; allowed: 1 to {size.experts}")


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
