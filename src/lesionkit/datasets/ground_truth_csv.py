"""The ground truth of the ISIC challenges 2018 and 2019 and of MILK10k: a column of 0 and 1 for each class."""

import dataclasses
import os
from collections.abc import Sequence

from lesionkit.data.records import Records, checked_class_names
from lesionkit.data.tables import Table, read_header, read_table
from lesionkit.datasets.metadata import ISIC_ARCHIVE, Images, Layout, classes_in, metadata, to_records
from lesionkit.errors import DataError, OptionError
from lesionkit.text import as_text

#: The layouts, each told by its key and the columns of its classes.
LAYOUTS = (
    Layout(
        "milk10k",
        "MILK10k",
        "lesion_id",
        ("AKIEC", "BCC", "BEN_OTH", "BKL", "DF", "INF", "MAL_OTH", "MEL", "NV", "SCCKA", "VASC"),
    ),
    Layout("isic2019", "ISIC 2019", "image", ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")),
    Layout("isic2018", "ISIC 2018 Task 3", "image", ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")),
)


def ground_truth_csv(
    path: str | os.PathLike[str],
    images: Images,
    *,
    metadata: str | os.PathLike[str] | None = None,
    groupings: str | os.PathLike[str] | None = None,
    split: str = "",
    class_names: Sequence[str] | None = None,
    on_missing: str = "error",
) -> Records:
    """Reads a CSV file with one row for each image (MILK10k: lesion) and a single 1 in its class's column.

    The layout is told by the columns; others, such as ``score_weight``, are not read.

    - ISIC 2018 Task 3: ``image,MEL,NV,BCC,AKIEC,BKL,DF,VASC``. ``groupings`` is ``..._LesionGroupings.csv``,
      ``image,lesion_id,diagnosis_confirm_type``. https://challenge.isic-archive.com/landing/2018/47,
      https://arxiv.org/abs/1902.03368
    - ISIC 2019: ``image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC`` and, in most files, ``UNK``. ``metadata`` is
      ``..._Metadata.csv``, ``image,age_approx,anatom_site_general,lesion_id,sex``. Ids may end in ``_downsampled``.
      https://challenge.isic-archive.com/landing/2019
    - MILK10k: ``lesion_id,AKIEC,BCC,BEN_OTH,BKL,DF,INF,MAL_OTH,MEL,NV,SCCKA,VASC``. ``metadata`` must be given: a
      table with the columns ``lesion_id`` and ``isic_id``, such as ``MILK10k_Training_Metadata.csv``. Both images of a
      lesion, the dermoscopic and the clinical close-up, become records, in that table's order.
      https://challenge.isic-archive.com/landing/milk10k

    Args:
        path: the CSV file.
        images: the folder of the images, or several; subfolders are searched.
        metadata: a table that :func:`lesionkit.datasets.metadata` reads; of it come lesions and patients.
        groupings: the same, read after it.
        split: the split of all records: ``"train"``, ``"validation"``, ``"test"`` or empty.
        class_names: the classes in the order wanted, at least those that occur; when left out, all columns in the
            file's layout that have a 1 in any row, so that ``UNK`` is no class of ISIC 2019's training images.
        on_missing: ``"error"`` raises when an image has no file; ``"skip"`` lists it in ``skipped``.

    Returns:
        Records whose ``diagnosis`` is ``"isic2018:MEL"`` and the like.

    Raises:
        DataError: a row without a 1 or with two, another value, ``metadata`` that fits no image or lesion, an image
            without a file, or a table that is not sound (:func:`lesionkit.data.tables.read_table`).
        OptionError: ``class_names`` lacks a class that occurs or names an unknown one, or MILK10k has no metadata.

    Example:
        >>> _ = Path("truth.csv").write_text('''image,MEL,NV,BCC,AKIEC,BKL,DF,VASC
        ... ISIC_1,0,1,0,0,0,0,0
        ... ISIC_2,1,0,0,0,0,0,0''')
        >>> files = [shutil.copy(test.source[0], f"ISIC_{number}.png") for number in (1, 2)]
        >>> lk.datasets.get("ground_truth_csv")("truth.csv", ".", split="train").class_names
        ('MEL', 'NV')
    """
    layout = _layout(read_header(path))
    optional = ("UNK",) if layout.name == "isic2019" else ()
    table = read_table(path, (layout.key, *layout.needs), optional, layout.key)
    codes = tuple(column for column in (*layout.needs, *optional) if column in table)
    names = _marked(table, codes)
    class_names = _in_order(table, codes, names, class_names)
    if layout.key == "lesion_id":
        if metadata is None:
            raise OptionError(
                f"{as_text(table.path)} names lesions, not images: give the table of its images as metadata=..., such "
                "as MILK10k_Training_Metadata.csv."
            )
        table, names = _images_of(table, names, metadata)
        layout, metadata = dataclasses.replace(ISIC_ARCHIVE, name=layout.name, title=layout.title), None
    records = to_records(
        table,
        layout,
        images,
        on_missing,
        class_names=class_names,
        names=names,
        split=[split] * len(table),
        diagnosis=[f"{layout.name}:{name}" for name in names],
    )
    for more in (metadata, groupings):
        records = records if more is None else _joined(records, more)
    return records


def _layout(header: Sequence[str]) -> Layout:
    """Returns the layout whose columns are there, or else the one that lacks fewest."""
    return min(LAYOUTS, key=lambda layout: len({layout.key, *layout.needs} - set(header)))


def _marked(table: Table, codes: Sequence[str]) -> list[str]:
    """Returns (n,) the column of the only 1 in each row."""
    bits = [table.bits(code) for code in codes]
    names = []
    for row, values in enumerate(zip(*bits, strict=True)):
        ones = [code for code, value in zip(codes, values, strict=True) if value]
        if len(ones) != 1:
            problem = f"{len(ones)} of them are 1. Each row has one class." if ones else "none is 1. Each row has one."
            raise table.error(row, ones or codes, problem)
        names.append(ones[0])
    return names


def _in_order(table: Table, codes: Sequence[str], names: Sequence[str], asked: Sequence[str] | None) -> tuple[str, ...]:
    found = set(names)
    if asked is None:
        classes_in(table, names)
        return tuple(code for code in codes if code in found)
    wanted = checked_class_names(asked)
    if not found <= set(wanted) <= set(codes):
        raise OptionError(
            f"class_names are columns of {as_text(table.path)} ({', '.join(codes)}), among them all that have images "
            f"({', '.join(code for code in codes if code in found)}). Received: {', '.join(map(repr, wanted))}"
        )
    return wanted


def _images_of(table: Table, names: Sequence[str], path: str | os.PathLike[str]) -> tuple[Table, list[str]]:
    """Returns the rows of ``path`` whose lesion is in ``table``, and the class of each."""
    known = ISIC_ARCHIVE.read(path, "lesion_id")
    label = dict(zip(table["lesion_id"], names, strict=True))
    chosen = [row for row, lesion in enumerate(known["lesion_id"]) if lesion in label]
    pictured = {known["lesion_id"][row] for row in chosen}
    for row, lesion in enumerate(table["lesion_id"]):
        if lesion not in pictured:
            raise table.error(row, "lesion_id", f"{lesion} has no image in {as_text(known.path)}.")
    return known.rows(chosen), [label[known["lesion_id"][row]] for row in chosen]


def _joined(records: Records, path: str | os.PathLike[str]) -> Records:
    known = {name: values for name, values in metadata(path).items() if name != "diagnosis"}
    if not set(known["image_id"]) & set(records.image_id):
        raise DataError(f"{as_text(path)} knows none of the images. Is it the table of this ground truth?")
    return records.join(known)
