"""Options that stand in a file: ``equipoise.toml``, or ``[tool.equipoise]`` of ``pyproject.toml``.

At the top stands what the targets are, for `check` and `audit` alike; a table named after a command has its other
options. A key is an option without its dashes. Its value is read as on the command line, which wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from equipoise.errors import InvalidFile
from equipoise.files import strict_toml, text_of

OWN, SHARED, NONE = "equipoise.toml", "pyproject.toml", "none"

CONFIGURED = ("check", "audit")
"""Commands with options in the file."""

TOP = ("targets", "role", "as", "form", "accepts", "declares")
"""Keys at the top of the file: what the targets are."""

FOR_ONE_RUN = ("config", "in-process", "update-baseline")
"""Options that never stand in the file."""

LARGEST = 1 << 20

HELP = (
    f"Take options from FILE, or from no file: '{NONE}'. "
    f"[default: {OWN}, or [tool.equipoise] of {SHARED}, in the current folder]"
)


def configured(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add TARGET, and ``--config``, which makes what the file says the defaults of all other options."""
    config = click.option("--config", metavar="FILE", is_eager=True, expose_value=False, callback=_configure, help=HELP)
    targets = click.argument("targets", nargs=-1, metavar="[TARGET]...", callback=_targets)
    return targets(config(function))


def from_file(context: click.Context, name: str) -> bool:
    """Say whether the value of a parameter comes from the file."""
    return context.get_parameter_source(name) is click.core.ParameterSource.DEFAULT_MAP


def _targets(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    return given or tuple(context.lookup_default("targets") or ())


def _configure(context: click.Context, parameter: click.Parameter, path: str | None) -> None:
    source, table = ("", {}) if path == NONE else _found(path)
    if context.resilient_parsing or not table:
        return
    command = str(context.command.name)
    options = _options(context, command)
    _only_known(context, source, table)
    defaults: dict[str, Any] = {"targets": _listed(table.get("targets", []), f"{source}: targets")}
    said = {key: table[key] for key in TOP[1:] if key in table} | table.get(command, {})
    for key, value in said.items():
        option, place = options[key], key if key in TOP else f"{command}.{key}"
        name = str(option.name)
        defaults[name] = _words(option, value, f"{source}: {place}")
        try:
            option.process_value(context, defaults[name])
        except click.BadParameter as error:
            raise InvalidFile(f"{source}: {place} is {value!r}: {error.message}") from error
    context.default_map = defaults


def _found(path: str | None) -> tuple[str, Mapping[str, Any]]:
    """Return the name of the file and what it says; nothing where there is none."""
    if path is not None:
        table = _table(Path(path))
        if table is None:
            raise InvalidFile(f"{path} has no table [tool.equipoise]")
        return path, table
    tables = {
        name: found for name in (OWN, SHARED) if Path(name).exists() and (found := _table(Path(name))) is not None
    }
    if len(tables) > 1:
        raise InvalidFile(f"there are {OWN} and [tool.equipoise] of {SHARED}; allowed: one of the two")
    return next(iter(tables.items()), ("", {}))


def _table(path: Path) -> Mapping[str, Any] | None:
    content = strict_toml(text_of(path, LARGEST), path)
    if path.name != SHARED:
        return content
    tools = content.get("tool", {})
    table = tools.get("equipoise") if isinstance(tools, dict) else None
    if table is not None and not isinstance(table, dict):
        raise InvalidFile(f"{path}: tool.equipoise is {table!r}; allowed: a table")
    return table


def _options(context: click.Context, name: str) -> dict[str, click.Option]:
    """Return the options of a command that may stand in a file, by key."""
    from equipoise.cli import commands

    command = context.command if context.command.name == name else commands.get_command(context, name)
    assert command is not None
    options = {one.opts[0].removeprefix("--"): one for one in command.params if isinstance(one, click.Option)}
    return {key: option for key, option in options.items() if key not in FOR_ONE_RUN}


def _only_known(context: click.Context, source: str, table: Mapping[str, Any]) -> None:
    """Refuse a key that is none, with the nearest one."""
    given = [key for key in table if key not in CONFIGURED]
    known = list(TOP)
    for name in CONFIGURED:
        inner = table.get(name, {})
        if not isinstance(inner, dict):
            raise InvalidFile(f"{source}: {name} is {inner!r}; allowed: a table")
        given += [f"{name}.{key}" for key in inner]
        if inner:
            known += _own(context, name)
    for place in given:
        if place not in known:
            near = _nearest(place, [*TOP, *(key for name in CONFIGURED for key in _own(context, name))])
            hint = f"did you mean {near!r}?" if near else f"allowed: {', '.join((*TOP, *CONFIGURED))}"
            raise InvalidFile(f"{source} has the key {place!r}; {hint}")


def _own(context: click.Context, name: str) -> list[str]:
    return [f"{name}.{key}" for key in _options(context, name) if key not in TOP]


def _nearest(place: str, known: Sequence[str]) -> str | None:
    """Return the key of the same name in another table, or else one that is spelt nearly so."""
    last = {key.rpartition(".")[2]: key for key in known}
    name = place.rpartition(".")[2]
    if name in last:
        return last[name]
    return next(iter(get_close_matches(place, known, 1) or [last[n] for n in get_close_matches(name, last, 1)]), None)


def _words(option: click.Option, value: Any, where: str) -> Any:
    """Return a value as the command line would have it."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise InvalidFile(f"{where} is {value!r}; allowed: true or false")
        return value
    if option.multiple:
        return _listed(value, where)
    return _word(value, where)


def _listed(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise InvalidFile(f"{where} is {value!r}; allowed: a list")
    return tuple(_word(one, where) for one in value)


def _word(value: Any, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidFile(f"{where} is {value!r}; allowed: a text or a number")
    return str(value)
