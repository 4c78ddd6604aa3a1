"""Submission files of the ISIC challenges: their columns, and everything that the official validator would refuse.

Example:
    >>> lk.submissions.LAYOUTS["isic2018"].columns
    ('MEL', 'NV', 'BCC', 'AKIEC', 'BKL', 'DF', 'VASC')
"""

import csv
import io
import itertools
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lesionkit.data import taxonomy
from lesionkit.errors import DataError, OptionError
from lesionkit.text import as_text


@dataclass(frozen=True)
class Layout:
    """The file that one challenge asks for.

    Attributes:
        key: the column of ids.
        columns: the others, in their order; a value is in [0, 1].
        kaggle: whether Kaggle reads it, not the validator of the ISIC.
        source: what says so.
    """

    key: str
    columns: tuple[str, ...]
    source: str
    kaggle: bool = False


LAYOUTS = {
    "isic2018": Layout("image", taxonomy.codes("isic2018"), "https://challenge.isic-archive.com/landing/2018/47"),
    "isic2019": Layout("image", taxonomy.codes("isic2019"), "https://challenge.isic-archive.com/landing/2019"),
    "isic2020": Layout(
        "image_name", ("target",), "https://www.kaggle.com/c/siim-isic-melanoma-classification", kaggle=True
    ),
    "isic2024": Layout("isic_id", ("target",), "https://www.kaggle.com/competitions/isic-2024-challenge", kaggle=True),
    "milk10k": Layout("lesion_id", taxonomy.codes("milk10k"), "https://challenge.isic-archive.com/landing/milk10k"),
}

#: Either is the column of ids to the validator of the ISIC, the first where both are there.
_KEYS = ("image", "lesion_id")

#: What pandas 3 reads as a missing value, by which the validator of the ISIC goes.
_MISSING = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"}
    | {"NULL", "NaN", "None", "n/a", "nan", "null"}
)
_SPACE = r"[ \t\n\v\f\r]*"
_WHOLE = re.compile(rf"{_SPACE}[+-]?[0-9]+{_SPACE}")
_NUMBER = re.compile(rf"{_SPACE}[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?{_SPACE}|[+-]?inf(inity)?", re.IGNORECASE)
_END = "\0end"


def layout_of(name: str) -> Layout:
    """Returns the layout of this name.

    Raises:
        OptionError: there is none.
    """
    if name not in LAYOUTS:
        raise OptionError(f"layout is one of {', '.join(LAYOUTS)}. Received: {name!r}")
    return LAYOUTS[name]


def lint(path: str | os.PathLike[str], layout: str, ids: Collection[str] | None = None) -> list[str]:
    """Returns every reason for which a submission would be refused, in words, with the line; empty where it would not.

    For ``isic2018``, ``isic2019`` and ``milk10k`` the reasons are those of ``isic-challenge-scoring`` 5.8.0
    (``load_csv.py``; https://github.com/ImageMarkup/isic-challenge-scoring), which stops at the first. It takes columns
    and rows in any order, ``image`` or ``lesion_id`` as the column of ids, ids that end in ``.jpg``, and cells beyond
    those of the header where the first row has as many. Kaggle's reader for ``isic2020`` and ``isic2024`` is not
    public: they are held to what the competitions' pages ask for.

    Args:
        path: the CSV file.
        layout: one of :data:`LAYOUTS`.
        ids: the ids that the challenge expects, if they are known: then missing and unknown ones are told as well.

    Raises:
        OptionError: an unknown layout.
        DataError: the file cannot be read at all.
    """
    return _examined(path, layout_of(layout), ids)[0]


def read_submission(path: str | os.PathLike[str], layout: Layout, ids: Sequence[str]) -> npt.NDArray[np.float64]:
    """Returns (n, K) values in [0, 1] for n ``ids`` and the K columns of ``layout``, both in the order given.

    Raises:
        DataError: the file would be refused, for the reasons named.
    """
    problems, values = _examined(path, layout, ids)
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems[:10])
        more = f"\n  and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise DataError(f"{as_text(path)} would be refused:\n{listed}{more}")
    return np.array([values[one] for one in ids], dtype=np.float64)


