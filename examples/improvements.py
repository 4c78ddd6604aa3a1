"""What a change of the baseline is worth on your images, and how sure that is.

    python examples/improvements.py                                         generated images, no data needed
    python examples/improvements.py --data "<folder>" --output runs/better  a folder with Train/ and Test/

The documented recipe, dropout and a native preprocessor, in grouped cross-validation of the training images. If
interrupted, rerun the same command to resume. `lesionkit improvements` compares all that the authors of the baseline
asked for and what we would do, and has every option.
"""

import argparse
import dataclasses
import logging
from pathlib import Path

import lesionkit as lk
from lesionkit.experiments.variant_files import write_improvements
from lesionkit.experiments.variants import Variant, cross_validate, rows_of

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", metavar="FOLDER", help="Train/ and Test/ (default: generated images)")
parser.add_argument("--backbone", metavar="NAME", default="efficientnet_lite0", help="(default: %(default)s)")
parser.add_argument("--folds", metavar="N", type=int, default=3, help="of each of as many seeds (default: %(default)s)")
parser.add_argument("--output", metavar="FOLDER", default="runs/improvements", help="(default: %(default)s)")


def main(arguments: list[str] | None = None) -> None:
    """Compares the variants and prints where the report is."""
    options, others = parser.parse_known_args(arguments)
    if others:
        parser.error(f"{' '.join(others)}: not an option of this example, see `lesionkit improvements --help`")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    records = lk.datasets.get("isic_folder" if options.data else "synthetic_lesions")(options.data)
    records = lk.audit(lk.inspect(records), only=["near_duplicates"]).records  # copies stay in one fold
    base = dataclasses.replace(lk.documented_baseline(), backbone=lk.Part(options.backbone, weights="imagenet"))
    dropout = dataclasses.replace(base, head=base.head.with_options(dropout=0.5))
    native = dataclasses.replace(base, preprocessor=lk.Part("native"))
    variants = [
        Variant("baseline", "the documented recipe", base),
        Variant("dropout", "dropout of 0.5 before each dense layer", dropout),
        Variant("native preprocessing", "pixels scaled as for the ImageNet weights", native),
    ]
    k, folder = options.folds, Path(options.output, "folds")
    predictions = [cross_validate(variant, records, folder, seeds=k, k=k) for variant in variants]
    facts = {"data": records.name, "judged": f"{k} x {k}-fold grouped cross-validation"}
    print(f"report: {write_improvements(rows_of(predictions, records), options.output, facts=facts) / 'report.md'}")


if __name__ == "__main__":
    try:
        main()
    except lk.LesionkitError as error:
        parser.error(str(error))
