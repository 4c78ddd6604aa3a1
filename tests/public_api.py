"""The public interface as lines of text: every public name, how it is called, and the version that made it so.

    python tests/public_api.py

writes public_api.txt anew, after a change that is meant. A line reads ``0.1.0 split(records, *, validation=0.2, ...)``;
a member of a family ``0.1.0 heads/pooled(feature_shape, ...)``, what plugins import from a module
``0.1.0 files.whole_file(path)``; what a version took away ``0.2.0 removed split``.
tests/project/test_public_api.py wants each of them told in CHANGELOG.md under its version.
"""

import ast
import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from packaging.version import Version

import lesionkit
from lesionkit import errors

LISTED = Path(__file__).with_name("public_api.txt")
ROOT = Path(__file__).parents[1]


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "lesionkit":
            yield from ((node.module, one.name) for one in node.names)


#: What lesionkit-tiny shows authors of plugins to import, and all errors: (module, name).
FOR_PLUGINS = {
    found
    for path in ROOT.glob("examples/lesionkit-tiny/src/*/*.py")
    for found in _imported(ast.parse(path.read_text(encoding="utf-8")))
} | {("lesionkit.errors", name) for name, one in vars(errors).items() if isinstance(one, type)}


def interface() -> dict[str, str]:
    """Returns name -> line without the version, of all that there is."""
    return dict(sorted(_found()))


def listed() -> dict[str, tuple[str, str]]:
    """Returns name -> (version, line) as the file has them."""
    rows = [line.split(" ", 1) for line in LISTED.read_text(encoding="utf-8").splitlines()]
    return {name_in(line): (version, line) for version, line in rows}


def name_in(line: str) -> str:
    """Returns the name that a line is about."""
    return re.match(r"(?:removed )?([\w./]+)", line)[1]


def version() -> str:
    """Returns the version that the one in pyproject.toml becomes when it is released (``0.2.0`` for ``0.2.0.dev0``)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return Version(project["version"]).base_version


def updated(before: dict[str, tuple[str, str]], now: dict[str, str], version: str) -> list[str]:
    """Returns the lines of the file: unchanged ones as they were, the others under ``version``."""
    rows = {
        name: (version, line) if before.get(name, ("", ""))[1] != line else before[name] for name, line in now.items()
    }
    for name in before.keys() - now.keys():
        since, line = before[name]
        if line.startswith("removed"):
            rows[name] = (since, line)
        elif since != version:  # what was never released needs no word
            rows[name] = (version, f"removed {name}")
    return [" ".join(row) for _, row in sorted(rows.items())]


def _found() -> Iterator[tuple[str, str]]:
    for name in lesionkit.__all__:
        thing = getattr(lesionkit, name)
        yield name, name + _called(thing)
        if isinstance(thing, ModuleType):
            yield from _in_module(name, thing)
        elif inspect.isclass(thing):
            yield from _of_class(name, thing)
    for module, name in sorted(FOR_PLUGINS):
        if not (module == "lesionkit" and name in lesionkit.__all__):
            path = f"{module}.{name}".removeprefix("lesionkit.")
            yield path, path + _called(getattr(importlib.import_module(module), name))


def _in_module(name: str, module: ModuleType) -> Iterator[tuple[str, str]]:
    own = [one for one, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
    for one in getattr(module, "__all__", [one for one in own if not one.startswith("_")]):
        yield f"{name}.{one}", f"{name}.{one}{_called(getattr(module, one))}"
    if registry := getattr(module, "_registry", None):
        for member in registry._builtins:
            yield f"{name}/{member}", f"{name}/{member}{_called(registry.get(member))}"


def _of_class(name: str, kind: type) -> Iterator[tuple[str, str]]:
    for one, value in vars(kind).items():
        if not one.startswith("_") and (
            callable(value) or isinstance(value, classmethod | staticmethod | property | cached_property)
        ):
            yield f"{name}.{one}", f"{name}.{one}{_called(value)}"


def _called(thing: Any) -> str:
    """Returns the parameters and their defaults, without types; nothing for what is not called."""
    if not callable(thing) and not isinstance(thing, classmethod | staticmethod):
        return ""
    try:
        signature = inspect.signature(getattr(thing, "__func__", thing))
    except ValueError:  # an exception as Python has it
        return "(*args)"
    plain = [one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))


if __name__ == "__main__":
    before = listed() if LISTED.exists() else {}
    LISTED.write_text("\n".join(updated(before, interface(), version())) + "\n", encoding="utf-8")
