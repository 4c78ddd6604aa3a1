"""Labels as a model numbers its classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from lesionkit.data.records import Records
from lesionkit.errors import DataError
from lesionkit.model.parts import origin
from lesionkit.text import as_text


def class_names_of(model: keras.Model, data: Any, class_names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Returns the classes of ``model`` in order: ``class_names``, or what it or ``data`` tells, or numbers.

    Raises:
        DataError: they are not as many as the model tells apart.
    """
    built, count = origin(model), model.output.shape[-1]
    known = class_names or (built.class_names if built else None) or getattr(data, "class_names", None)
    names = tuple(known or (f"class {place}" for place in range(count)))
    if len(names) != count:
        raise DataError(f"The model tells {count} classes apart. Received: {', '.join(map(as_text, names))}")
    return names


def mapped(
    records: Records, names: tuple[str, ...], mapping: Mapping[str, str | None]
) -> tuple[Records, npt.NDArray[np.int64]]:
    """Returns the records whose class the mapping keeps, and their labels as places in ``names``."""
    unknown = sorted(set(mapping) - set(records.class_names))
    if unknown:
        raise DataError(f"class_mapping names classes that the records lack: {', '.join(map(as_text, unknown))}.")
    targets = {name: mapping.get(name, name) for name in records.class_names}
    used = {records.class_names[place] for place in np.unique(records.label[records.label >= 0])}
    foreign = sorted(f"{name} -> {targets[name]}" for name in used if targets[name] not in {*names, None})
    if foreign:
        raise DataError(
            f"The model does not know these classes: {', '.join(map(as_text, foreign))}. It knows "
            f"{', '.join(map(as_text, names))}. Give class_mapping={{its name: the model's name, or None}}."
        )
    place = np.array(
        [names.index(target) if (target := targets[name]) in names else -1 for name in records.class_names]
    )
    left_out = [number for number, name in enumerate(records.class_names) if targets[name] is None]
    kept = records[~np.isin(records.label, left_out)]
    if not len(kept) or kept.label.min() < 0:
        count = int(np.count_nonzero(kept.label < 0))
        raise DataError(f"Scores need labelled images. Received: {len(kept)} images, {count} of them without a label.")
    return kept, np.asarray(place[kept.label], dtype=np.int64)


def places(labels: Any, names: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Returns (n,) places in ``names`` of labels that are class names, whole numbers (n,) or one-hot (n, C).

    Raises:
        DataError: a class name that is not one of ``names``.
    """
    values = np.asarray(labels)
    if values.dtype.kind in "UO":
        unknown = sorted(set(map(str, values)) - set(names))
        if unknown:
            raise DataError(
                f"The model does not know these classes: {', '.join(unknown)}. It knows {', '.join(names)}."
            )
        return np.array([names.index(str(value)) for value in values], dtype=np.int64)
    return np.asarray(values.argmax(axis=1) if values.ndim == 2 else values, dtype=np.int64)
