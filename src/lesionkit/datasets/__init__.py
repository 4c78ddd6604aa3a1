"""Datasets: something on disk to :class:`~lesionkit.data.records.Records`.

``metadata`` reads the tables that members share; ``lesion_drawing`` draws what ``synthetic_lesions`` shows.

Example:
    >>> records = lk.datasets.get("synthetic_lesions")(train_per_class=8, test_per_class=3, image_size=(48, 48))
    >>> len(records), len(records.class_names)
    (99, 9)
"""

from lesionkit.datasets.metadata import metadata
from lesionkit.registry import Registry

_registry = Registry(
    "datasets",
    {
        "ground_truth_csv": "lesionkit.datasets.ground_truth_csv:ground_truth_csv",
        "ham10000": "lesionkit.datasets.ham10000:ham10000",
        "isic2020": "lesionkit.datasets.isic2020:isic2020",
        "isic2024": "lesionkit.datasets.isic2024:isic2024",
        "isic_archive": "lesionkit.datasets.isic_archive:isic_archive",
        "isic_folder": "lesionkit.datasets.isic_folder:isic_folder",
        "synthetic_lesions": "lesionkit.datasets.synthetic_lesions:synthetic_lesions",
    },
)
register, get, names, origin = _registry.register, _registry.get, _registry.names, _registry.origin

__all__ = ["get", "metadata", "names", "origin", "register"]
