"""Records to train, validation and test; no picture, lesion or patient on two sides."""

import dataclasses
import logging
import warnings

import numpy as np
import numpy.typing as npt

from lesionkit.data.reading import read, read_ahead
from lesionkit.data.records import Records, as_column
from lesionkit.errors import DataError
from lesionkit.options import checked_count, checked_seed, checked_share
from lesionkit.text import as_text

logger = logging.getLogger(__name__)


def split(
    records: Records, *, validation: float = 0.2, test: float = 0.2, seed: int = 0
) -> tuple[Records, Records, Records]:
    """Returns (train, validation, test); what the records ship as validation or test stays exactly that.

    Whole groups (:meth:`Records.groups`: a picture, a lesion, a patient, as far as they are known) are moved,
    each class in proportion; what cannot be satisfied is logged as a warning. Where no picture is known, the files'
    bytes are read to tell equal ones. What the source ships as test is not changed, even where it shows a lesion
    that is also in training.

    Args:
        records: the records; those in no split count as training.
        validation: share of the training records to hold out while training, in [0, 1); not used where a
            validation set is shipped. With 0 the validation set is empty.
        test: share to hold out as a test set where none is shipped, in [0, 1).
        seed: another seed makes another split.

    Raises:
        OptionError: a share or the seed is out of range.
        DataError: nothing is left to train on, or a class has no training image.

    Example:
        >>> train, validation, test = lk.split(records, validation=0.25, seed=0)
        >>> len(train), len(validation), len(test)
        (54, 18, 27)
    """
    checked_share(validation, "validation")
    checked_share(test, "test")
    rng = np.random.default_rng([checked_seed(seed), 0x5711])
    records = _with_pictures(records)
    groups = records.groups()
    sides = np.where(records.split == "", "train", records.split).astype(object)
    for side, share in (("test", test), ("validation", validation)):
        if share and not np.any(records.split == side):
            pool = np.flatnonzero(sides == "train")
            sides[pool[_held_out(records[pool], groups[pool], share, rng)]] = side
            logger.info("split: %d images held out for %s", np.count_nonzero(sides == side), side)
    whole = dataclasses.replace(records, split=sides)
    train = whole.where(split="train")
    _refuse_untrained(train)
    return train, whole.where(split="validation"), whole.where(split="test")


def folds(records: Records, *, k: int = 5, seed: int = 0) -> list[tuple[Records, Records]]:
    """Returns k pairs (train, validation): each image that is not shipped as test is held out in exactly one.

    Whole groups stay on one side, classes are in proportion as far as the groups allow (scikit-learn's
    ``StratifiedGroupKFold``); a class with fewer groups than folds is named in a warning. A shipped validation set is
    shared out with the rest.

    Args:
        records: the records.
        k: how many folds, at least 2.
        seed: another seed makes other folds.

    Raises:
        OptionError: k or the seed is out of range.
        DataError: there are fewer groups than folds, or a fold would leave a class without training images.

    Example:
        >>> [(len(learned), len(held_out)) for learned, held_out in lk.folds(records, k=3)]
        [(48, 24), (48, 24), (48, 24)]
    """
    from sklearn.model_selection import StratifiedGroupKFold

    checked_count(k, "k", least=2)
    known = _with_pictures(records)
    pool = known[known.split != "test"]
    groups = known.groups()[known.split != "test"]  # two images linked through a test image are linked
    if len(np.unique(groups)) < k or np.bincount(pool.label + 1).max(initial=0) < k:
        raise DataError(
            f"{k} folds need as many groups of images, and a class of as many images. Received: "
            f"{len(np.unique(groups))} groups, at most {np.bincount(pool.label + 1).max(initial=0)} images of a class."
        )
    few = {
        name: count
        for place, name in enumerate(pool.class_names)
        if (count := len(np.unique(groups[pool.label == place]))) < k
    }
    if few:
        listed = ", ".join(f"{as_text(name)} ({count})" for name, count in few.items())
        logger.warning("folds: classes with fewer groups than the %d folds lack images in some: %s", k, listed)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said above, with names
        sides = StratifiedGroupKFold(k, shuffle=True, random_state=checked_seed(seed)).split(groups, pool.label, groups)
        for _, outside in sides:
            whole = dataclasses.replace(
                pool, split=np.where(np.isin(np.arange(len(pool)), outside), "validation", "train")
            )
            _refuse_untrained(whole.where(split="train"))
            found.append((whole.where(split="train"), whole.where(split="validation")))
    return found


def _with_pictures(records: Records) -> Records:
    """Returns the records with ``picture_id`` where none is known; None where a file cannot be read."""
    if np.any(records.picture_id != np.array(None)):
        return records
    known = read_ahead(lambda source: read(source).picture_id or None, records.source)  # decoding reports the error
    return dataclasses.replace(records, picture_id=as_column(list(known)))


def _refuse_untrained(train: Records) -> None:
    empty = [name for place, name in enumerate(train.class_names) if not np.any(train.label == place)]
    if empty:
        raise DataError(
            f"No training image is left for {', '.join(map(as_text, empty))}. Add images, or leave these classes out."
        )


def _held_out(
    records: Records, groups: npt.NDArray[np.int64], share: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Chooses whole groups until each class has about ``share`` of its images, never all of them.

    Groups come largest first, in random order among equals: a group is taken when that brings the counts of
    its classes nearer to what is wanted.
    """
    labels = records.label + 1  # unlabelled images count as a class of their own
    groups = np.unique(groups, return_inverse=True)[1]
    counts = np.zeros((groups.max(initial=-1) + 1, len(records.class_names) + 1), dtype=np.int64)
    np.add.at(counts, (groups, labels), 1)
    total = counts.sum(axis=0)
    wanted = np.minimum(np.rint(share * total), np.maximum(total - 1, 0)).astype(np.int64)
    missing, left = wanted.copy(), total.copy()
    taken = np.zeros(len(counts), dtype=bool)
    shuffled = rng.permutation(len(counts))
    for group in shuffled[np.argsort(-counts[shuffled].sum(axis=1), kind="stable")]:
        places = np.flatnonzero(counts[group])
        gain = np.abs(missing[places]).sum() - np.abs(missing[places] - counts[group, places]).sum()
        if gain > 0 and np.all(left[places] > counts[group, places]):
            taken[group] = True
            missing[places] -= counts[group, places]
            left[places] -= counts[group, places]
    short = [name for name, rest in zip(records.class_names, missing[1:], strict=True) if abs(rest) > 1]
    if short:
        logger.warning("split: groups of images that belong together leave these classes off the share: %s", short)
    return taken[groups]
