"""Preprocessors: RGB in [0, 255] to what a backbone expects; part of the saved model.

``chaining`` puts a cleaning step before the scaling.

Example:
    >>> scale = lk.preprocessors.get("symmetric_range")((48, 48))
    >>> float(scale(np.full((1, 48, 48, 3), 255.0))[0, 0, 0, 0])
    1.0
"""

from lesionkit.registry import Registry

_SCALING = "lesionkit.preprocessors.scaling"

_registry = Registry(
    "preprocessors",
    {
        "hair_removal": "lesionkit.preprocessors.hair_removal:hair_removal",
        "imagenet_caffe": f"{_SCALING}:imagenet_caffe",
        "imagenet_torch": f"{_SCALING}:imagenet_torch",
        "native": f"{_SCALING}:native",
        "rescale": f"{_SCALING}:rescale",
        "shades_of_gray": "lesionkit.preprocessors.shades_of_gray:shades_of_gray",
        "symmetric_range": f"{_SCALING}:symmetric_range",
        "unit_range": f"{_SCALING}:unit_range",
    },
)
register, get, names, origin = _registry.register, _registry.get, _registry.names, _registry.origin

__all__ = ["get", "names", "origin", "register"]
