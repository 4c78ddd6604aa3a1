"""The command ``predict``: what a trained classifier answers for images, and where it looked."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionkit.commands.options import add_unreadable_option
from lesionkit.errors import ImageError, UnreadableImagesError
from lesionkit.files import whole_folder
from lesionkit.text import as_text

if TYPE_CHECKING:
    from lesionkit.serving.bundle import Bundle
    from lesionkit.serving.prediction import Prediction


def predict(options: argparse.Namespace) -> str:
    """Writes the answers and returns what to print."""
    from lesionkit.serving.bundle import load

    bundle = load(options.model)
    answers, unreadable = answered(bundle, options)
    write_table(bundle, answers, options.output)
    lines = [*told(bundle, answers), *(f"left out: {error}" for error in unreadable)]
    lines.append(f"answers: {as_text(options.output)}")
    if options.explain:
        lines.append(f"pictures: {as_text(write_pictures(bundle, answers, beside(options.output)))}")
    return "\n".join(lines)


def answered(bundle: "Bundle", options: argparse.Namespace) -> "tuple[list[Prediction], list[ImageError]]":
    """Returns the answers, and the errors of the images that are left out.

    Raises:
        UnreadableImagesError: there are such, and they were not to be left out.
    """
    ways: dict[str, Any] = {"views": "symmetries" if options.symmetries else None, "calibrated": options.calibrated}
    try:
        return bundle.predict(options.images, **ways), []
    except UnreadableImagesError as error:
        if options.on_unreadable == "error":
            raise
        from lesionkit.serving.inputs import image_files

        bad = {one.source for one in error.errors}
        files = [file for path in options.images for file in image_files(path) if file not in bad]
        return (bundle.predict(files, **ways) if files else []), error.errors


def write_table(bundle: "Bundle", answers: "Sequence[Prediction]", path: str) -> None:
    """Writes the answers in the columns of a run's predictions.csv, the labels empty."""
    from lesionkit.data.tables import image_id
    from lesionkit.serving.prediction import write_answers

    write_answers(
        path,
        bundle.class_names,
        [one.source for one in answers],
        [image_id(Path(one.source).name) for one in answers],
        [""] * len(answers),
        [[dict(one.ranked)[name] for name in bundle.class_names] for one in answers],
    )


def told(bundle: "Bundle", answers: "Sequence[Prediction]") -> list[str]:
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


def beside(table: str) -> Path:
    """Returns the folder for the pictures of the answers in ``table``."""
    return Path(table).with_name(f"{Path(table).stem}_explained")


def write_pictures(bundle: "Bundle", answers: "Sequence[Prediction]", folder: Path) -> Path:
    """Writes each image with where the classifier looked into ``folder``, in place of earlier ones, and returns it.

    Raises:
        StorageError: ``folder`` holds other files, or cannot be written.
    """
    import numpy as np
    from PIL import Image

    from lesionkit.data.pipeline import Pixels
    from lesionkit.model.heat_maps import heat_maps
    from lesionkit.model.overlays import overlay

    pixels = Pixels([one.source for one in answers], bundle.image_size)
    digits = len(str(len(answers)))
    with whole_folder(folder, {path.name for path in folder.glob("[0-9]*_*.png")}) as whole:
        for start in range(0, len(answers), 32):
            several = answers[start : start + 32]
            batch = pixels[np.arange(start, start + len(several))]
            places = [bundle.class_names.index(one.label) for one in several]
            maps = heat_maps(bundle.model, batch, np.array(places))
            for number, (one, image, heat) in enumerate(zip(several, batch, maps, strict=True), start + 1):
                stem = as_text(Path(one.source).stem).replace("\\", "_")[:100]
                both = Image.fromarray(np.concatenate([image, overlay(image, heat)], axis=1))
                both.save(whole / f"{number:0{digits}}_{stem}.png")
    return folder


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of answers for images."""
    parser.set_defaults(job=predict)
    add = parser.add_argument
    add("images", nargs="+", metavar="IMAGE", help="files and folders")
    add("--model", metavar="FOLDER", required=True, help="of a run, or that lk.save wrote")
    add("--output", metavar="CSV", default="predictions.csv", help="where the table is written (default: %(default)s)")
    add("--explain", action="store_true", help="write a picture of what spoke for each answer, too")
    add("--calibrated", action="store_true", help="probabilities at the temperature that the run fitted")
    add("--symmetries", action="store_true", help="test-time augmentation: the mean over the symmetries of an image")
    add("--quiet", action="store_true", help="print the result only")
    add_unreadable_option(parser)
