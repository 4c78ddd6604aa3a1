"""What a change of the recipe is worth: recipes against a baseline, in grouped cross-validation that can be resumed."""

import dataclasses
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lesionkit.data.records import Records
from lesionkit.data.relation import relate
from lesionkit.data.splits import folds, split
from lesionkit.data.summary import Seen
from lesionkit.evaluation.evaluate import evaluate
from lesionkit.evaluation.evaluation import Evaluation
from lesionkit.experiments.fitting import build, fit, shared
from lesionkit.experiments.variant_report import JUDGED_BY, Row
from lesionkit.features.store import FeatureStore, store_of
from lesionkit.files import whole_file
from lesionkit.metrics.intervals import resampling
from lesionkit.metrics.intervals.comparison import compare
from lesionkit.metrics.score_table import SCORES
from lesionkit.model.views import views_of
from lesionkit.recipe import Recipe
from lesionkit.reproducibility import environment, identity, is_deterministic

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Variant:
    """A recipe with a name.

    Attributes:
        name: a short one, for tables and files.
        what: the change, in words.
        recipe: what is trained.
        views: how an image is shown at test time, see :func:`~lesionkit.evaluate`.
        optimistic: whether it was tuned on these images, outside of this cross-validation.
    """

    name: str
    what: str
    recipe: Recipe
    views: str | None = None
    optimistic: bool = False


@dataclass(frozen=True, eq=False)
class VariantPredictions:
    """The out-of-fold predictions of one variant.

    Attributes:
        variant: which.
        probabilities: (S, n, C): for each of S seeds, each of the n training images by a model that was trained without
            its group.
        seconds: that training and scoring took, with what was done in earlier runs.
        test: the shipped test set, by one model trained on all training images.
    """

    variant: Variant
    probabilities: npt.NDArray[np.float64] = field(repr=False)
    seconds: float
    test: Evaluation | None = field(default=None, repr=False)


def cross_validate(
    variant: Variant,
    records: Records,
    folder: Path,
    *,
    seeds: int = 3,
    k: int = 3,
    store: FeatureStore | bool = True,
) -> VariantPredictions:
    """Trains and scores ``variant`` in ``seeds`` times ``k`` folds, and on the shipped test set if there is one.

    Each seed makes other folds, other first weights and another order. Whole groups (pictures, copies, lesions,
    patients) stay on one side. Of a fold's training images the recipe's ``validation`` share, by whole groups, is held
    out for early stopping to look at; the fold that judges is looked at once. Every finished fold is a file in
    ``folder``: the same call goes on after the last one, and inside a fold after the last epoch.

    Args:
        variant: what to train.
        records: the images, with their groups known (see :func:`~lesionkit.data.copies.identified`).
        folder: where finished folds are kept.
        seeds: how many.
        k: folds of each seed.
        store: where features are kept.
    """
    kept = store_of(store)
    pool, test = records[records.split != "test"], records.where(split="test")
    place = {source: row for row, source in enumerate(pool.source)}
    answers = np.full((seeds, len(pool), len(pool.class_names)), np.nan)
    seconds = 0.0
    for seed in range(seeds):
        for number, (train, judge) in enumerate(folds(pool, k=k, seed=seed), 1):
            name = f"{variant.name}, seed {seed}, fold {number} of {k}"
            probabilities, spent = _judged(name, variant, train, judge, seed, folder, kept)
            answers[seed, [place[source] for source in judge.source]] = probabilities
            seconds += spent
    if not len(test):
        return VariantPredictions(variant, answers, seconds)
    probabilities, spent = _judged(f"{variant.name}, shipped test", variant, pool, test, 0, folder, kept)
    relation = relate(test, Seen.of(pool))
    shipped = Evaluation(
        pool.class_names,
        probabilities,
        test.label,
        tuple(test.source),
        tuple(test.image_id),
        relation=relation,
        views=len(views_of(variant.views, variant.recipe.image_size)),
    )
    return VariantPredictions(variant, answers, seconds + spent, shipped)


def averaged(answers: VariantPredictions, variant: Variant) -> VariantPredictions:
    """Returns the mean of the seeds' probabilities as a variant of its own, an ensemble that costs no training.

    For each image the members are models of which none was trained on its group. Its shipped test is not scored: the
    models of the folds are not kept.
    """
    mean = answers.probabilities.mean(axis=0, keepdims=True)
    return VariantPredictions(variant, np.broadcast_to(mean, answers.probabilities.shape), answers.seconds)


def _judged(
    name: str,
    variant: Variant,
    train: Records,
    judge: Records,
    seed: int,
    folder: Path,
    store: FeatureStore | None,
) -> tuple[npt.NDArray[np.float64], float]:
    """Returns the probabilities for the images of ``judge`` and the seconds they took, from ``folder`` or now."""
    recipe = dataclasses.replace(variant.recipe, seed=seed)
    images = [list(zip(map(str, one.picture_id), one.label.tolist(), strict=True)) for one in (train, judge)]
    told = [recipe.to_dict(), variant.views, images, train.class_names, environment(), is_deterministic()]
    path = folder / f"{identity(told)}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as found:
            logger.info("%s: finished before", name)
            return found["probabilities"], float(found["seconds"])
    logger.info("%s", name)
    started = time.perf_counter()
    unfinished = folder / f"{path.stem}-unfinished"
    learned, watched, _ = split(train, validation=recipe.validation, test=0.0, seed=seed)
    model = build(recipe, train.class_names)
    run = fit(recipe, model, learned, watched, store=store, resume_dir=unfinished)
    found = evaluate(run.model, judge, run=run, store=shared(run.model, store), views=variant.views)
    seconds = time.perf_counter() - started
    logger.info("%s: balanced accuracy %.2f%%, %.0f s", name, 100 * found.balanced_accuracy, seconds)
    with whole_file(path) as beside, beside.open("wb") as file:
        np.savez(file, allow_pickle=False, probabilities=found.probabilities, seconds=np.array(seconds))
    shutil.rmtree(unfinished, ignore_errors=True)
    return found.probabilities, seconds


def rows_of(answers: Sequence[VariantPredictions], records: Records, *, comparisons: int | None = None) -> list[Row]:
    """Returns the table: every variant beside the first, which is the baseline.

    Args:
        answers: of each variant, the baseline's first.
        records: those that were given to :func:`cross_validate`.
        comparisons: how many are made with the baseline in the end, where some are still to come.
    """
    pool = records.split != "test"
    labels, groups = records.label[pool], records.groups()[pool]
    base = answers[0].probabilities
    rows = []
    for number, one in enumerate(answers):
        drawn = resampling.bootstrap(labels, *one.probabilities, groups=groups, scores=[JUDGED_BY])[JUDGED_BY]
        compared = (
            compare(labels, base, one.probabilities, groups, comparisons=comparisons or len(answers) - 1)
            if number
            else None
        )
        rows.append(
            Row(
                name=one.variant.name,
                what=one.variant.what,
                recipe=one.variant.recipe,
                scores={
                    name: float(np.mean([kind(labels, of_seed) for of_seed in one.probabilities]))
                    for name, kind in SCORES.items()
                },
                interval=resampling.interval(drawn.mean(axis=0)),
                comparison=compared,
                test=None if one.test is None else one.test.scores,
                seconds=one.seconds,
                optimistic=one.variant.optimistic,
            )
        )
    return rows
