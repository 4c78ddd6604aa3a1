"""Augmenters: images, or images with labels, changed at random; identity when not training.

``layers`` are the random changes that members are made of.

Example:
    >>> layer = lk.augmenters.get("dermoscopy")(zoom=0.1, seed=1)
    >>> layer(np.zeros((2, 48, 48, 3)), training=True).shape
    TensorShape([2, 48, 48, 3])
"""

from lesionkit.registry import Registry

_registry = Registry(
    "augmenters",
    {
        "cutmix": "lesionkit.augmenters.stock:cutmix",
        "dermoscopy": "lesionkit.augmenters.geometric:dermoscopy",
        "flip_rotate_shift": "lesionkit.augmenters.geometric:flip_rotate_shift",
        "mixup": "lesionkit.augmenters.stock:mixup",
        "randaugment": "lesionkit.augmenters.stock:randaugment",
    },
)
register, get, names, origin = _registry.register, _registry.get, _registry.names, _registry.origin

__all__ = ["get", "names", "origin", "register"]
