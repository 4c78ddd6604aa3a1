"""The documented baseline: a folder of skin-lesion images to a trained classifier, its figures and its report.

    python examples/baseline.py                                       generated images, no data needed
    python examples/baseline.py --data "<folder>" --output runs/mine  a folder with Train/ and Test/

The defaults are the documented recipe: ResNet50 with ImageNet weights, frozen, 128 x 128 pixels in 0..1, Adam, 10
epochs. What its authors left out is our choice and marked so below.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import lesionkit as lk
from lesionkit.commands.options import records_from, with_backbone
from lesionkit.commands.running import described, run, typed
from lesionkit.commands.train import add_options, recipe_from, run_options_from, strategy_from
from lesionkit.text import as_text


def main(arguments: list[str] | None = None) -> int:
    """Runs the baseline; returns the exit status."""
    options = parser().parse_args(arguments)
    options.command = typed(["python", "examples/baseline.py"], sys.argv[1:] if arguments is None else arguments)
    return run(baseline, options)


def baseline(options: argparse.Namespace) -> str:
    """Runs the recipe and returns what to print."""
    strategy = strategy_from(options)  # first of all: where the model is to be trained
    recipe = recipe_from(options)  # what is to be trained, as data
    records = records_from(options)  # on which images

    def trained(backbone: lk.Part, substitutions: list[str]) -> lk.Evaluation:
        used = dataclasses.replace(recipe, backbone=backbone)
        more = run_options_from(options, strategy)
        return lk.run_recipe(used, records, options.output, substitutions=substitutions, **more)

    # Where ResNet50's weights cannot be had and nothing else was asked for, it is called again with a substitute.
    evaluation = with_backbone(trained, options) if options.recipe is None else trained(recipe.backbone, [])
    return f"{evaluation}\nreport: {as_text(Path(options.output, 'report.html'))}"


def parser() -> argparse.ArgumentParser:
    """Returns the command line's parser."""
    result = described(__doc__)
    add_options(result)
    return result


if __name__ == "__main__":
    sys.exit(main())
