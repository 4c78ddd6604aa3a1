"""Trainers: ways to fit a classifier. Each is a frozen dataclass whose fields are its recipe.

Example:
    >>> lk.trainers.Frozen(epochs=5) == lk.trainers.get("Frozen")(epochs=5)
    True
"""

from typing import TYPE_CHECKING, Any

from lesionkit.registry import Registry

if TYPE_CHECKING:
    from lesionkit.trainers.fine_tune import FineTune
    from lesionkit.trainers.frozen import Frozen

_registry = Registry(
    "trainers",
    {"FineTune": "lesionkit.trainers.fine_tune:FineTune", "Frozen": "lesionkit.trainers.frozen:Frozen"},
)
register, get, names, origin = _registry.register, _registry.get, _registry.names, _registry.origin

__all__ = ["FineTune", "Frozen", "get", "names", "origin", "register"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return get(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
