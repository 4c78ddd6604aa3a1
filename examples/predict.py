"""What a trained classifier answers for images: a table, and pictures of what spoke for each answer.

    python examples/predict.py --model runs/baseline image.jpg folder/ --output predictions.csv
    python examples/predict.py --model runs/baseline folder/ --output predictions.csv --explain

The table has the columns of a run's predictions.csv, its labels empty. With --explain a folder beside it has a picture
of each image: itself, and where the classifier looked. Not a medical device.
"""

from __future__ import annotations

import argparse
import sys

import lesionkit as lk
from lesionkit.commands.predict import add_options, answered, beside, told, write_pictures, write_table
from lesionkit.commands.running import described, run
from lesionkit.text import as_text


def main(arguments: list[str] | None = None) -> int:
    """Answers the images; returns the exit status."""
    return run(predict, parser().parse_args(arguments))


def predict(options: argparse.Namespace) -> str:
    """Writes the answers and returns what to print."""
    bundle = lk.load(options.model)
    answers, unreadable = answered(bundle, options)  # a lk.Prediction for each image
    write_table(bundle, answers, options.output)
    lines = [*told(bundle, answers), *(f"left out: {error}" for error in unreadable)]
    lines.append(f"answers: {as_text(options.output)}")
    if options.explain:
        lines.append(f"pictures: {as_text(write_pictures(bundle, answers, beside(options.output)))}")
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Returns the command line's parser."""
    result = described(__doc__)
    add_options(result)
    return result


if __name__ == "__main__":
    sys.exit(main())
