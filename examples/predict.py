"""What a trained classifier predicts for images, as a table.

    python examples/predict.py --model runs/baseline image.jpg folder/ --output predictions.csv

`lesionkit predict` has every option: calibrated probabilities, test-time augmentation, maps of where the classifier
looked. Not a medical device.
"""

import argparse
from pathlib import Path

import lesionkit as lk
from lesionkit.serving.prediction import write_answers

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("images", metavar="IMAGE", nargs="+", help="files and folders")
parser.add_argument("--model", metavar="FOLDER", required=True, help="of a run, or that lk.save wrote")
parser.add_argument("--output", metavar="CSV", default="predictions.csv", help="(default: %(default)s)")


def main(arguments: list[str] | None = None) -> None:
    """Classifies the images, writes the table and prints each image's class."""
    options, others = parser.parse_known_args(arguments)
    if others:
        parser.error(f"{' '.join(others)}: not an option of this example, see `lesionkit predict --help`")
    bundle = lk.load(options.model)
    predictions = bundle.predict(options.images)
    sources = [prediction.source for prediction in predictions]
    probabilities = [[dict(prediction.ranked)[name] for name in bundle.class_names] for prediction in predictions]
    ids, no_labels = [Path(source).stem for source in sources], [""] * len(sources)
    write_answers(options.output, bundle.class_names, sources, ids, no_labels, probabilities)
    for prediction in predictions:
        print(f"{prediction.source}: {prediction.label}, {prediction.confidence:.1%}")


if __name__ == "__main__":
    try:
        main()
    except lk.LesionkitError as error:
        parser.error(str(error))
