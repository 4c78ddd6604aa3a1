"""What a trained classifier answers for images: a table, and pictures of what spoke for each answer.

    python examples/predict.py --model runs/baseline image.jpg folder/ --output predictions.csv
    python examples/predict.py --model runs/baseline folder/ --output predictions.csv --explain

The table has the columns of a run's predictions.csv, its labels empty. With --explain a folder beside it has a picture
of each image: itself, and where the classifier looked. Not a medical device.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from command_line import run

import lesionkit as lk
from lesionkit.files import as_text


def main(arguments: list[str] | None = None) -> int:
    """Answers the images; returns the exit status."""
    return run(predict, parser().parse_args(arguments))


def predict(options: argparse.Namespace) -> str:
    """Writes the answers and returns what to print."""
    from lesionkit.datasets.isic_folder import image_id
    from lesionkit.prediction_table import write_answers

    bundle = lk.load(options.model)
    answers, unreadable = answered(bundle, options)
    names = bundle.class_names
    write_answers(
        options.output,
        names,
        [one.source for one in answers],
        [image_id(Path(one.source).name) for one in answers],
        [""] * len(answers),
        [[dict(one.ranked)[name] for name in names] for one in answers],
    )
    lines = [*told(bundle, answers), *(f"left out: {error}" for error in unreadable)]
    lines.append(f"answers: {as_text(options.output)}")
    if options.explain:
        lines.append(f"pictures: {as_text(explained(bundle, answers, Path(options.output)))}")
    return "\n".join(lines)


def answered(bundle: lk.Bundle, options: argparse.Namespace) -> tuple[list[lk.Prediction], list[Exception]]:
    """Returns the answers, and the errors of the images that are left out."""
    ways = {"views": "symmetries" if options.symmetries else None, "calibrated": options.calibrated}
    try:
        return bundle.predict(options.images, **ways), []
    except lk.UnreadableImagesError as error:
        if options.on_unreadable == "error":
            raise
        from lesionkit.bundle import image_files

        bad = {one.source for one in error.errors}
        files = [file for path in options.images for file in image_files(path) if file not in bad]
        return (bundle.predict(files, **ways) if files else []), list(error.errors)


def told(bundle: lk.Bundle, answers: Sequence[lk.Prediction]) -> list[str]:
    """Returns what was answered, in short."""
    counts = Counter(one.label for one in answers)
    lines = [f"{len(answers)} images: {', '.join(f'{n} {as_text(name)}' for name, n in counts.most_common())}"]
    point = bundle.operating_point
    known = [one.referred for one in answers if one.referred is not None]
    if point is not None and known:
        lines.append(
            f"referred at the operating point ({point.threshold:.3f} or more for the malignant classes together): "
            f"{sum(known)} of {len(known)}"
        )
    return lines


def explained(bundle: lk.Bundle, answers: Sequence[lk.Prediction], table: Path) -> Path:
    """Writes a picture for each answer into a folder beside the table and returns the folder."""
    import numpy as np
    from PIL import Image

    from lesionkit.explain import heat_maps
    from lesionkit.files import whole_file
    from lesionkit.heat_map_plot import overlay
    from lesionkit.pipeline import Pixels

    folder = table.with_name(f"{table.stem}_explained")
    pixels = Pixels([one.source for one in answers], bundle.image_size)
    digits = len(str(len(answers)))
    for start in range(0, len(answers), 32):
        rows = np.arange(start, min(start + 32, len(answers)))
        batch = pixels[rows]
        places = [bundle.class_names.index(answers[row].label) for row in rows]
        maps = heat_maps(bundle.model, batch, np.array(places))
        for row, image, heat in zip(rows, batch, maps, strict=True):
            stem = as_text(Path(answers[row].source).stem).replace("\\", "_")[:100]
            with whole_file(folder / f"{row + 1:0{digits}}_{stem}.png") as beside:
                Image.fromarray(np.concatenate([image, overlay(image, heat)], axis=1)).save(beside)
    return folder


def parser() -> argparse.ArgumentParser:
    """Returns the command line's parser."""
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = result.add_argument
    add("images", nargs="+", metavar="IMAGE", help="files and folders")
    add("--model", metavar="FOLDER", required=True, help="of a run, or that lk.save wrote")
    add("--output", metavar="CSV", default="predictions.csv", help="where the table is written (default: %(default)s)")
    add("--explain", action="store_true", help="write a picture of what spoke for each answer, too")
    add("--calibrated", action="store_true", help="probabilities at the temperature that the run fitted")
    add("--symmetries", action="store_true", help="test-time augmentation: the mean over the symmetries of an image")
    add(
        "--on-unreadable",
        choices=["error", "skip"],
        default="error",
        help="at files that cannot be read as images: stop and list them, or go on without them (default: %(default)s)",
    )
    add("--quiet", action="store_true", help="print the result only")
    result.set_defaults(deterministic=False)
    return result


if __name__ == "__main__":
    sys.exit(main())
