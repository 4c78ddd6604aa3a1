"""Where trained classifiers look: a picture with a row for each image and a column for each classifier or method.

    python examples/explain_sheet.py --model runs/baseline photo.jpg folder/
    python examples/explain_sheet.py --model runs/a --model runs/b --method hires_cam --method layer_cam photo.jpg

Each map is for the predicted class, or for --class in all. "border" is the share of the map's weight in the outer tenth
of each side; in colour where it is more than a map would have that is the same everywhere.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import lesionkit as lk
from lesionkit.model.overlays import sheet

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("images", metavar="IMAGE", nargs="+", help="image files and folders of them")
parser.add_argument("--model", metavar="FOLDER", action="append", required=True, help="may be given again")
parser.add_argument("--method", metavar="NAME", action="append", help="may be given again (default: hires_cam)")
parser.add_argument("--class", dest="label", metavar="NAME", help="the class to explain (default: the predicted one)")
parser.add_argument("--most", type=int, default=8, metavar="N", help="images at most (default: %(default)s)")
parser.add_argument("--output", metavar="PNG", default="runs/explain.png", help="(default: %(default)s)")


def main(arguments: list[str] | None = None) -> None:
    """Draws the sheet and prints where it is."""
    options = parser.parse_args(arguments)
    columns, notes, size = {}, {}, lk.load(options.model[0]).image_size
    for path in options.model:
        bundle = lk.load(path)
        if options.label not in (None, *bundle.class_names):
            parser.error(f"{path} has the classes {', '.join(bundle.class_names)}. Received: {options.label}")
        predictions = bundle.predict(options.images)[: options.most]
        sources = [prediction.source for prediction in predictions]
        labels = [options.label or prediction.label for prediction in predictions]
        pixels, places = lk.pipeline.Pixels(sources, bundle.image_size), list(map(bundle.class_names.index, labels))
        for method in options.method or ["hires_cam"]:
            maps = map(Image.fromarray, lk.heat_maps(bundle.model, pixels, places, method=method))
            column = f"{path}\n{method}"
            columns[column] = np.stack([heat.resize(size[::-1], Image.Resampling.BILINEAR) for heat in maps])
            shares = [dict(prediction.ranked)[label] for label, prediction in zip(labels, predictions, strict=True)]
            notes[column] = [f"{label} {share:.0%}" for label, share in zip(labels, shares, strict=True)]
    images = lk.pipeline.Pixels(sources, size)[np.arange(len(sources))]
    rows = [Path(source).name for source in sources]
    print(f"sheet: {sheet(options.output, images, columns, rows=rows, notes=notes)}")


if __name__ == "__main__":
    try:
        main()
    except lk.LesionkitError as error:
        parser.error(str(error))
