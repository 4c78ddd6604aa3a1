"""The whole job on one screen: a recipe and records to a folder with a model, its figures and its report."""

import contextlib
import dataclasses
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from lesionkit import reports
from lesionkit.auditing.audit import working_checks
from lesionkit.auditing.patches import apply_patch, described
from lesionkit.data.copies import identified
from lesionkit.data.records import Records
from lesionkit.data.shortcut_forest import shortcut_probabilities
from lesionkit.data.splits import split
from lesionkit.data.survey import Survey, readable, survey
from lesionkit.errors import DataError, OptionError
from lesionkit.evaluation.evaluate import evaluate
from lesionkit.evaluation.evaluation import Evaluation
from lesionkit.evaluation.files import NAME, write_evaluation
from lesionkit.evaluation.illustration import illustrate
from lesionkit.evaluation.stress import stress_panel
from lesionkit.experiments.fitting import build, fit, shared
from lesionkit.experiments.run_folder import FILES, REPORTS
from lesionkit.features.store import FeatureStore, store_of
from lesionkit.files import cache_folder, whole_folder
from lesionkit.metrics.aims import AIMS, Aims
from lesionkit.metrics.robustness import Stress
from lesionkit.model.views import View
from lesionkit.options import called
from lesionkit.recipe import Recipe
from lesionkit.serving.bundle import write_model
from lesionkit.serving.card import write_card
from lesionkit.serving.prediction import write_predictions
from lesionkit.text import as_text
from lesionkit.training.distribution import is_chief

logger = logging.getLogger(__name__)


def run_recipe(
    recipe: Recipe,
    records: Records,
    output: str | os.PathLike[str],
    *,
    on_unreadable: str = "error",
    patch: str | os.PathLike[str] | None = None,
    store: FeatureStore | bool = True,
    substitutions: Sequence[str] = (),
    views: str | Sequence[View | None] | None = None,
    strategy: "tf.distribute.Strategy | None" = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    aims: Aims = AIMS,
    stress: int = 200,
    chosen: str = "",
    command: str | None = None,
) -> Evaluation:
    """Trains and scores what ``recipe`` says and writes model, card, predictions and reports into ``output``.

    Killed or interrupted, the same call goes on from the last finished epoch, and from the features stored so far.

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
        views: test-time augmentation, see :func:`~lesionkit.evaluate`.
        strategy: to train on several devices or machines, see ``Frozen.fit``. Each of several workers makes the same
            call, and has lesionkit's cache folder in common with the others; the chief alone writes ``output``.
        callbacks: Keras's, such as ``CSVLogger``; they see the part of the model that learns.
        aims: what the classifier is wanted for: the sensitivity, prevalence and coverage that the reports tell of.
        stress: how many test images, at most, are shown with artefacts on them; 0: none. Three strengths of eight
            artefacts make it 24 times as many to answer.
        chosen: how the validation images helped to choose ``recipe``, such as "a search chose the recipe on them";
            then there are no conformal sets, which need images that chose nothing.
        command: the command line, for the reports.

    Raises:
        LesionkitError: whatever cannot work, found before training where it can be; see each part.

    Example:
        >>> recipe = lk.Recipe(backbone=small, image_size=(48, 48), trainer=lk.Part("Frozen", epochs=1))
        >>> evaluation = lk.run_recipe(recipe, records, "runs/mine", stress=0)
        >>> lk.load("runs/mine").image_size
        (48, 48)
    """
    started = time.perf_counter()
    if stress and stress < len(records.class_names):
        raise OptionError(
            f"stress is 0, or at least an image for each of the {len(records.class_names)} classes. Received: {stress}"
        )
    checks = working_checks()
    checks.pop("shortcuts", None)  # Evaluation.gain tells better than a check what shortcuts are worth
    features, unfinished = store_of(store), _unfinished(output)
    remarks = _Remarks(tuple(substitutions), chosen, command, None if patch is None else described(patch), aims)
    writes = is_chief(strategy)
    with whole_folder(output, FILES) if writes else contextlib.nullcontext() as folder:
        model = build(recipe, records.class_names)
        sides = _divided(records if patch is None else apply_patch(records, patch), recipe, on_unreadable)
        ways: dict[str, Any] = {"store": features, "resume_dir": unfinished, "callbacks": callbacks}
        run = fit(recipe, model, sides.train, sides.validation, strategy=strategy, **ways)
        held_out = sides.validation if len(sides.validation) else None
        evaluation = evaluate(model, sides.test, run=run, held_out=held_out, store=shared(model, features), views=views)
        evaluation = _completed(evaluation, sides, checks, remarks, recipe.seed)
        if folder is not None:
            panel = stress_panel(model, sides.test, limit=stress, seed=recipe.seed) if stress else None
            evaluation = _written(folder, model, evaluation, panel, started)
    logger.info("%s", evaluation)
    if writes:
        shutil.rmtree(unfinished, ignore_errors=True)
        logger.info("written: %s", as_text(output))
    return evaluation


