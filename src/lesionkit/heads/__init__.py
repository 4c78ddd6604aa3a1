"""Heads: a feature map to probabilities.

Example:
    >>> head = lk.heads.get("pooled")((4, 4, 1280), 9, hidden=[256], dropout=0.3)
    >>> head.output.shape
    (None, 9)
"""

from lesionkit.registry import Registry

_registry = Registry("heads", {"pooled": "lesionkit.heads.pooled:pooled"})
register, get, names, origin = _registry.register, _registry.get, _registry.names, _registry.origin

__all__ = ["get", "names", "origin", "register"]
