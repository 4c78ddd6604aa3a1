"""HAM10000: ``HAM10000_metadata.csv`` and its two folders of images."""

import os

from lesionkit.data.records import Records
from lesionkit.datasets.metadata import HAM10000, Images, classes_in, to_records

#: Its diagnoses, the column ``dx``.
CODES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


def ham10000(path: str | os.PathLike[str], images: Images, *, on_missing: str = "error") -> Records:
    """Reads ``HAM10000_metadata``, columns ``lesion_id,image_id,dx,dx_type,age,sex,localization``.

    ``dx`` is one of ``akiec`` (actinic keratoses, Bowen's disease), ``bcc`` (basal cell carcinoma), ``bkl`` (benign
    keratosis-like lesions), ``df`` (dermatofibroma), ``mel`` (melanoma), ``nv`` (melanocytic nevi) and ``vasc``
    (vascular lesions). ``dx_type`` says how it was found: ``histo``, ``follow_up``, ``consensus`` or ``confocal``.

    Source: Tschandl et al. 2018, https://doi.org/10.1038/sdata.2018.161, data https://doi.org/10.7910/DVN/DBW86T.

    Args:
        path: the CSV file.
        images: the folder of the images, such as the one that holds ``HAM10000_images_part_1`` and ``_2``, or several.
        on_missing: ``"error"`` raises when an image has no file; ``"skip"`` lists it in ``skipped``.

    Returns:
        Records in no split. The class names are the codes that occur, sorted; ``diagnosis`` is ``"ham10000:<dx>"`` and
        ``confirmed_by`` is ``dx_type``.

    Raises:
        DataError: an unknown or missing ``dx``, an image without a file, or a table that is not sound
            (:func:`lesionkit.data.tables.read_table`).

    Example:
        >>> _ = Path("metadata.csv").write_text('''lesion_id,image_id,dx,dx_type,age,sex,localization
        ... HAM_1,ISIC_1,nv,histo,50,female,back
        ... HAM_2,ISIC_2,mel,histo,60,male,face''')
        >>> files = [shutil.copy(test.source[0], f"ISIC_{number}.png") for number in (1, 2)]
        >>> lk.datasets.get("ham10000")("metadata.csv", ".").record(0).lesion_id
        'HAM_1'
    """
    table = HAM10000.read(path)
    for row, code in enumerate(table["dx"]):
        if code not in CODES:
            raise table.error(row, "dx", f"{code!r} is no diagnosis of HAM10000. There are: {', '.join(CODES)}.")
    names = classes_in(table, table["dx"])
    return to_records(table, HAM10000, images, on_missing, class_names=names, names=table["dx"])
