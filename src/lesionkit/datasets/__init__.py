"""Datasets: something on disk to :class:`~lesionkit.records.Records`."""

from lesionkit.registry import Registry

_registry = Registry(
    "datasets",
    {
        "isic_folder": "lesionkit.datasets.isic_folder:isic_folder",
        "synthetic_lesions": "lesionkit.datasets.synthetic_lesions:synthetic_lesions",
    },
)
register, get, names = _registry.register, _registry.get, _registry.names

__all__ = ["get", "names", "register"]
