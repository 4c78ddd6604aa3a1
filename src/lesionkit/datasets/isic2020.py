"""ISIC 2020: the SIIM-ISIC melanoma challenge, with its patients, lesions and list of duplicates."""

import os

import numpy as np

from lesionkit.data.identities import linked
from lesionkit.data.records import Records
from lesionkit.data.tables import Table, as_id, read_table
from lesionkit.datasets.metadata import ISIC2020, Images, to_records
from lesionkit.errors import DataError
from lesionkit.text import as_text

CLASS_NAMES = ("benign", "malignant")


def isic2020(
    path: str | os.PathLike[str],
    images: Images,
    *,
    duplicates: str | os.PathLike[str] | None = None,
    on_missing: str = "error",
) -> Records:
    """Reads ``ISIC_2020_Training_GroundTruth.csv`` or its second version, which has ``lesion_id`` as well.

    Its columns are ``image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,
    target``. ``target`` is 0 where ``benign_malignant`` is ``benign`` and 1 where it is ``malignant``. ``diagnosis`` is
    ``nevus``, ``melanoma``, ``seborrheic keratosis``, ``lentigo NOS``, ``lichenoid keratosis``, ``solar lentigo``,
    ``cafe-au-lait macule``, ``atypical melanocytic proliferation`` or ``unknown``.

    Source: Rotemberg et al. 2021, https://doi.org/10.1038/s41597-021-00815-z, data
    https://doi.org/10.34970/2020-ds01.

    Args:
        path: the CSV file.
        images: the folder of the images, or several.
        duplicates: ``ISIC_2020_Training_Duplicates.csv``, columns ``image_name_1,image_name_2``.
        on_missing: ``"error"`` raises when an image has no file; ``"skip"`` lists it in ``skipped``.

    Returns:
        Records of the classes ``benign`` and ``malignant``, in no split. ``diagnosis`` is ``"isic2020:<diagnosis>"``,
        None where it is unknown. Images that ``duplicates`` links, also over others, share a ``copy_id``.

    Raises:
        DataError: ``target`` and ``benign_malignant`` disagree, ``duplicates`` names none of the images, an image has
            no file, or a table is not sound (:func:`lesionkit.data.tables.read_table`).

    Example:
        >>> _ = Path("truth.csv").write_text(
        ...     '''image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target
        ... ISIC_1,IP_1,male,45,torso,nevus,benign,0''')
        >>> file = shutil.copy(test.source[0], "ISIC_1.png")
        >>> lk.datasets.get("isic2020")("truth.csv", ".").record(0).patient_id
        'IP_1'
    """
    table = ISIC2020.read(path, "diagnosis", "benign_malignant", "target")
    names = [CLASS_NAMES[target] for target in table.bits("target")]
    for row, (name, said) in enumerate(zip(names, table["benign_malignant"], strict=True)):
        if name != said:
            raise table.error(
                row,
                ("target", "benign_malignant"),
                f"{table['target'][row]} and {said!r} disagree. 0 goes with benign and 1 with malignant.",
            )
    copies = {} if duplicates is None else {"copy_id": _copies(table, duplicates)}
    return to_records(table, ISIC2020, images, on_missing, class_names=CLASS_NAMES, names=names, **copies)


def _copies(table: Table, path: str | os.PathLike[str]) -> list[str | None]:
    """Returns (n,) the first name among the copies of each image, None where it has none."""
    pairs = read_table(path, ("image_name_1", "image_name_2"))
    ends = []
    for column in pairs.columns:
        for row, name in enumerate(pairs[column]):
            if name is None:
                raise pairs.error(row, column, "the id is missing.")
        ends.append([as_id(str(name)) for name in pairs[column]])
    names, places = np.unique(ends, return_inverse=True)
    first, second = places.reshape(2, -1)
    component = linked(len(names), first, second)
    _, start = np.unique(component, return_index=True)
    copy_id = {str(name): str(names[start[number]]) for name, number in zip(names, component, strict=True)}
    found = [copy_id.get(str(image)) for image in table["image_name"]]
    if not any(found):
        raise DataError(f"{as_text(pairs.path)} names no image of {as_text(table.path)}. Is it the list of that table?")
    return found
