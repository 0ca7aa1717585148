"""What a method's code is, as a hash: rows are made again when it changes, and only then."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
import shlex
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

from equipoise.balancers.command import PREFIX
from equipoise.balancers.find import look_here, resolve
from equipoise.errors import TargetNotFound
from equipoise.roles import role_named

LENGTH = 16


def code_of(method: str, role: str) -> str:
    """Return the hash of the code that a method's name leads to (our definition).

    * ``package.module:attribute``, an entry point or a built-in name: the module, and the modules of the same package
      that it imports, directly or not, wherever in their text; of a built-in one also its settings.
    * ``path/to/file.py:attribute``: the file.
    * ``cmd:`` and a command line: the files among its words.

    Other packages do not count, nor does what is imported by a name made at run time.

    Raises
    ------
    TargetNotFound
        If the name leads nowhere.
    """
    found = hashlib.sha256()
    for name, content in _parts(method, role):
        for part in (name.encode(), content):
            found.update(len(part).to_bytes(8, "little") + part)
    return found.hexdigest()[:LENGTH]


def _parts(method: str, role: str) -> Iterator[tuple[str, bytes]]:
    """Yield what makes up the code, under names that are the same wherever it is installed."""
    if method.startswith(PREFIX):
        try:
            words = shlex.split(method.removeprefix(PREFIX))
        except ValueError as error:
            raise TargetNotFound(f"target {method!r} is not a command: {error}") from error
        yield from ((word, _read(Path(word))) for word in words if Path(word).is_file())
        return
    if (entry := role_named(role).catalogue.get(method)) is not None:
        yield "settings", json.dumps([entry.attribute, dict(entry.settings)], sort_keys=True).encode()
        place = f"equipoise.reference.{entry.module}"
    else:
        place = method.rpartition(":")[0]
        if not place:
            entries = importlib.metadata.entry_points(group="equipoise.balancers", name=method)
            place = next((one.module for one in entries), "")
    if place.endswith(".py"):
        yield place, _read(Path(place))
        return
    look_here()
    top = place.partition(".")[0]
    if not top or _found(top) is None:
        resolve(method, role)  # says what is wrong
    files = _modules(place)
    yield from ((name, _read(files[name])) for name in sorted(files))


def _modules(start: str) -> dict[str, Path]:
    """Return the file of a module and of those of its package that it imports, directly or not, by name."""
    found: dict[str, Path] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in found and (path := _file_of(name)) is not None:
            found[name] = path
            waiting += [one for one in _imports(name, path) if one.partition(".")[0] == start.partition(".")[0]]
    return found


def _file_of(name: str) -> Path | None:
    """Return the file of a module as a fresh process would find it; nothing is imported for that."""
    top, *inner = name.split(".")
    spec = _found(top)
    if spec is None:
        return None
    if not inner:
        return Path(spec.origin) if spec.origin is not None and Path(spec.origin).is_file() else None
    for root in spec.submodule_search_locations or ():
        place = Path(root, *inner)
        compiled = [path for suffix in ("so", "pyd") for path in sorted(place.parent.glob(f"{place.name}.*{suffix}"))]
        for path in (place.with_name(f"{place.name}.py"), place / "__init__.py", *compiled):
            if path.is_file():
                return path
    return None


def _found(top: str) -> ModuleSpec | None:
    """Return where a module that is in no package is, whatever this process has imported under its name."""
    specs = (finder.find_spec(top, None) for finder in sys.meta_path)
    return next((spec for spec in specs if spec is not None), None)


def _imports(name: str, path: Path) -> Iterator[str]:
    """Yield the modules that the text of a module imports, those of its package by their full names."""
    try:
        tree = ast.parse(_read(path))
    except (SyntaxError, ValueError):
        return
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.level == 0 or package):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package or None)
            inside = {one.name: f"{base}.{one.name}" for one in node.names}
            yield from (full if _file_of(full) is not None else base for full in inside.values())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TargetNotFound(f"{path} cannot be read: {error.strerror or error}") from error
