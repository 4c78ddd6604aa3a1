"""The whole job on one screen: a recipe and records to a folder with a model, its figures and its report."""

import dataclasses
import logging
import os
import time
from collections.abc import Sequence

from lesionkit import reports, trainers
from lesionkit.assembly import build_classifier
from lesionkit.bundle import save
from lesionkit.errors import DataError, OptionError
from lesionkit.evaluation import Evaluation, evaluate
from lesionkit.features import FeatureStore
from lesionkit.files import as_text, whole_folder
from lesionkit.options import called
from lesionkit.pipeline import inspect
from lesionkit.recipe import Recipe
from lesionkit.records import Records
from lesionkit.splits import split

logger = logging.getLogger(__name__)

#: The files of a run: what ``save`` writes, and each report's.
REPORTS = {"json": "report.json", "markdown": "report.md", "plots": "plots.png"}
FILES = ("model.keras", "card.json", "predictions.csv", *REPORTS.values())


def run_recipe(
    recipe: Recipe,
    records: Records,
    output: str | os.PathLike[str],
    *,
    on_unreadable: str = "error",
    store: FeatureStore | bool = True,
    substitutions: Sequence[str] = (),
) -> Evaluation:
    """Trains and scores what ``recipe`` says and writes model, card, predictions and reports into ``output``.

    Args:
        recipe: what to run.
        records: the images; a shipped test set is kept, without one a fifth of the images is held out.
        output: the folder. It appears when everything in it is complete; an earlier run's is replaced then.
        on_unreadable: ``"error"``, or ``"skip"`` to go on without images that cannot be read and list them.
        store: where the features are kept, see ``Frozen.fit``.
        substitutions: what stands in for what was asked for, in words for the top of every report.

    Raises:
        LesionkitError: whatever cannot work, found before training where it can be; see each part.
    """
    started = time.perf_counter()
    if recipe.augmenter is not None:
        raise OptionError(f"No trainer of this version takes an augmenter. Received: {recipe.augmenter}")
    with whole_folder(output, FILES) as folder:
        options = {"seed": recipe.seed, **recipe.trainer.options}
        trainer = called(trainers.get(recipe.trainer.name), recipe.trainer.name, **options)
        model = build_classifier(
            records.class_names,
            image_size=recipe.image_size,
            preprocessor=recipe.preprocessor,
            backbone=recipe.backbone,
            head=recipe.head,
            seed=recipe.seed,
        )
        readable = inspect(records, image_size=recipe.image_size, on_unreadable=on_unreadable)
        train, validation, test = split(readable, validation=recipe.validation, seed=recipe.seed)
        if not len(test) or ("test" in records.split and "test" not in readable.split):
            raise DataError(f"{as_text(records.name)}: no readable test image is left to score.")
        run = trainer.fit(model, train, validation, store=store)
        run = dataclasses.replace(run, recipe=recipe)
        evaluation = evaluate(model, test, run=run, store=store)
        timing = {**evaluation.timing, "total_s": time.perf_counter() - started}
        evaluation = dataclasses.replace(evaluation, timing=timing, substitutions=tuple(substitutions))
        save(model, folder, evaluation=evaluation)
        for name, file in REPORTS.items():
            reports.get(name)(evaluation, folder / file)
    logger.info("%s", evaluation)
    logger.info("written: %s", as_text(output))
    return evaluation
