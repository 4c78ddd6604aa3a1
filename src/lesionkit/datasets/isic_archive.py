"""The ISIC archive: ``metadata.csv`` as its command line tool and its website write it."""

import os

from lesionkit.data.records import Records
from lesionkit.data.tables import read_header
from lesionkit.datasets.metadata import ISIC_ARCHIVE, Images, classes_in, deepest, to_records
from lesionkit.errors import OptionError

_LEVELS = tuple(f"diagnosis_{level}" for level in range(1, 6))
_OLD_LEVELS = ("benign_malignant", "diagnosis")


def isic_archive(path: str | os.PathLike[str], images: Images, *, level: int = 3, on_missing: str = "error") -> Records:
    """Reads ``metadata.csv``: ``isic_id``, ``diagnosis_1`` to ``diagnosis_5``, and ids of lesions and patients.

    The diagnoses go from the general (``Benign``, ``Malignant``, ``Indeterminate``) to the precise, in words. Older
    exports have ``benign_malignant`` in place of the first level and ``diagnosis`` in place of the others.
    ``lesion_id``, ``patient_id`` and ``diagnosis_confirm_type`` may be there; other columns are not read.

    Source: https://www.isic-archive.com, tool https://github.com/ImageMarkup/isic-cli.

    Args:
        path: the CSV file.
        images: the folder of the images, or several.
        level: 1 to 5: a record's class is its deepest diagnosis at or above this level.
        on_missing: ``"error"`` raises when an image has no file; ``"skip"`` lists it in ``skipped``.

    Returns:
        Records in no split, those without a diagnosis unlabelled (-1). The class names are the diagnoses found,
        sorted; ``diagnosis`` is ``"isic_archive:<deepest diagnosis>"`` whatever the level, and ``confirmed_by`` is
        ``diagnosis_confirm_type``.

    Raises:
        OptionError: ``level`` is not a whole number from 1 to 5.
        DataError: fewer than two classes, an image without a file, or a table that is not sound
            (:func:`lesionkit.data.tables.read_table`).

    Example:
        >>> _ = Path("metadata.csv").write_text('''isic_id,diagnosis_1,diagnosis_2
        ... ISIC_1,Benign,Nevus
        ... ISIC_2,Malignant,Melanoma''')
        >>> files = [shutil.copy(test.source[0], f"ISIC_{number}.png") for number in (1, 2)]
        >>> lk.datasets.get("isic_archive")("metadata.csv", ".", level=1).class_names
        ('Benign', 'Malignant')
    """
    if isinstance(level, bool) or level not in range(1, 6):
        raise OptionError(f"level is a whole number from 1 to 5. Received: {level!r}")
    old = set(read_header(path)) & set(_OLD_LEVELS)
    table = ISIC_ARCHIVE.read(path, *(old or _LEVELS[:1]))
    levels = _LEVELS if _LEVELS[0] in table else _OLD_LEVELS
    names = deepest(table, levels[:level])
    class_names = classes_in(table, names)
    return to_records(table, ISIC_ARCHIVE, images, on_missing, class_names=class_names, names=names)
