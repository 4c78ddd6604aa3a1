"""ISIC 2024: crops of single lesions from 3D total body photography (SLICE-3D)."""

import logging
import os
from collections.abc import Iterable
from fnmatch import fnmatchcase

from lesionkit.data.records import Records
from lesionkit.data.tables import read_header
from lesionkit.datasets.metadata import ISIC2024, Images, to_records

logger = logging.getLogger(__name__)

CLASS_NAMES = ("benign", "malignant")

#: Columns that tell the target, as patterns: what the pathologist found (``iddx_*``, ``mel_*``), the confidence of a
#: network that saw more, and ``lesion_id``, given to few lesions besides those that were excised. The test data of the
#: challenge has none of them.
LEAKING = ("iddx_*", "mel_*", "tbp_lv_dnn_lesion_confidence", "lesion_id")


def isic2024(path: str | os.PathLike[str], images: Images, *, on_missing: str = "error") -> Records:
    """Reads ``train-metadata.csv``, of its 55 columns ``isic_id,target,patient_id``, ``lesion_id`` and ``iddx_1..5``.

    ``target`` is 0 for a benign and 1 for a malignant lesion. ``iddx_1`` to ``iddx_5`` give the diagnosis from the
    general to the precise, in the words of the ISIC archive. Columns that leak the target (:data:`LEAKING`) never
    are features: ``lesion_id`` serves as identity, ``iddx_*`` as diagnosis, and the log names them.

    Source: Kurtansky et al. 2024, https://doi.org/10.1038/s41597-024-03743-w, data
    https://doi.org/10.34970/2024-slice-3d.

    Args:
        path: the CSV file.
        images: ``train-image.hdf5``, which holds the bytes of a JPEG under each ``isic_id``, or a folder of such files.
        on_missing: ``"error"`` raises when an image is not there; ``"skip"`` lists it in ``skipped``.

    Returns:
        Records of the classes ``benign`` and ``malignant``, in no split. ``diagnosis`` is ``"isic2024:<code>"``, the
        deepest ``iddx`` or else ``target``; ``source`` of an image in HDF5 is ``"train-image.hdf5::<isic_id>"``.

    Raises:
        DataError: a ``target`` that is neither 0 nor 1, an image that is not there, or a table that is not sound
            (:func:`lesionkit.data.tables.read_table`).

    Example:
        >>> _ = Path("table.csv").write_text('''isic_id,target,patient_id,lesion_id,iddx_1
        ... ISIC_1,0,IP_1,,Benign''')
        >>> file = shutil.copy(test.source[0], "ISIC_1.png")
        >>> lk.datasets.get("isic2024")("table.csv", ".").record(0).label
        'benign'
    """
    table = ISIC2024.read(path, "patient_id")
    leaking = leaking_columns(read_header(path))
    if leaking:
        logger.info("Columns that leak the target, not for features: %s", ", ".join(leaking))
    names = [CLASS_NAMES[target] for target in table.bits("target")]
    return to_records(table, ISIC2024, images, on_missing, class_names=CLASS_NAMES, names=names)


def leaking_columns(columns: Iterable[str]) -> list[str]:
    """Returns those of ``columns`` that tell the target (:data:`LEAKING`), in their order."""
    return [name for name in columns if any(fnmatchcase(name, pattern) for pattern in LEAKING)]
