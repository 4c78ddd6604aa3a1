"""What the datasets with a table share: their layouts, the image files that rows name, and ``metadata``."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionkit.data.records import Records, Skipped
from lesionkit.data.tables import IMAGE_SUFFIX, MISSING, Table, as_id, image_id, read_header, read_table
from lesionkit.errors import DataError, OptionError
from lesionkit.files import is_hidden
from lesionkit.text import as_text

logger = logging.getLogger(__name__)

#: Image files: a folder with its subfolders or an HDF5 file, or several of them.
Images = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

_HDF5_SUFFIXES = (".hdf5", ".h5")
_DOWNSAMPLED = "_downsampled"
_COMMON = {
    "lesion_id": "lesion_id",
    "patient_id": "patient_id",
    "licence": "copyright_license",
    "attribution": "attribution",
}


@dataclass(frozen=True)
class Layout:
    """The columns of a kind of table.

    Lesions, patients, licences and sources are ``lesion_id``, ``patient_id``, ``copyright_license`` and ``attribution``
    in all.

    Attributes:
        name: its name in :mod:`lesionkit.data.taxonomy`.
        title: its name in words.
        key: the column of the images' ids.
        needs: the columns that it is told by, besides ``key``.
        diagnosis: columns of diagnoses, from the general to the precise; the last one that is given counts.
        confirmed_by: the column that says how the diagnosis was made.
        missing: values in lower case that mean a missing one.
    """

    name: str
    title: str
    key: str
    needs: tuple[str, ...] = ()
    diagnosis: tuple[str, ...] = ()
    confirmed_by: str = "diagnosis_confirm_type"
    missing: tuple[str, ...] = MISSING

    def read(self, path: str | os.PathLike[str], *more: str) -> Table:
        """Returns the table in ``path``; it must have ``key``, ``needs`` and the columns ``more``.

        Raises:
            DataError: see :func:`lesionkit.data.tables.read_table`.
        """
        optional = (*_COMMON.values(), self.confirmed_by, *self.diagnosis)
        return read_table(path, (self.key, *self.needs, *more), optional, self.key, missing=self.missing)

    def known(self, table: Table) -> dict[str, list[str | None]]:
        """Returns the columns of a table as :class:`~lesionkit.data.records.Records` calls them, each of n rows."""
        return {
            "image_id": [image_id(f"{key}.jpg") for key in table[self.key]],
            **{name: table[column] for name, column in _COMMON.items()},
            "diagnosis": [code and f"{self.name}:{code}" for code in deepest(table, self.diagnosis)],
            "confirmed_by": table[self.confirmed_by],
        }


UNKNOWN = (*MISSING, "unknown")
HAM10000 = Layout("ham10000", "HAM10000", "image_id", ("lesion_id", "dx", "dx_type"), ("dx",), "dx_type")
ISIC2018 = Layout("isic2018", "ISIC 2018 lesion groupings", "image", ("lesion_id", "diagnosis_confirm_type"))
ISIC2019 = Layout("isic2019", "ISIC 2019 metadata", "image", ("age_approx", "anatom_site_general", "sex"))
ISIC2020 = Layout("isic2020", "ISIC 2020", "image_name", ("patient_id",), ("diagnosis",), missing=UNKNOWN)
ISIC2024 = Layout(
    "isic2024", "ISIC 2024 (SLICE-3D)", "isic_id", ("target",), ("target", *(f"iddx_{level}" for level in range(1, 6)))
)
ISIC_ARCHIVE = Layout(
    "isic_archive",
    "ISIC archive, MILK10k",
    "isic_id",
    diagnosis=("benign_malignant", "diagnosis", *(f"diagnosis_{level}" for level in range(1, 6))),
    missing=UNKNOWN,
)
_LAYOUTS = (HAM10000, ISIC2018, ISIC2019, ISIC2020, ISIC2024, ISIC_ARCHIVE)


def metadata(path: str | os.PathLike[str]) -> dict[str, list[str | None]]:
    """Returns what a table of metadata knows of images, as columns of equal length for :meth:`Records.join`.

    The table is told by its columns: ``HAM10000_metadata``, ISIC 2018 ``LesionGroupings``, ISIC 2019 and ISIC 2020
    metadata, ISIC 2024 (SLICE-3D), and ``metadata.csv`` of the ISIC archive and of MILK10k.

    Returns:
        ``image_id``, as :func:`~lesionkit.datasets.isic_folder.isic_folder` gives it, and those of ``lesion_id``,
        ``patient_id``, ``diagnosis``, ``confirmed_by``, ``licence`` and ``attribution`` that have any value; None where
        a value is missing.

    Raises:
        DataError: no such layout, or none of these columns, or see :func:`lesionkit.data.tables.read_table`.

    Example:
        >>> _ = Path("metadata.csv").write_text('''lesion_id,image_id,dx,dx_type,age,sex,localization
        ... HAM_1,ISIC_1,nv,histo,50,female,back''')
        >>> lk.datasets.metadata("metadata.csv")["lesion_id"]
        ['HAM_1']
    """
    header = read_header(path)
    fitting = [layout for layout in _LAYOUTS if {layout.key, *layout.needs} <= set(header)]
    if not fitting:
        listed = "; ".join(f"{layout.title} ({', '.join((layout.key, *layout.needs))})" for layout in _LAYOUTS)
        raise DataError(
            f"{as_text(path)}, line 1: no table of metadata has these columns: {', '.join(map(as_text, header))}. "
            f"Recognised are, by their columns: {listed}."
        )
    known = fitting[0].known(fitting[0].read(path))
    found = {name: values for name, values in known.items() if any(values)}
    if len(found) < 2:
        raise DataError(
            f"{as_text(path)} knows no lesion, patient or diagnosis: read as {fitting[0].title}, it would have one of "
            f"the columns lesion_id, patient_id, {', '.join((*fitting[0].diagnosis, fitting[0].confirmed_by))}. "
            "Nothing can be joined from it."
        )
    return found


def deepest(table: Table, columns: Sequence[str]) -> list[str | None]:
    """Returns (n,) the last value that is given in ``columns``, or None."""
    values = [table[column] for column in reversed(columns) if column in table]
    return [next(filter(None, row), None) for row in zip(*values, strict=True)] if values else [None] * len(table)


def classes_in(table: Table, names: Sequence[str | None]) -> tuple[str, ...]:
    """Returns the distinct classes among ``names``, sorted.

    Raises:
        DataError: there are fewer than two.
    """
    found = tuple(sorted({name for name in names if name is not None}))
    if len(found) < 2:
        listed = ", ".join(map(as_text, found)) or "none"
        raise DataError(f"{as_text(table.path)} names {len(found)} class ({listed}); a classifier needs two or more.")
    return found


def to_records(
    table: Table,
    layout: Layout,
    images: Images,
    on_missing: str,
    *,
    class_names: Sequence[str],
    names: Sequence[str | None],
    **columns: Any,
) -> Records:
    """Returns one record for each row that has an image file, in the table's order.

    Args:
        table: n rows of ``layout``, a class for each in ``names``, or None.
        layout: what its columns mean; ``columns`` replaces what it says.
        images: see :func:`find_images`; so is ``on_missing``.
        on_missing: ``"error"`` or ``"skip"``.
        class_names: the classes in order.
        names: (n,) the class of each row.
        columns: columns of the records.
    """
    sources, skipped = find_images(table, layout.key, images, on_missing)
    place = {name: number for number, name in enumerate(class_names)}
    label = [-1 if name is None else place[name] for name in names]
    records = Records(
        class_names=tuple(class_names),
        **{
            "source": sources,
            "label": label,
            "name": layout.title,
            "skipped": skipped,
            **layout.known(table),
            **columns,
        },
    )
    return records[[source is not None for source in sources]]


def find_images(
    table: Table, key: str, images: Images, on_missing: str = "error"
) -> tuple[list[str | None], tuple[Skipped, ...]]:
    """Returns for each row its image file, or None, and the images that have none.

    A row's file is called as its id, upper and lower case alike, with an image file's suffix or none; one of both
    may end in ``_downsampled``. Files without a row are counted in the log.

    Args:
        table: a table.
        key: its column of ids.
        images: folders, whose subfolders are searched too, and HDF5 files with one dataset for each image.
        on_missing: ``"error"`` raises when an image has no file; ``"skip"`` lists it.

    Raises:
        DataError: a folder cannot be listed, an image has no file or more than one, or none at all has any.
        OptionError: ``on_missing`` is something else.
    """
    if on_missing not in ("error", "skip"):
        raise OptionError(f'on_missing is "error" or "skip". Received: {on_missing!r}')
    folders = [os.fspath(each) for each in ([images] if isinstance(images, str | os.PathLike) else images)]
    where = ", ".join(map(as_text, folders)) or "no folder"
    files = _files_by_id(folders)
    sources: list[str | None] = []
    for row, image in enumerate(map(str, table[key])):
        name = image.casefold()
        found = files.get(name) or files.get(name + _DOWNSAMPLED) or files.get(name.removesuffix(_DOWNSAMPLED)) or [""]
        if len(found) > 1:
            both = " and ".join(map(as_text, found[:2]))
            raise table.error(row, key, f"{as_text(image)} has two files, {both}. Keep one of them in images.")
        sources.append(found[0] or None)
    lacking = [row for row, source in enumerate(sources) if source is None]
    if lacking and (on_missing == "error" or len(lacking) == len(table)):
        listed = ", ".join(f"{as_text(str(table[key][row]))} (line {table.lines[row]})" for row in lacking[:5])
        others = ', or go on with the others: on_missing="skip"' if len(lacking) < len(table) else ""
        raise DataError(
            f"{len(lacking)} of the {len(table)} images that {as_text(table.path)} names in its column {key} have no "
            f"file in {where}: {listed}{', ...' if len(lacking) > 5 else ''}. Download them, or give the folders that "
            f"hold them as images=[...]{others}."
        )
    unused = sum(map(len, files.values())) - len(set(sources) - {None})
    if unused:
        logger.info("%d files in %s have no row in %s and are left aside.", unused, where, as_text(table.path))
    return sources, tuple(Skipped(str(table[key][row]), f"no file in {where}") for row in lacking)


def _files_by_id(folders: Sequence[str]) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {}
    for folder in dict.fromkeys(folders):
        listed = _in_hdf5 if Path(folder).suffix.lower() in _HDF5_SUFFIXES and Path(folder).is_file() else _in_folder
        for name, source in listed(folder):
            files.setdefault(name.casefold(), []).append(source)
    return files


def _in_folder(folder: str) -> Iterator[tuple[str, str]]:
    def refuse(error: OSError) -> None:
        raise DataError(f"{as_text(folder)} cannot be listed ({error.strerror}). Give the folder of the images.")

    for parent, below, names in os.walk(folder, onerror=refuse):
        below[:] = sorted(name for name in below if not is_hidden(name))
        for name in sorted(names):
            if not is_hidden(name) and (IMAGE_SUFFIX.search(name) or "." not in name):
                yield as_id(name), os.path.join(parent, name)  # noqa: PTH118


def _in_hdf5(path: str) -> Iterator[tuple[str, str]]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            names = list(file)
    except OSError as error:
        raise DataError(f"{as_text(path)} is not an HDF5 file, or is damaged ({as_text(str(error))}).") from error
    return iter([(name, f"{path}::{name}") for name in names])
