"""Tables of metadata: CSV files to columns, strictly; the ids of images that they name."""

import csv
import difflib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionkit.errors import DataError
from lesionkit.text import as_text

#: How tables spell a missing value, in any case.
MISSING = ("", "na", "n/a", "nan", "null")

#: What an image file's name ends in.
IMAGE_SUFFIX = re.compile(r"\.(jpe?g|png|bmp|gif|webp|tiff?|dcm)$", re.IGNORECASE)
_ISIC_ID = re.compile(r"ISIC_\d{7}(?!\d)", re.IGNORECASE)

_DELIMITERS = ",;\t"


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of a CSV file, n rows of text without the spaces around it; None where a value is missing.

    Attributes:
        path: the file.
        columns: those that were asked for and are there, by name.
        lines: (n,) the line of the file on which each row begins, from 1.
    """

    path: str
    columns: dict[str, list[str | None]]
    lines: list[int]

    def __len__(self) -> int:
        return len(self.lines)

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def __getitem__(self, column: str) -> list[str | None]:
        """Returns (n,) the values of a column; all None where the file has no such column."""
        return self.columns.get(column) or [None] * len(self)

    def bits(self, column: str) -> list[int]:
        """Returns (n,) a column of 0 and 1, which may be written as 0.0 and 1.0.

        Raises:
            DataError: a value is missing or another.
        """
        meant = {"0": 0, "0.0": 0, "1": 1, "1.0": 1}
        for row, value in enumerate(self[column]):
            if value not in meant:
                raise self.error(row, column, f"{'no value' if value is None else repr(value)} where 0 or 1 stands.")
        return [meant[str(value)] for value in self[column]]

    def rows(self, places: Sequence[int]) -> "Table":
        """Returns the chosen rows."""
        chosen = {name: [values[place] for place in places] for name, values in self.columns.items()}
        return Table(self.path, chosen, [self.lines[place] for place in places])

    def error(self, row: int, column: str | Sequence[str], problem: str) -> DataError:
        """Returns the error that ``problem`` is in this row and these columns."""
        named = [column] if isinstance(column, str) else list(column)
        noun = "column" if len(named) == 1 else "columns"
        shown = ", ".join(map(as_text, named))
        return DataError(f"{as_text(self.path)}, line {self.lines[row]}, {noun} {shown}: {problem}")


def read_header(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Returns the names of a CSV file's columns, distinct.

    Raises:
        DataError: the file is missing, empty or not UTF-8, or two columns have one name.
    """
    return _header(os.fspath(path), next(_rows(os.fspath(path), ()))[1])


def read_table(
    path: str | os.PathLike[str],
    required: Sequence[str] = (),
    optional: Sequence[str] = (),
    key: str | None = None,
    *,
    missing: Collection[str] = MISSING,
) -> Table:
    """Returns the columns ``required``, and of ``optional`` those that are there, of a CSV file with n >= 1 rows.

    UTF-8 with or without a byte order mark, lines ended in any way, cells separated by commas, or by semicolons or
    tabs where the columns are found that way. Blank lines are passed over. A row has as many cells as the header.

    Args:
        path: the file.
        required: columns that must be there.
        optional: columns that may be there; others are not kept.
        key: a required column of ids, present and distinct in all rows; they lose an image suffix (:func:`as_id`).
        missing: values in lower case that mean a missing one.

    Raises:
        DataError: the file is missing, empty, without rows, not UTF-8 or not CSV; a column is missing or there
            twice; a row has too few or too many cells; an id is missing or there twice.
    """
    name = os.fspath(path)
    rows = _rows(name, required)
    header = _header(name, next(rows)[1])
    absent = [column for column in required if column not in header]
    if absent:
        raise DataError(_absent(name, absent, header))
    wanted = [column for column in dict.fromkeys((*required, *optional)) if column in header]
    places = [header.index(column) for column in wanted]
    lines, picked = [], []
    for line, cells in rows:
        if len(cells) != len(header):
            raise DataError(
                f"{as_text(name)}, line {line}: {len(cells)} cells where the header has {len(header)} columns "
                f"({', '.join(map(as_text, header[:12]))}{', ...' if len(header) > 12 else ''}). Repair the row."
            )
        lines.append(line)
        picked.append([cells[place] for place in places])
    if not lines:
        raise DataError(f"{as_text(name)} has a header but no rows. Copy or download it again.")
    columns = zip(wanted, zip(*picked, strict=True), strict=True)
    table = Table(name, {column: _cleaned(values, missing) for column, values in columns}, lines)
    if key is not None:
        table.columns[key] = _ids(table, key)
    return table


