"""The promises of a plugin family: kept, or an AssertionError that says which was broken, by whom and how."""

import contextlib
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lesionkit.errors import LesionkitError
from lesionkit.recipe import Part

#: Where a family's promises are written down.
WHERE = 'lesionkit\'s documentation, "Plugins" and "Architecture" (The contracts)'


@dataclass(frozen=True)
class Contract:
    """What one member of a family is held to.

    Attributes:
        family: the family in the plural, as its registry is called.
        member: the member's name.
    """

    family: str
    member: str

    @classmethod
    def of(cls, family: str, member: Any) -> "Contract":
        """Returns the contract of ``member``, known by its own name."""
        while isinstance(member, functools.partial):
            member = member.func
        return cls(family, getattr(member, "__name__", None) or getattr(member, "name", None) or repr(member))

    def holds(self, kept: Any, promise: str, seen: Any) -> None:
        """Does nothing when ``kept``.

        Raises:
            AssertionError: it is not. The message has the promise, what was ``seen``, and where the contract stands.
        """
        if not kept:
            raise AssertionError(self._broken(promise, seen))

    @contextlib.contextmanager
    def keeps(self, promise: str) -> Iterator[None]:
        """Holds that the block raises nothing.

        Raises:
            AssertionError: it does; its cause is the error.
        """
        try:
            yield
        except AssertionError:
            raise
        except Exception as error:
            raise AssertionError(self._broken(promise, f"{type(error).__name__}: {error}")) from error

    @contextlib.contextmanager
    def may_refuse(self, promise: str) -> Iterator[list[LesionkitError]]:
        """Holds that the block raises nothing but a ``LesionkitError``; yields a list that will hold it then.

        Raises:
            AssertionError: it raises something else.
        """
        refused: list[LesionkitError] = []
        with self.keeps(promise):
            try:
                yield refused
            except LesionkitError as error:
                refused.append(error)

    def are_options(self, options: dict[str, Any]) -> None:
        """Holds that ``options`` can stand in a recipe."""
        with self.keeps("its options are what JSON can hold, so that a recipe can name them"):
            Part(self.member, **options)

    def is_json(self, value: Any, promise: str) -> None:
        """Holds that ``value`` can be written as JSON in UTF-8."""
        with self.keeps(promise):
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()

    def _broken(self, promise: str, seen: Any) -> str:
        return f"{self.member}, of the {self.family}, breaks a promise: {promise}. Seen: {seen}. See {WHERE}."
