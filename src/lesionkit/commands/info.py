"""The command ``info``: what a member of a family is and takes, in words."""

import argparse
import dataclasses
import difflib
import inspect
import re
import textwrap
from dataclasses import dataclass
from typing import Any

from lesionkit.backbones import Backbone
from lesionkit.commands.list import FAMILIES, Member, family, members, plain
from lesionkit.errors import UnknownNameError


def info(options: argparse.Namespace) -> str:
    """Returns what the members of a name are and take."""
    return "\n\n".join(map(described, called(options.name)))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``info``."""
    parser.set_defaults(job=info, quiet=True)
    parser.add_argument("name", metavar="NAME", help="of a member of any family, as `lesionkit list` tells them")


def called(name: str) -> list[Member]:
    """Returns the members of this name in any family; imports none.

    Raises:
        UnknownNameError: there is none.
    """
    every = [member for of in FAMILIES for member in members(of)]
    members_called = [member for member in every if member.name == name]
    if not members_called:
        near = difflib.get_close_matches(name, [member.name for member in every], n=3)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise UnknownNameError(f"No {name!r} in any family.{hint} All names: lesionkit list")
    return members_called


def described(member: Member) -> str:
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
    return [call, plain(" ".join(text.partition("\n\n")[0].split())), *([_table(options)] if options else [])]


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
    return {name: plain(" ".join(meaning.split())) for name, meaning in found}


def _table(rows: dict[str, str]) -> str:
    width = max(map(len, rows)) + 2
    return "\n".join(
        textwrap.fill(f"  {name:{width}}{text}", 100, subsequent_indent=" " * (width + 2))
        for name, text in rows.items()
    )
