"""An Evaluation as the file that a challenge asks for."""

import csv
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lesionkit.challenges.submissions import layout_of
from lesionkit.data import taxonomy
from lesionkit.data.tables import as_id
from lesionkit.errors import DataError, OptionError
from lesionkit.evaluation.evaluation import Evaluation
from lesionkit.files import whole_file
from lesionkit.text import as_text

logger = logging.getLogger(__name__)

#: What a class can be where a challenge asks for one probability, that of the second, and the codes of 2024 for them.
_TWO = {"benign": "0", "malignant": "1"}


def submission(
    evaluation: Evaluation,
    path: str | os.PathLike[str],
    layout: str = "isic2018",
    *,
    class_mapping: Mapping[str, str | None] | None = None,
    ids: Sequence[str | None] | None = None,
) -> Path:
    """Writes n images' probabilities in the columns and order of a challenge to ``path``, a CSV file, and returns it.

    A class goes to the column of its own name, or else to the one code of the challenge whose meaning overlaps its own
    (:mod:`lesionkit.data.taxonomy`). Classes that share a column are added up; a column without a class is 0.
    ``isic2020`` and ``isic2024`` ask for one value, the sum of the malignant classes' probabilities.

    Args:
        evaluation: the probabilities; labels are not written.
        path: the file.
        layout: ``"isic2018"``, ``"isic2019"``, ``"isic2020"``, ``"isic2024"`` or ``"milk10k"``.
        class_mapping: for classes whose names do not tell: class name -> a column of the challenge (``"benign"`` or
            ``"malignant"`` in ``isic2020`` and ``isic2024``), or None to leave its probability out.
        ids: n ids in place of the evaluation's image ids. MILK10k needs those of the lesions, ``records.lesion_id``:
            it has one row for each, the mean over its images.

    Raises:
        DataError: a class that means several columns or none, or an id that is missing or there twice.
        OptionError: an unknown layout, a ``class_mapping`` from or to what there is not, or MILK10k without ``ids``.
        StorageError: the file cannot be written.

    Example:
        >>> codes = dict(zip(records.class_names, ("AK", "BCC", "DF", "MEL", "NV", "BKL", "BKL", "SCC", "VASC")))
        >>> file = lk.reports.get("submission")(evaluation, "submission.csv", "isic2019", class_mapping=codes)
        >>> file.read_text().split()[0]
        'image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK'
    """
    form = layout_of(layout)
    choices = tuple(_TWO) if form.columns == ("target",) else form.columns
    written = choices[-len(form.columns) :]
    chosen = _columns(evaluation.class_names, layout, choices, class_mapping or {})
    empty = [name for name in written if name not in chosen]
    if len(empty) == len(written):
        raise DataError(
            f"{layout} asks for {', '.join(written)}, which is none of the classes "
            f"({_quoted(evaluation.class_names)}). Say with class_mapping what they are."
        )
    if empty:
        logger.warning("%s: no class stands for %s: 0 for every image", layout, ", ".join(empty))
    names, place = _rows(evaluation, layout, ids)
    sums = [evaluation.probabilities[:, [one == name for one in chosen]].sum(axis=1) for name in written]
    values = [np.clip(np.bincount(place, column) / np.bincount(place), 0, 1).tolist() for column in sums]
    with whole_file(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([form.key, *form.columns])
        writer.writerows(zip(names, *values, strict=True))
    return Path(path)


def _columns(
    class_names: Sequence[str], layout: str, choices: Sequence[str], mapping: Mapping[str, str | None]
) -> list[str | None]:
    """Returns what each class is of ``choices``, None where it is left out."""
    strange = [name for name in mapping if name not in class_names]
    strange += [code for code in mapping.values() if code is not None and code not in choices]
    if strange:
        raise OptionError(
            f"class_mapping is from classes ({_quoted(class_names)}) to {', '.join(choices)} or None. "
            f"Received: {_quoted(strange)}"
        )
    found = {name: (mapping[name],) if name in mapping else _meant(name, layout, choices) for name in class_names}
    unclear = {name: codes for name, codes in found.items() if len(codes) != 1}
    if unclear:
        told = "; ".join(
            f"{_quoted([name])} is {' or '.join(map(str, codes)) or 'none of them'}" for name, codes in unclear.items()
        )
        raise DataError(
            f"A class is one of {', '.join(choices)} in {layout}: {told}. Choose with "
            f"class_mapping={{{_quoted(list(unclear)[:1])}: ...}}, None to leave its probability out."
        )
    return [codes[0] for codes in found.values()]


def _meant(name: str, layout: str, choices: Sequence[str]) -> tuple[str, ...]:
    """Returns those of ``choices`` that a class of this name can be."""
    own = tuple(code for code in choices if code.casefold() == name.strip().casefold())
    if own:
        return own
    means = taxonomy.of_class(name)
    if layout == "isic2020":  # its codes are diagnoses, its target malignancy
        kind = taxonomy.malignancy(means)
        return () if kind is None else (kind,)
    return tuple(code for code in choices if means & taxonomy.meaning(layout, _TWO.get(code, code)))


def _rows(
    evaluation: Evaluation, layout: str, ids: Sequence[str | None] | None
) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Returns the ids to write, and (n,) the row of each image."""
    if ids is None and layout == "milk10k":
        raise OptionError("milk10k has a row for each lesion, and an evaluation knows images: ids=records.lesion_id")
    given = evaluation.image_id if ids is None else ids
    if len(given) != len(evaluation):
        raise OptionError(f"ids are {len(evaluation)}, one for each image. Received: {len(given)}")
    found: dict[str, int] = {}
    place = []
    for row, one in enumerate(given):
        name = as_text(as_id(one or ""))
        if not name:
            raise DataError(f"Image {row + 1} of {len(given)} has no id. Give ids=..., one for each image.")
        if name in found and layout != "milk10k":
            raise DataError(
                f"{name} is the id of two images, and {layout} has a row for each. Evaluate one, or give ids=..."
            )
        place.append(found.setdefault(name, len(found)))
    return list(found), np.array(place, dtype=np.int64)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(as_text(name)) for name in names)
