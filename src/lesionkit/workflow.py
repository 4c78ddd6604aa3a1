"""The whole job on one screen: a recipe and records to a folder with a model, its figures and its report."""

import dataclasses
import logging
import os
import time
from collections.abc import Sequence

from lesionkit import reports, trainers
from lesionkit.assembly import build_classifier
from lesionkit.audits import identified
from lesionkit.bundle import save
from lesionkit.checks.shortcuts import shortcut_probabilities
from lesionkit.errors import DataError, OptionError
from lesionkit.evaluation import Evaluation, evaluate
from lesionkit.features import FeatureStore
from lesionkit.files import as_text, whole_folder
from lesionkit.options import called
from lesionkit.patches import apply_patch, described
from lesionkit.recipe import Recipe
from lesionkit.records import Records
from lesionkit.splits import split
from lesionkit.survey import readable, survey

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
    patch: str | os.PathLike[str] | None = None,
    store: FeatureStore | bool = True,
    substitutions: Sequence[str] = (),
) -> Evaluation:
    """Trains and scores what ``recipe`` says and writes model, card, predictions and reports into ``output``.

    Copies are looked for first, so that no picture is on two sides of the split and the scores can leave out test
    images that are also in training.

    Args:
        recipe: what to run.
        records: the images; a shipped test set is kept, without one a fifth of the images is held out. With lesions
            and patients joined (:meth:`Records.join`) the scores tell those apart, too.
        output: the folder. It appears when everything in it is complete; an earlier run's is replaced then.
        on_unreadable: ``"error"``, or ``"skip"`` to go on without images that cannot be read and list them.
        patch: a label patch (see :func:`~lesionkit.apply_patch`) to apply to the training images first.
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
        patched = records if patch is None else apply_patch(records, patch)
        known, surveyed = readable(patched, survey(patched), on_unreadable=on_unreadable)
        known = identified(known, surveyed)
        train, validation, test = split(known, validation=recipe.validation, seed=recipe.seed)
        if not len(test) or ("test" in records.split and "test" not in known.split):
            raise DataError(f"{as_text(records.name)}: no readable test image is left to score.")
        run = trainer.fit(model, train, validation, store=store)
        run = dataclasses.replace(run, recipe=recipe)
        evaluation = evaluate(model, test, run=run, store=store)
        seen = Records.concatenate([train, validation])
        place = {source: row for row, source in enumerate(known.source)}
        looks = [surveyed[[place[source] for source in one.source]] for one in (seen, test)]
        evaluation = dataclasses.replace(
            evaluation,
            timing={**evaluation.timing, "total_s": time.perf_counter() - started},
            substitutions=tuple(substitutions),
            shortcut=shortcut_probabilities(seen, looks[0], test, looks[1], seed=recipe.seed),
            patch=None if patch is None else described(patch),
        )
        save(model, folder, evaluation=evaluation)
        for name, file in REPORTS.items():
            reports.get(name)(evaluation, folder / file)
    logger.info("%s", evaluation)
    logger.info("written: %s", as_text(output))
    return evaluation
