"""Augmenters: images, or images with labels, changed at random; identity when not training."""

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
register, get, names = _registry.register, _registry.get, _registry.names

__all__ = ["get", "names", "register"]
