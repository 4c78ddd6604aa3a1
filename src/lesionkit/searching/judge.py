"""Recipes trained and scored on the images of one search; what two of them share is made once."""

import contextlib
import gc
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from lesionkit.data.pipeline import Pixels
from lesionkit.data.records import Records
from lesionkit.data.splits import folds, split
from lesionkit.experiments.fitting import build, fit, shared
from lesionkit.features.shards import Features
from lesionkit.features.store import FeatureStore
from lesionkit.metrics import classification
from lesionkit.metrics.score_table import SCORES
from lesionkit.model.assembly import with_head
from lesionkit.model.inference import predict
from lesionkit.model.parts import frozen_part, parts
from lesionkit.recipe import Recipe, watches


@dataclass
class Judge:
    """Trains and scores recipes on the images of one search.

    Attributes:
        train: the training images, with their ``picture_id``.
        validation: the images that judge, or None for folds.
        k: folds of the training images in their place.
        seed: of the folds.
        store: where features are kept.
    """

    train: Records
    validation: Records | None
    k: int | None
    seed: int
    store: FeatureStore | None
    _kept: "tuple[Any, keras.Model] | None" = None
    _features: dict[tuple[str, ...], Features] = field(default_factory=dict)  # of the backbone that is kept

    @property
    def told(self) -> list[Any]:
        """What a score depends on besides the recipe."""
        images = [
            list(zip(map(str, one.picture_id), one.label.tolist(), strict=True))
            for one in (self.train, self.validation)
            if one is not None
        ]
        return [images, self.train.class_names, self.k, self.seed if self.k else None]

    def sides(self, recipe: Recipe) -> list[tuple[Records, Records, Records]]:
        """Returns (what learns, what early stopping watches, what judges) of each training."""
        if self.validation is not None:
            return [(self.train, self.validation, self.validation)]
        found = []
        for inner, judging in folds(self.train, k=self.k or 2, seed=self.seed):
            learned, watched, _ = split(inner, validation=recipe.validation, test=0.0, seed=recipe.seed)
            found.append((learned, watched, judging))
        return found

    @property
    def judging(self) -> Records:
        """The images that judge: the validation images, or with folds all training images."""
        return self.train if self.validation is None else self.validation

    def answers(self, recipe: Recipe, unfinished: Path) -> tuple[dict[str, float], npt.NDArray[np.float64]]:
        """Returns the scores of a recipe, of folds their mean, and (n, C) probabilities of the images that judge."""
        place = {source: row for row, source in enumerate(self.judging.source)}
        probabilities = np.full((len(place), len(self.judging.class_names)), np.nan)
        found = []
        kept = None if recipe.trainer.name == "Frozen" and recipe.augmenter is None else unfinished  # that is short
        for learned, watched, judging in self.sides(recipe):
            watched = watched if watches(recipe) else watched[:0]
            with self._classifier(recipe) as model:
                fit(recipe, model, learned, watched, store=self.store, resume_dir=kept)
                _, answers = classification.checked(judging.label, self._answers(model, judging))
            probabilities[[place[source] for source in judging.source]] = answers
            found.append([kind(judging.label, answers) for kind in SCORES.values()])
        shutil.rmtree(unfinished, ignore_errors=True)
        means = map(float, np.mean(found, axis=0))
        return {f"val_{name}": mean for name, mean in zip(SCORES, means, strict=True)}, probabilities

    def _answers(self, model: keras.Model, judging: Records) -> npt.NDArray[np.float64]:
        """Returns (n, C) probabilities; the features of a frozen backbone are looked for once while it is kept."""
        store = shared(model, self.store)
        if store is None:
            return predict(model, Pixels(judging.source, model.input.shape[1:3]))
        key = tuple(judging.source)
        if key not in self._features:
            self._features[key] = store.features(frozen_part(model), judging.source)
        return predict(parts(model).head, self._features[key])

    def extract(self, recipe: Recipe) -> None:
        """Puts the frozen part's features of all images into the store."""
        if self.store is not None and recipe.augmenter is None:
            every = [one.source for one in (self.train, self.validation) if one is not None]
            self.store.features(frozen_part(build(recipe, self.train.class_names)), np.concatenate(every))

    @contextlib.contextmanager
    def _classifier(self, recipe: Recipe) -> Iterator[keras.Model]:
        """Gives the classifier of a recipe; the backbone is that of the trial before where it may be."""
        precision = recipe.trainer.options.get("precision")
        key = (recipe.preprocessor, recipe.backbone, recipe.image_size, recipe.seed, precision)
        kept, self._kept = self._kept, None
        if kept is None or kept[0] != key:
            del kept
            self._features.clear()
            gc.collect()  # before the next backbone is made
            model = build(recipe, self.train.class_names)
        else:
            model = with_head(kept[1], recipe.head, seed=recipe.seed)
        yield model
        if not parts(model).backbone.trainable_weights:  # it has not learned, so the next trial may have it
            self._kept = key, model
