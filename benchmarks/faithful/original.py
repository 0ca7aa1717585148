"""Originals: modules and single functions out of somebody else's files, run as they are written there."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from typing import Any


def module(path: Path) -> Any:
    """Import a file that needs nothing beside it."""
    specification = importlib.util.spec_from_file_location(f"original_{path.stem}", path)
    if specification is None or specification.loader is None:
        raise FileNotFoundError(path)
    found = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = found
    specification.loader.exec_module(found)
    return found


def functions(path: Path, names: list[str], **beside: Any) -> dict[str, Any]:
    """Compile functions, methods or classes of a file, wherever they stand in it, with these names beside them.

    For files whose imports need a GPU or a framework: what a function takes from them, ``beside`` stands in for.
    """
    tree = ast.parse(path.read_text())
    found = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    missing = [name for name in names if name not in found]
    if missing:
        raise LookupError(f"{path} has no {', '.join(missing)}")
    space: dict[str, Any] = {"__name__": __name__} | beside
    body: list[ast.stmt] = [found[name] for name in names]
    exec(compile(ast.Module(body, []), str(path), "exec", flags=annotations.compiler_flag), space)
    return space
