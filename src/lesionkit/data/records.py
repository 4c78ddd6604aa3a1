"""Records: which images, which labels, which split, and which picture, lesion and patient each shows."""

import dataclasses
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from lesionkit.data.identities import linked_by
from lesionkit.errors import DataError, OptionError
from lesionkit.text import as_text, html_table

Column = npt.NDArray[Any]

#: Image files: a list of paths, or a column of them.
Sources = Sequence[str] | Column

#: The splits that a record can be in; an empty text means that its source does not say.
SPLITS = ("train", "validation", "test")

#: The identities that keep records together when they are split: equal bytes, same picture, same lesion, same patient.
GROUPS = ("picture_id", "lesion_id", "patient_id", "copy_id")

#: What a table of metadata can add to records: identities, the diagnosis that it gives, and whose the image is.
METADATA = (*GROUPS, "diagnosis", "confirmed_by", "licence", "attribution")


class Record(NamedTuple):
    """One image: a row of :class:`Records`. An unknown label or identity is None."""

    source: str
    label: str | None
    split: str
    image_id: str
    picture_id: str | None
    lesion_id: str | None
    patient_id: str | None
    copy_id: str | None
    diagnosis: str | None
    confirmed_by: str | None
    licence: str | None
    attribution: str | None


class Skipped(NamedTuple):
    """An image that was left out, and why."""

    source: str
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class Records:
    """Images and what is known of them, one column an attribute, n rows; nothing of the pixels.

    Attributes:
        class_names: at least two, in the order in which a classifier numbers them.
        source: (n,) text: the image's file. A name that is not UTF-8 is kept as :func:`os.fsdecode` gives it.
        label: (n,) whole numbers, places in ``class_names``; -1 where unknown.
        image_id: (n,) text: the name under which other tables know the image.
        split: (n,) text: one of :data:`SPLITS`, or empty.
        picture_id: (n,) text or None: equal where the image files have equal bytes.
        lesion_id: (n,) text or None: equal where the same lesion is shown.
        patient_id: (n,) text or None: equal where the lesion is the same person's.
        copy_id: (n,) text or None: equal where the pictures are exact or near copies of each other.
        diagnosis: (n,) text or None: what a table of metadata says, as ``"layout:code"`` of
            :mod:`lesionkit.data.taxonomy`.
        confirmed_by: (n,) text or None: how that diagnosis was made, in the table's words.
        licence: (n,) text or None: under which the image may be used, in the table's words.
        attribution: (n,) text or None: whom to name as its source.
        name: where the records come from, in words.
        skipped: images that were listed and then left out, with the reason.

    Example:
        >>> records = lk.Records(("nevus", "melanoma"), ["a.jpg", "b.jpg"], [0, 1], ["a", "b"])
        >>> records = records.join({"image_id": ["a"], "lesion_id": ["HAM_1"]})
        >>> records.record(0).label, records.record(0).lesion_id, records.record(1).lesion_id
        ('nevus', 'HAM_1', None)
    """

    class_names: tuple[str, ...]
    source: Column
    label: Column
    image_id: Column
    split: Column = None  # type: ignore[assignment]
    picture_id: Column = None  # type: ignore[assignment]
    lesion_id: Column = None  # type: ignore[assignment]
    patient_id: Column = None  # type: ignore[assignment]
    copy_id: Column = None  # type: ignore[assignment]
    diagnosis: Column = None  # type: ignore[assignment]
    confirmed_by: Column = None  # type: ignore[assignment]
    licence: Column = None  # type: ignore[assignment]
    attribution: Column = None  # type: ignore[assignment]
    name: str = "records"
    skipped: tuple[Skipped, ...] = ()

    def __post_init__(self) -> None:
        """Makes each column an array.

        Raises:
            DataError: columns of unequal length, a label that is not a class's place, an unknown split, or class
                names that are fewer than two or not distinct.
        """
        object.__setattr__(self, "class_names", checked_class_names(self.class_names))
        count = len(self.source)
        object.__setattr__(self, "label", _places(self.label))
        defaults = {"split": "", **dict.fromkeys(METADATA)}
        for column in ("source", "image_id", *defaults):
            values = getattr(self, column)
            values = [defaults[column]] * count if values is None and column in defaults else values
            object.__setattr__(self, column, as_column(values))
        for column in METADATA:
            values = getattr(self, column)
            values[(values == "") | (values != values)] = None
        for column in _COLUMNS:
            if len(getattr(self, column)) != count:
                raise DataError(f"{column} has {len(getattr(self, column))} rows where source has {count}.")
        if count and not -1 <= self.label.min() <= self.label.max() < len(self.class_names):
            raise DataError(f"label holds places from -1 to {len(self.class_names) - 1}. Received: {self.label}")
        unknown = set(self.split) - {"", *SPLITS}
        if unknown:
            raise DataError(
                f"split is one of {', '.join(SPLITS)} or empty. Received: {', '.join(sorted(map(repr, unknown)))}"
            )

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> Iterator[Record]:
        return (self.record(row) for row in range(len(self)))

    def record(self, row: int) -> Record:
        """Returns one row, its label as the class name."""
        values = {column: getattr(self, column)[row] for column in _COLUMNS}
        values["label"] = self.class_names[values["label"]] if values["label"] >= 0 else None
        return Record(**values)

    def __getitem__(self, rows: Any) -> Self:
        """Returns the chosen rows: a slice, an array of places, or a mask of n booleans."""
        if isinstance(rows, int | np.integer):
            raise OptionError(f"records[{rows}] would be one row: use records.record({rows}), or a slice.")
        index = rows if isinstance(rows, slice) else np.asarray(rows)
        if not isinstance(index, slice) and index.size == 0:
            index = index.astype(np.int64)
        return dataclasses.replace(self, **{column: getattr(self, column)[index] for column in _COLUMNS})

    def where(
        self,
        *,
        split: str | Collection[str] | None = None,
        label: str | Collection[str] | None = None,
        image_id: str | Collection[str] | None = None,
    ) -> Self:
        """Returns the rows in any of these splits, of any of these classes, with any of these image ids.

        Raises:
            OptionError: no such split or class.
        """
        mask = np.ones(len(self), dtype=bool)
        if split is not None:
            mask &= np.isin(self.split, _known(split, ("", *SPLITS), "split"))
        if label is not None:
            chosen = _known(label, self.class_names, "label")
            mask &= np.isin(self.label, [self.class_names.index(name) for name in chosen])
        if image_id is not None:
            wanted = {image_id} if isinstance(image_id, str) else set(image_id)
            mask &= np.fromiter((value in wanted for value in self.image_id), dtype=bool, count=len(self))
        return self[mask]

    def counts(self) -> dict[str, dict[str, int]]:
        """Returns split -> class name -> number of images, for each split that has any, every class named."""
        found = {}
        for split in ("", *SPLITS):
            labels = self.label[self.split == split]
            if len(labels):
                numbers = np.bincount(labels[labels >= 0], minlength=len(self.class_names))
                found[split] = dict(zip(self.class_names, map(int, numbers), strict=True))
        return found

    def join(self, table: Mapping[str, Sequence[Any]] | Any, *, on: str = "image_id") -> Self:
        """Returns the records with the identities and diagnoses that ``table`` knows for their image ids.

        Args:
            table: columns of equal length: a mapping of lists or arrays, a pandas DataFrame, or other Records
                by :meth:`columns`. Besides ``on`` it has any of ``lesion_id``, ``patient_id``, ``picture_id``,
                ``copy_id``, ``diagnosis``, ``confirmed_by``, ``licence`` and ``attribution``; other columns are not
                read. Empty or missing values leave what was known.
            on: the table's column of image ids.

        Raises:
            DataError: no such column, nothing to join, columns of unequal length, or two rows that give one image
                different identities.
        """
        names = [name for name in METADATA if name in table]
        if on not in table or not names:
            raise DataError(
                f"The table needs the column {on!r} and at least one of {', '.join(METADATA)}. "
                f"Received: {', '.join(map(str, table.keys()))}"
            )
        ids = [str(value) for value in table[on]]
        joined: dict[str, Any] = {}
        for name in names:
            if len(table[name]) != len(ids):
                raise DataError(f"The table's column {name} has {len(table[name])} rows where {on} has {len(ids)}.")
            known = _by_image(ids, table[name], name)
            values = [known.get(image, now) for image, now in zip(self.image_id, getattr(self, name), strict=True)]
            joined[name] = as_column(values)
        return dataclasses.replace(self, **joined)

    def columns(self) -> dict[str, Column]:
        """Returns the columns by name, as :meth:`join` and ``pandas.DataFrame`` take them."""
        return {column: getattr(self, column) for column in _COLUMNS}

    @classmethod
    def concatenate(cls, parts: Sequence["Records"], *, name: str | None = None) -> Self:
        """Returns all rows of ``parts``, in order.

        Raises:
            DataError: no parts, or parts whose class names differ.
        """
        if not parts or any(part.class_names != parts[0].class_names for part in parts):
            given = "; ".join(", ".join(map(as_text, part.class_names)) for part in parts) or "no records"
            raise DataError(f"Records are joined only where they name the same classes in one order. Received: {given}")
        return cls(
            class_names=parts[0].class_names,
            name=name or " + ".join(dict.fromkeys(part.name for part in parts)),
            skipped=tuple(dict.fromkeys(item for part in parts for item in part.skipped)),
            **{column: np.concatenate([getattr(part, column) for part in parts]) for column in _COLUMNS},
        )

    def groups(self) -> npt.NDArray[np.int64]:
        """Returns (n,) group numbers: records linked by a picture, a lesion or a patient share one.

        A group is a connected component: A and B of one lesion, B and C with equal bytes, make one group.
        """
        return linked_by(*(getattr(self, name) for name in GROUPS))

    def __repr__(self) -> str:
        counts = self.counts()
        splits = ", ".join(f"{split or 'no split'} {sum(row.values())}" for split, row in counts.items())
        known = ", ".join(
            f"{name} of {np.count_nonzero(getattr(self, name) != np.array(None))}"
            for name in GROUPS
            if np.any(getattr(self, name) != np.array(None))
        )
        lines = [
            f"Records({as_text(self.name)}: {len(self)} images, {len(self.class_names)} classes; {splits or 'none'})"
        ]
        for place, name in enumerate(self.class_names):
            per_split = [f"{split or 'no split'} {row[name]}" for split, row in counts.items()]
            lines.append(f"  {place:>3}  {as_text(name)}: {', '.join(per_split)}")
        unlabelled = int(np.count_nonzero(self.label < 0))
        extras = [f"known: {known}"] if known else []
        extras += [f"{unlabelled} without a label"] if unlabelled else []
        extras += [f"{len(self.skipped)} left out"] if self.skipped else []
        return "\n".join([*lines, *(f"  {extra}" for extra in extras)])

    def _repr_html_(self) -> str:
        counts = self.counts()
        caption = f"{as_text(self.name)}: {len(self)} images, {len(self.class_names)} classes"
        rows = [(name, *(row[name] for row in counts.values())) for name in self.class_names]
        left_out = f"<p>{len(self.skipped)} left out</p>" if self.skipped else ""
        return html_table(caption, ("class", *(split or "no split" for split in counts)), rows) + left_out


