"""Heads: a feature map to probabilities."""

from lesionkit.registry import Registry

_registry = Registry("heads", {"pooled": "lesionkit.heads.pooled:pooled"})
register, get, names = _registry.register, _registry.get, _registry.names

__all__ = ["get", "names", "register"]
