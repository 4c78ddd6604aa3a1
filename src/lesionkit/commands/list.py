"""The command ``list``: the members of every family, and where each comes from."""

import argparse
import inspect
import re
import textwrap
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

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


def purpose(of: str) -> str:
    """Returns what a family is for."""
    return inspect.cleandoc(family(of).__doc__ or "").partition("\n")[0]


def listed_family(of: str) -> str:
    """Returns what a family is for, and its members by where they come from."""
    listed = members(of)
    origins = sorted({member.origin for member in listed}, key=lambda origin: (origin != BUILT_IN, origin))
    lines = [plain(purpose(of))]
    for origin in origins:
        names = ", ".join(member.name for member in listed if member.origin == origin)
        lines.append(textwrap.fill(f"{origin}: {names}", 100, initial_indent="  ", subsequent_indent="    "))
    return "\n".join(lines)


def plain(text: str) -> str:
    """Returns a docstring's text without its markup."""
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?([^`<>]+)`", r"\1", text)
    return text.replace("``", "")


def listed(options: argparse.Namespace) -> str:
    """Returns the members of one family or all."""
    return "\n".join(map(listed_family, [options.family] if options.family else FAMILIES))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``list``."""
    parser.set_defaults(job=listed, quiet=True)
    parser.add_argument("family", nargs="?", choices=FAMILIES, metavar="FAMILY", help="one of %(choices)s")