def _examined(
    path: str | os.PathLike[str], layout: Layout, expected: Collection[str] | None
) -> tuple[list[str], dict[str, list[float]]]:
    """Returns what is wrong with a file, and the values of each id; these are complete where nothing is wrong."""
    problems, rows = _parsed(path, layout)
    if not rows:
        return problems, {}
    header, body = rows[0][1], rows[1:]
    keys = [name for name in ((layout.key,) if layout.kaggle else _KEYS) if name in header]
    if not keys:
        wanted = layout.key if layout.kaggle else " or ".join(_KEYS)
        return [*problems, f"line {rows[0][0]}: no column {wanted}. There are: {_listed(header)}"], {}
    places = {name: header.index(name) for name in (keys[0], *layout.columns) if name in header}
    absent = [name for name in layout.columns if name not in places]
    if absent:
        problems.append(f"line {rows[0][0]}: missing columns: {_listed(absent)}")
    extra = [name or "(no name)" for place, name in enumerate(header) if place not in places.values()]
    if extra:
        problems.append(f"line {rows[0][0]}: extra columns: {_listed(extra)}. Each has its place once.")
    if not body:
        return [*problems, "there are no rows under the header."], {}
    names = [re.sub(r"\.jpg$", "", cells[places[keys[0]]], flags=re.IGNORECASE) for _, cells in body]
    problems += _ids([line for line, _ in body], names, expected)
    for name in layout.columns:
        if name in places:
            problems += _values(name, [(line, cells[places[name]]) for line, cells in body], layout.kaggle)
    if problems:
        return problems, {}
    wanted_places = [places[name] for name in layout.columns]
    return [], {
        name: [float(cells[place]) for place in wanted_places] for name, (_, cells) in zip(names, body, strict=True)
    }


def _parsed(path: str | os.PathLike[str], layout: Layout) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Returns what is wrong with a file as CSV, and its rows, each with its line and as long as the longest allowed."""
    try:
        held = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{as_text(path)} cannot be read ({error.strerror}). Give the CSV file.") from error
    try:
        text = held.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = held[: error.start].count(b"\n") + 1
        return [f"line {line}: could not decode as UTF-8. Save the table as CSV in UTF-8."], []
    if not layout.kaggle and text[:2000].count("\n") < 2:
        return ["no newlines: the first 2,000 characters hold fewer than two. A header and rows, each ended, do."], []
    rows, problem = [], None
    try:
        for line, cells in _rows(text.removeprefix("\ufeff")):
            rows.append((line, cells))
    except csv.Error as error:
        problem = f"could not parse line {rows[-1][0] + 1 if rows else 1} or after: {error}."
    else:
        if rows[-1][1] != [_END]:
            problem = f"could not parse line {rows[-1][0]}: a quote is opened and never closed."
        elif len(rows) == 1:
            problem = "could not parse: no columns, the file is blank."
    return ([problem], []) if problem else _evened(rows[:-1])


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yields the line on which each row that is not blank begins, and its cells; :data:`_END` is the last."""
    reader = csv.reader(itertools.chain(io.StringIO(text), ["\n", _END]))
    line = 0
    for cells in reader:
        if cells and (len(cells) > 1 or not cells[0] or cells[0].strip(" \t")):
            yield line + 1, cells
        line = reader.line_num


def _evened(rows: list[tuple[int, list[str]]]) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Returns rows of one length, and which were too long: pandas allows what the header or the first row has."""
    width = max(len(cells) for _, cells in rows[:2])
    problems = [
        f"could not parse line {line}: {len(cells)} cells where {width} are expected."
        for line, cells in rows[2:]
        if len(cells) > width
    ]
    return problems, [rows[0], *((line, (cells + [""] * width)[:width]) for line, cells in rows[1:])]


def _ids(lines: Sequence[int], names: Sequence[str], expected: Collection[str] | None) -> list[str]:
    problems = []
    known, first = set(expected or ()), dict[str, int]()
    for line, name in zip(lines, names, strict=True):
        if name in _MISSING:
            problems.append(f"line {line}: no id.")
        elif first.setdefault(name, line) != line:
            problems.append(f"line {line}: duplicate id {as_text(name)}, which stands on line {first[name]}.")
        elif expected is not None and name not in known:
            problems.append(f"line {line}: unknown id {as_text(name)}.")
    absent = sorted(known - set(names))
    if absent:
        problems.append(f"missing ids: {len(absent)} of {len(known)}: {_listed(absent)}")
    return problems


def _values(column: str, cells: Sequence[tuple[int, str]], kaggle: bool) -> list[str]:
    problems = []
    for line, cell in cells:
        if cell in _MISSING:
            problems.append(f"line {line}, column {column}: missing value.")
        elif not _NUMBER.fullmatch(cell):
            problems.append(f"line {line}, column {column}: {as_text(cell)!r} is not a number.")
        elif not 0 <= float(cell) <= 1:
            problems.append(f"line {line}, column {column}: {cell.strip()} is outside [0, 1].")
    if not kaggle and all(_WHOLE.fullmatch(cell) for _, cell in cells):
        problems.append(f"column {column}: whole numbers alone, where floating-point ones must be. Write 0.0 and 1.0.")
    return problems


def _listed(names: Collection[str]) -> str:
    shown = [as_text(name) for name in itertools.islice(names, 10)]
    return ", ".join(shown) + (", ..." if len(names) > len(shown) else "")
