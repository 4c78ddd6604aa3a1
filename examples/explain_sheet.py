"""Where trained classifiers look: a picture with a row for each image and a column for each classifier or method.

    python examples/explain_sheet.py --model runs/baseline photo.jpg folder/
    python examples/explain_sheet.py --model runs/a --model runs/b --method hires_cam --method layer_cam photo.jpg

Each map is for the class that the classifier finds likeliest, or for --class in all. "border" is the share of the map's
weight in the outer tenth of each side; in colour where it is more than a map would have that is the same everywhere.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import lesionkit as lk
from lesionkit.commands.running import described, run
from lesionkit.model.heat_maps import METHODS, heat_maps
from lesionkit.model.overlays import sheet
from lesionkit.text import as_text


def main(arguments: list[str] | None = None) -> int:
    """Draws the sheet; returns the exit status."""
    return run(drawn, parser().parse_args(arguments))


def drawn(options: argparse.Namespace) -> str:
    """Draws the sheet; returns where it is."""
    bundles = {path: lk.load(path) for path in options.model}
    size = next(iter(bundles.values())).image_size
    columns, notes, sources = {}, {}, []
    for path, bundle in bundles.items():
        answers = bundle.predict(options.images)[: options.most]
        sources = [one.source for one in answers]
        names = [options.label or one.label for one in answers]
        if not set(names) <= set(bundle.class_names):
            known = ", ".join(map(as_text, bundle.class_names))
            raise lk.LesionkitError(f"{as_text(path)} knows the classes {known}. Received: {as_text(options.label)}")
        pixels = lk.pipeline.Pixels(sources, bundle.image_size)
        for method in options.method or ["hires_cam"]:
            maps = heat_maps(bundle.model, pixels, [bundle.class_names.index(one) for one in names], method=method)
            column = f"{as_text(path)}\n{method}"
            columns[column] = np.stack([_sized(one, size) for one in maps])
            notes[column] = [f"{name} {dict(one.ranked)[name]:.0%}" for name, one in zip(names, answers, strict=True)]
    images = lk.pipeline.Pixels(sources, size)[np.arange(len(sources))]
    path = sheet(options.output, images, columns, rows=[Path(one).name for one in sources], notes=notes)
    return f"sheet: {as_text(path)}"


def _sized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(values).resize(size[::-1], Image.Resampling.BILINEAR))


def parser() -> argparse.ArgumentParser:
    """Returns the command line's parser."""
    result = described(__doc__)
    add = result.add_argument
    add("images", metavar="IMAGE", nargs="+", help="image files and folders of them")
    add("--model", metavar="FOLDER", action="append", required=True, help="a saved classifier; may be given again")
    add("--method", choices=list(METHODS), action="append", help="may be given again (default: hires_cam)")
    add("--class", dest="label", metavar="NAME", help="the class to explain (default: each image's likeliest)")
    add("--most", type=int, default=8, metavar="N", help="images on the sheet at most (default: %(default)s)")
    add("--output", metavar="PNG", default="runs/explain.png", help="the file (default: %(default)s)")
    add("--quiet", action="store_true", help="print the result only")
    return result


if __name__ == "__main__":
    sys.exit(main())
