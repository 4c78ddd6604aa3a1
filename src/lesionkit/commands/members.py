"""The members of every family: where each comes from, and what it is and takes, in words."""

import dataclasses
import difflib
import inspect
import re
import textwrap
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from lesionkit.backbones import Backbone
from lesionkit.errors import UnknownNameError
from lesionkit.registry import BUILT_IN

FAMILIES = ("datasets", "checks", "preprocessors", "augmenters", "backbones", "heads", "trainers", "reports")


@dataclass(frozen=True)
class Member:
    """A name that stands for a part.

    Attributes:
        family: plural, such as ``"heads"``.
        name: what ``get`` takes.
        origin: where it comes from, as the family's ``origin`` says it.
    """

    family: str
    name: str
    origin: str


def family(name: str) -> ModuleType:
    """Returns the package of a family: ``register``, ``get``, ``names``, ``origin``."""
    return import_module(f"lesionkit.{name}")


def members(of: str) -> list[Member]:
    """Returns the members of a family by name; imports none of them."""
    registry = family(of)
    return [Member(of, name, registry.origin(name)) for name in registry.names()]


def called(name: str) -> list[Member]:
    """Returns the members of this name in any family; imports none.

    Raises:
        UnknownNameError: there is none.
    """
    every = [member for of in FAMILIES for member in members(of)]
    found = [member for member in every if member.name == name]
    if not found:
        near = difflib.get_close_matches(name, [member.name for member in every], n=3)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise UnknownNameError(f"No {name!r} in any family.{hint} All names: lesionkit list")
    return found


def purpose(of: str) -> str:
    """Returns what a family is for."""
    return inspect.cleandoc(family(of).__doc__ or "").partition("\n")[0]


def listed(of: str) -> str:
    """Returns what a family is for, and its members by where they come from."""
    found = members(of)
    origins = sorted({one.origin for one in found}, key=lambda origin: (origin != BUILT_IN, origin))
    lines = [_plain(purpose(of))]
    for origin in origins:
        names = ", ".join(one.name for one in found if one.origin == origin)
        lines.append(textwrap.fill(f"{origin}: {names}", 100, initial_indent="  ", subsequent_indent="    "))
    return "\n".join(lines)


def told(member: Member) -> str:
    """Returns what a member is and takes; imports it.

    Raises:
        UnknownNameError: its package fails to import.
    """
    part = family(member.family).get(member.name)
    head = f"{member.name}: {member.family}, {member.origin}"
    about = _backbone(part) if isinstance(part, Backbone) else _function(member.name, part)
    return "\n\n".join([head, *about])


def _backbone(part: Backbone) -> list[str]:
    native = ", ".join([part.native.name, *(f"{name}={value!r}" for name, value in part.native.options.items())])
    rows = {
        "parameters": f"{part.parameters:,}",
        "least size": f"{part.min_size} x {part.min_size} pixels",
        "native preprocessor": native,
        "stages": ", ".join(stage.name for stage in part.stages),
        "source": part.source,
    }
    options = 'weights: "imagenet", a file, or None for random ones'
    return [f'Part("{part.name}", weights="imagenet")', _table(rows), options]


def _function(name: str, part: Any) -> list[str]:
    text = inspect.getdoc(part) or ""
    try:
        signature = inspect.signature(part)
    except (TypeError, ValueError):  # not a function, or none that Python can look into
        return [repr(part)]
    made = {one.name: _Made(one.default_factory) for one in _fields(part) if callable(one.default_factory)}
    bare = [
        one.replace(annotation=inspect.Parameter.empty, default=made.get(one.name, one.default))
        for one in signature.parameters.values()
    ]
    call = f"{name}{signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)}"
    meanings: dict[str, str] = {}
    for one in reversed(inspect.getmro(part)) if inspect.isclass(part) else [part]:
        meanings |= _meanings(inspect.cleandoc(one.__doc__ or ""))
    options = {str(one): meanings[one.name] for one in bare if one.name in meanings}
    return [call, _plain(" ".join(text.partition("\n\n")[0].split())), *([_table(options)] if options else [])]


@dataclass(frozen=True)
class _Made:
    """A default that is made anew each time, shown as the call that makes it."""

    factory: Any

    def __repr__(self) -> str:
        return f"{getattr(self.factory, '__name__', type(self.factory).__name__)}()"


def _fields(part: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(part) if dataclasses.is_dataclass(part) else ()


def _meanings(text: str) -> dict[str, str]:
    """Returns argument -> what a Google-style docstring says of it."""
    section = re.search(r"^(?:Args|Attributes):\n((?:(?: {4}.*)?\n)*)", f"{text}\n", re.MULTILINE)
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section[1] if section else "", re.MULTILINE)
    return {name: _plain(" ".join(meaning.split())) for name, meaning in found}


def _plain(text: str) -> str:
    """Returns a docstring's text without its markup."""
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?([^`<>]+)`", r"\1", text)
    return text.replace("``", "")


def _table(rows: dict[str, str]) -> str:
    width = max(map(len, rows)) + 2
    return "\n".join(
        textwrap.fill(f"  {name:{width}}{text}", 100, subsequent_indent=" " * (width + 2))
        for name, text in rows.items()
    )
