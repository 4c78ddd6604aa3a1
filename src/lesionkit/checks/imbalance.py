"""Classes with many more images than others, and classes with too few to be scored."""

import math
import os

from lesionkit.checks.finding import Finding, Findings
from lesionkit.data.records import Records
from lesionkit.data.survey import Survey
from lesionkit.text import as_text

#: From this ratio on, an unweighted loss counts one class at least twice as much as another.
UNEVEN = 2.0

#: Below this number of test images, one image moves a class's recall by more than 10 points.
FEW = 10

_Z = 1.959964  # two-sided 95 % of the normal distribution


def imbalance(records: Records, surveyed: Survey) -> Findings:
    """Returns classes of uneven size in training, with fewer than 10 test images, or absent from a split.

    Images that cannot be read are not counted. Where no image is in the split ``train``, those of no split stand for
    it. The figures hold the counts, split -> class name -> images, and the same by source, the folder that holds an
    image or its HDF5 file; for training the largest class, the smallest that has any images, and their ratio; and for
    each class with test images the width in points of the 95 % Wilson interval at a recall of one half.

    Example:
        >>> found = lk.audit(records, only=["imbalance"]).findings["imbalance"]
        >>> print(found.summary)
        In train, synthetic actinic keratosis has 8 images and synthetic actinic keratosis 8, 1.0 to 1: ...
    """
    kept = records[surveyed.readable]
    counts = {split or "no split": row for split, row in kept.counts().items() if any(row.values())}
    training = next((split for split in ("train", "no split") if split in counts), None)
    absent = [
        _absent(name, split)
        for split in sorted(counts, key=lambda split: split != training)
        for name, number in counts[split].items()
        if number == 0
    ]
    tests = {name: number for name, number in counts.get("test", {}).items() if number}
    few = [_few(kept, name, tests[name]) for name in sorted(tests, key=tests.__getitem__) if tests[name] < FEW]
    uneven = _uneven(training, counts[training]) if training else None
    told = [uneven.message if uneven else "No labelled image to learn from."]
    told += [f"{len(few)} of {len(tests)} classes in test have fewer than {FEW} images."] if tests else []
    told += [f"A class is absent from a split in {len(absent)} cases."] if absent else []
    figures = {
        "counts": {split: {as_text(name): number for name, number in row.items()} for split, row in counts.items()},
        "by_source": _by_source(kept),
        "without_label": int((kept.label < 0).sum()),
        "training": dict(uneven.details) if uneven else None,
        "test_interval_points": {as_text(name): _wilson_width(number) for name, number in tests.items()},
    }
    worth_telling = (uneven,) if uneven and uneven.details["ratio"] >= UNEVEN else ()
    return Findings("imbalance", " ".join(told), (*absent, *few, *worth_telling), figures)


def _by_source(records: Records) -> dict[str, dict[str, int]]:
    """Returns folder or HDF5 file -> class name -> labelled images, those that have any."""
    found: dict[str, dict[str, int]] = {}
    for source, label in zip(records.source, records.label, strict=True):
        if label >= 0:
            container, inside, _ = source.partition("::")
            counts = found.setdefault(as_text(container if inside else os.path.dirname(source)), {})  # noqa: PTH120
            name = as_text(records.class_names[label])
            counts[name] = counts.get(name, 0) + 1
    return dict(sorted(found.items()))


def _absent(name: str, split: str) -> Finding:
    lost = "a classifier cannot learn it" if split in ("train", "no split") else "its recall there is unknown"
    return Finding(
        kind="absent_class",
        message=f"{as_text(name)} has no images in {split}: {lost}.",
        details={"class": as_text(name), "split": split},
    )


def _few(records: Records, name: str, number: int) -> Finding:
    width, step = _wilson_width(number), 100 / number
    return Finding(
        kind="few_test_images",
        message=f"{as_text(name)} has {number} test image{'' if number == 1 else 's'}: a recall of this class moves by "
        f"{step:.0f} points per image, and its 95 % interval (Wilson) at a recall of 50 % is {width:.0f} points wide.",
        sources=tuple(records.where(split="test", label=name).source),
        details={"class": as_text(name), "images": number, "points_per_image": step, "interval_points": width},
    )


def _uneven(split: str, counts: dict[str, int]) -> Finding:
    """Returns the largest and the smallest class of a split that has images, the first among equals."""
    sizes = {name: number for name, number in counts.items() if number}
    largest, smallest = max(sizes, key=sizes.__getitem__), min(sizes, key=sizes.__getitem__)
    ratio, share = sizes[largest] / sizes[smallest], sizes[largest] / sum(sizes.values())
    return Finding(
        kind="imbalance",
        message=f"In {split}, {as_text(largest)} has {sizes[largest]} images and {as_text(smallest)} "
        f"{sizes[smallest]}, {ratio:.1f} to 1: always saying {as_text(largest)} is right for {share:.0%}.",
        details={
            "split": split,
            "largest": as_text(largest),
            "smallest": as_text(smallest),
            "ratio": ratio,
            "majority": share,
        },
    )


def _wilson_width(number: int) -> float:
    """Returns the width in points of the 95 % Wilson score interval of a share of one half among ``number``.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927); at one half its
    width is z / sqrt(n + z^2).
    """
    return 100 * _Z / math.sqrt(number + _Z * _Z)