@dataclass(frozen=True)
class _Sides:
    """The images of a run, their pictures and copies known: all with what their files tell, and the three sides."""

    known: Records
    surveyed: Survey
    train: Records
    validation: Records
    test: Records

    def survey_of(self, side: Records) -> Survey:
        """Returns the rows of the survey for some of the images."""
        place = {source: row for row, source in enumerate(self.known.source)}
        return self.surveyed[[place[source] for source in side.source]]


@dataclass(frozen=True)
class _Remarks:
    """What the reports say of a run beside its scores; see :func:`run_recipe`."""

    substitutions: tuple[str, ...]
    chosen: str
    command: str | None
    patch: Mapping[str, Any] | None
    aims: Aims


def _divided(records: Records, recipe: Recipe, on_unreadable: str) -> _Sides:
    """Reads the images, looks for copies among them, and divides them so that no picture is on two sides."""
    known, surveyed = readable(records, survey(records), on_unreadable=on_unreadable)
    known = identified(known, surveyed)
    train, validation, test = split(known, validation=recipe.validation, seed=recipe.seed)
    if not len(test) or ("test" in records.split and "test" not in known.split):
        raise DataError(f"{as_text(records.name)}: no readable test image is left to score.")
    return _Sides(known, surveyed, train, validation, test)


def _completed(
    evaluation: Evaluation, sides: _Sides, checks: Mapping[str, Any], remarks: _Remarks, seed: int
) -> Evaluation:
    """Returns the evaluation with the shortcut baseline, what the checks found, and the remarks."""
    seen = Records.concatenate([sides.train, sides.validation])
    held_out = evaluation.held_out
    return dataclasses.replace(
        evaluation,
        shortcut=shortcut_probabilities(
            seen, sides.survey_of(seen), sides.test, sides.survey_of(sides.test), seed=seed
        ),
        findings={name: called(check, name, sides.known, sides.surveyed).summary for name, check in checks.items()},
        held_out=dataclasses.replace(held_out, chosen=remarks.chosen) if held_out and remarks.chosen else held_out,
        substitutions=remarks.substitutions,
        patch=remarks.patch,
        aims=remarks.aims,
        command=remarks.command,
    )


def _written(
    folder: Path, model: keras.Model, evaluation: Evaluation, panel: Stress | None, started: float
) -> Evaluation:
    """Writes model, card, predictions, evaluation and reports; returns the evaluation with what was written."""
    hashes = {"model.keras": write_model(model, folder / "model.keras")}
    illustrated = illustrate(model, evaluation)
    timing = {**evaluation.timing, "total_s": time.perf_counter() - started}
    whole = dataclasses.replace(illustrated, stress=panel, hashes=hashes, timing=timing)
    write_card(model, folder / "card.json", whole.class_names, whole)
    write_predictions(whole, folder / "predictions.csv")
    write_evaluation(whole, folder / NAME)
    for name, file in REPORTS.items():
        reports.get(name)(whole, folder / file)
    return whole


def _unfinished(output: str | os.PathLike[str]) -> Path:
    """Returns the folder for the state of a run that will be written to ``output``."""
    target = hashlib.sha256(os.fsencode(os.path.realpath(output))).hexdigest()
    return cache_folder() / "unfinished" / target[:32]