def as_id(text: str) -> str:
    """Returns an image's id: ``text`` without the spaces around it and without an image file's suffix."""
    return IMAGE_SUFFIX.sub("", text.strip())


def image_id(path: str) -> str:
    """Returns the ISIC identifier in a file's name, in capitals, or the name without its suffix."""
    stem = Path(path).stem
    found = _ISIC_ID.search(stem)
    return found.group().upper() if found else stem


def _rows(path: str, required: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yields the line on which each row begins, and its cells; the header first."""
    line = 0
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:  # noqa: PTH123
            first = file.readline()
            if not first.strip():
                raise DataError(f"{as_text(path)} is empty, or its first line is. Copy or download it again.")
            file.seek(0)
            reader = csv.reader(file, delimiter=_delimiter(first, set(required)), strict=True)
            for cells in reader:
                if cells:
                    yield line + 1, cells
                line = reader.line_num
    except FileNotFoundError:
        raise DataError(f"{as_text(path)}: there is no such file.") from None
    except UnicodeDecodeError:
        raise DataError(
            f"{as_text(path)}, line {_undecodable_line(path)}: not UTF-8. Save the table as CSV in UTF-8."
        ) from None
    except OSError as error:
        raise DataError(f"{as_text(path)} cannot be read ({error.strerror}). Give the CSV file.") from error
    except csv.Error as error:
        raise DataError(f"{as_text(path)}, line {line + 1}: not CSV ({error}). Repair the quotes there.") from None


def _delimiter(first: str, required: set[str]) -> str:
    def fit(delimiter: str) -> tuple[int, int]:
        cells = [cell.strip().strip('"') for cell in first.split(delimiter)]
        return len(required & set(cells)), len(cells)

    return max(_DELIMITERS, key=fit)


def _undecodable_line(path: str) -> int:
    with open(path, "rb") as file:  # noqa: PTH123
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def _header(path: str, cells: list[str]) -> tuple[str, ...]:
    names = tuple(cell.strip() for cell in cells)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{as_text(path)}, line 1: two columns are called {', '.join(map(repr, twice))}. Keep one.")
    return names


def _absent(path: str, absent: Sequence[str], header: Sequence[str]) -> str:
    folded = {name.casefold(): name for name in header}
    near = [folded[name] for one in absent for name in difflib.get_close_matches(one.casefold(), folded, n=1)]
    hint = f" Is it called {' and '.join(map(repr, dict.fromkeys(near)))} there?" if near else ""
    return (
        f"{as_text(path)}, line 1: no column {', '.join(map(repr, absent))}.{hint} "
        f"There are: {', '.join(map(as_text, header))}"
    )


def _cleaned(values: Sequence[str], missing: Collection[str]) -> list[str | None]:
    meant = {value: None if value.strip().casefold() in missing else value.strip() for value in set(values)}
    return [meant[value] for value in values]


def _ids(table: Table, key: str) -> list[str | None]:
    places: dict[str, int] = {}
    for row, value in enumerate(table[key]):
        image = as_id(value or "")
        if not image:
            raise table.error(row, key, "the id is missing.")
        if places.setdefault(image, row) != row:
            earlier = table.lines[places[image]]
            raise table.error(row, key, f"{as_text(image)} stands on line {earlier} already. Keep one of the two rows.")
    return list(places)
