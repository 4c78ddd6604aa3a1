"""Names to factories: built in, registered here, or brought by installed packages.

One :class:`Registry` stands behind each plugin family. Built-ins are written as ``"module:attribute"`` and
installed packages add names with an entry point in the group ``lesionkit.<family>``; neither is imported
before it is asked for, so listing names costs no TensorFlow.
"""

import difflib
import importlib
import logging
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from lesionkit.errors import OptionError, UnknownNameError

logger = logging.getLogger(__name__)

#: The origin of what lesionkit itself brings.
BUILT_IN = "built in"


def claims_on(family: str) -> dict[str, list[EntryPoint]]:
    """Returns name -> the entry points of installed packages that bring it to a family, used or not."""
    claims: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=f"lesionkit.{family}"):
        claims.setdefault(point.name, []).append(point)
    return claims


def package(point: EntryPoint) -> str:
    """Returns which package an entry point is of, and its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else f"the entry point {point.value}"


class Registry:
    """The members of one plugin family, by name."""

    def __init__(self, family: str, builtins: Mapping[str, str]) -> None:
        """Makes the registry of ``family`` (plural) from ``builtins``, name to ``"module:attribute"``."""
        self.family = family
        self._builtins = dict(builtins)
        self._registered: dict[str, Any] = {}
        self._warned: set[str] = set()

    def register(self, name: str, factory: Any = None) -> Any:
        """Adds ``factory`` under ``name`` for this process; without a factory, a decorator that does.

        Raises:
            OptionError: ``name`` is not a text.
            UnknownNameError: ``name`` belongs to a built-in or to another factory.
        """
        if not isinstance(name, str) or not name:
            raise OptionError(f"A name among the {self.family} is a text. Received: {name!r}")
        if factory is None:
            return lambda function: self.register(name, function)
        taken = name in self._builtins or self._registered.get(name, factory) is not factory
        if taken:
            owner = "built in" if name in self._builtins else "registered already"
            raise UnknownNameError(f"{name!r} is {owner} among the {self.family}. Choose another name.")
        self._registered[name] = factory
        return factory

    def get(self, name: str) -> Any:
        """Returns the member called ``name``, imported now if it was not before.

        Raises:
            UnknownNameError: nothing or more than one package has this name, or its package fails to import.
        """
        if name in self._registered:
            return self._registered[name]
        if name in self._builtins:
            return _attribute(self._builtins[name])
        claims = self._plugins().get(name, [])
        if not claims:
            raise UnknownNameError(self._unknown(name))
        if len(claims) > 1:
            owners = " and ".join(map(package, claims))
            raise UnknownNameError(
                f"{name!r} among the {self.family} is claimed by {owners}. Uninstall all but one of them."
            )
        try:
            return claims[0].load()
        except Exception as error:
            raise UnknownNameError(
                f"{name!r} among the {self.family} comes from {package(claims[0])}, which fails to import "
                f"{claims[0].value!r}: {type(error).__name__}: {error}. Repair or uninstall that package."
            ) from error

    def names(self) -> list[str]:
        """Returns every name that :meth:`get` takes, sorted; imports none of them."""
        return sorted({*self._builtins, *self._registered, *self._plugins()})

    def origin(self, name: str) -> str:
        """Returns where the member called ``name`` comes from; imports nothing.

        It is ``"built in"``, ``"registered in this process"``, or the packages that bring it, with their versions.

        Raises:
            UnknownNameError: there is none.
        """
        if name in self._builtins:
            return BUILT_IN
        if name in self._registered:
            return "registered in this process"
        if claims := self._plugins().get(name):
            return " and ".join(map(package, claims))
        raise UnknownNameError(self._unknown(name))

    def _plugins(self) -> dict[str, list[EntryPoint]]:
        claims = claims_on(self.family)
        for name in self._builtins.keys() & claims.keys():
            owners = " and ".join(map(package, claims.pop(name)))
            if name not in self._warned:
                self._warned.add(name)
                told = "%s brings %r to the %s, which is built in: the built-in stays."
                logger.warning(told, owners, name, self.family)
        return claims

    def _unknown(self, name: str) -> str:
        known = self.names()
        near = difflib.get_close_matches(str(name), known, n=3)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        return (
            f"No {name!r} among the {self.family}.{hint} There are: {', '.join(known)}. More are added with "
            f"lesionkit.{self.family}.register(name, factory), or by a package with an entry point in the "
            f'group "lesionkit.{self.family}".'
        )


def _attribute(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
