"""Image files that are broken, empty of content, or unlike the others."""

import collections
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lesionkit.checks.finding import Finding, Findings, named
from lesionkit.data.records import Records
from lesionkit.data.survey import Look, Survey
from lesionkit.text import as_text

#: Pixels. Most networks halve the sides five times: a shorter side than this leaves less than one place of features.
LEAST_SIDE = 32

#: Standard deviation in [0, 255]. One colour, rounded and compressed as JPEG, stays below 1; a photograph of skin,
#: which light never meets evenly, is several times as uneven as this.
LEAST_SPREAD = 2.0

#: Kind of finding -> what is said of its images, the worst kind first.
KINDS = {
    "unreadable": "cannot be read",
    "truncated": "end too early",
    "blank": f"show one colour: the thumbnail's standard deviation is below {LEAST_SPREAD} of 255 in each channel",
    "tiny": f"are tiny: width or height is below {LEAST_SIDE} pixels",
    "odd_mode": "have another kind of pixels than most of the set",
    "wrong_extension": "are of another format than their names say",
}

_MODES = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey with transparency",
    "P": "palette",
    "PA": "palette with transparency",
    "RGBA": "RGB with transparency",
    "I": "grey of 16 bits or more",
    "I;16": "grey of 16 bits",
    "I;16B": "grey of 16 bits",
}
_MOST_COMMON = 10


def integrity(records: Records, surveyed: Survey) -> Findings:
    """Returns the images that cannot be read, are tiny or blank, of an odd colour mode, or under a wrong extension.

    One finding names all images of its kind, of one pair of modes or formats where it is about these, and gives the
    reason for each. The usual mode is the commonest (RGB among equals). A name without an extension is not wrong. The
    figures count images; an image can be counted under several kinds.

    Example:
        >>> found = lk.audit(records, only=["integrity"]).findings["integrity"]
        >>> print(found.summary)
        99 images: no faults. Most are PNG, 48 x 48 pixels (1 sizes).
    """
    usual = _usual_mode(surveyed)
    cases: dict[tuple[str, str], list[tuple[int, str]]] = collections.defaultdict(list)
    for row, look in enumerate(surveyed.looks):
        for kind, about, reason in _faults(records.source[row], look, usual):
            cases[kind, about].append((row, reason))
    ranked = sorted(cases, key=lambda case: (list(KINDS).index(case[0]), -len(cases[case]), case[1]))
    found = tuple(_finding(records, kind, about, cases[kind, about]) for kind, about in ranked)
    counts = {kind: sum(len(rows) for (one, _), rows in cases.items() if one == kind) for kind in KINDS}
    read = [look for look in surveyed.looks if look.error is None]
    sizes = _common(f"{look.width} x {look.height}" for look in read)
    figures = {
        "images": len(records),
        "counts": counts,
        "formats": _common(look.format for look in read),
        "modes": _common(look.mode for look in read),
        "sizes": dict(list(sizes.items())[:_MOST_COMMON]),
        "distinct_sizes": len(sizes),
    }
    return Findings("integrity", _summary(figures), found, figures)


def _faults(source: str, look: Look, usual: str) -> Iterable[tuple[str, str, str]]:
    """Yields kind, what sets its finding apart from others of the kind, and the reason, for one image."""
    if look.error is not None:
        yield "truncated" if look.error.reason.startswith("truncated") else "unreadable", "", look.error.reason
        return
    if min(look.width, look.height) < LEAST_SIDE:
        yield "tiny", "", f"{look.width} x {look.height} pixels"
    spread = float(np.std(look.thumbnail, axis=(0, 1)).max()) if look.thumbnail is not None else np.inf
    if spread < LEAST_SPREAD:
        yield "blank", "", f"standard deviation {spread:.2f}"
    if look.mode != usual:
        pair = f"{_mode(look.mode)} among {_mode(usual)}"
        yield "odd_mode", pair, pair
    suffix = Path(source).suffix.lower()
    kind = "JPEG" if look.format == "MPO" else look.format  # several JPEGs in one file; its first is what is read
    if suffix and Image.registered_extensions().get(suffix) != kind:
        pair = f"{kind} named {as_text(suffix)}"
        yield "wrong_extension", pair, pair


def _finding(records: Records, kind: str, about: str, cases: list[tuple[int, str]]) -> Finding:
    rows = [row for row, _ in cases]
    about = f" ({about})" if about else ""
    first = "" if about else f" The first: {cases[0][1]}."
    return Finding(
        kind=kind,
        message=f"{len(rows)} of {len(records)} images {KINDS[kind]}{about}: {named(records, rows, 3)}.{first}",
        sources=tuple(records.source[rows]),
        details={"reasons": [reason for _, reason in cases]},
    )


def _summary(figures: dict[str, Any]) -> str:
    faults = [f"{kind.replace('_', ' ')} {number}" for kind, number in figures["counts"].items() if number]
    sizes = figures["distinct_sizes"]
    common = next(iter(figures["sizes"]), None)
    what = f" Most are {next(iter(figures['formats']))}, {common} pixels ({sizes} sizes)." if common else ""
    return f"{figures['images']} images: {', '.join(faults) or 'no faults'}.{what}"


def _usual_mode(surveyed: Survey) -> str:
    counts = collections.Counter(look.mode for look in surveyed.looks if look.error is None)
    return max(counts, key=lambda mode: (counts[mode], mode == "RGB", mode), default="RGB")


def _mode(mode: str) -> str:
    return _MODES.get(mode, mode)


def _common(values: Iterable[str]) -> dict[str, int]:
    """Returns value -> how often, the commonest first, equals by name."""
    return dict(sorted(collections.Counter(values).items(), key=lambda item: (-item[1], item[0])))