_COLUMNS = Record._fields


def checked_class_names(class_names: Sequence[str]) -> tuple[str, ...]:
    """Returns ``class_names`` as a tuple.

    Raises:
        DataError: fewer than two, or two that are equal, or one that is not text.
    """
    names = (class_names,) if isinstance(class_names, str) else tuple(class_names)
    if len(names) < 2 or not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise DataError(
            f"class_names are two or more distinct texts. Received: {', '.join(map(repr, names)) or 'none'}"
        )
    return names


def as_column(values: Any) -> Column:
    """Returns ``values`` as an array of objects, paths as text."""
    column = np.empty(len(values), dtype=object)
    column[:] = [os.fspath(value) if isinstance(value, os.PathLike) else value for value in values]
    return column


def _places(label: Any) -> Column:
    values = np.asarray(label).reshape(-1)
    try:
        with np.errstate(invalid="ignore"):
            places = values.astype(np.int64)
        if not np.array_equal(places, values):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise DataError(
            f"label holds whole numbers, places in class_names, and -1 where unknown. Received: {label!r}"
        ) from None
    return places


def _missing(value: Any) -> bool:
    """Returns whether a table's value is None, empty, NaN, or pandas's NA or NaT (told without pandas)."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return bool(value == "" or value != value)


def _known(chosen: str | Collection[str], allowed: Sequence[str], name: str) -> list[str]:
    wanted = [chosen] if isinstance(chosen, str) else list(chosen)
    unknown = [value for value in wanted if value not in allowed]
    if unknown:
        raise OptionError(
            f"{name} is one of {', '.join(map(as_text, filter(None, allowed)))}. "
            f"Received: {', '.join(map(repr, unknown))}"
        )
    return wanted


def _by_image(ids: list[str], values: Sequence[Any], name: str) -> dict[str, str]:
    known: dict[str, str] = {}
    for image, value in zip(ids, values, strict=True):
        if not _missing(value) and known.setdefault(image, str(value)) != str(value):
            raise DataError(f"The table gives image {image} two values of {name}: {known[image]} and {value}.")
    return known
