"""What fitting is given: checked against the model before anything is computed, and named in the run's recipe."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras

from lesionkit.data.records import Records
from lesionkit.errors import DataError
from lesionkit.model.parts import origin
from lesionkit.model.views import Chosen
from lesionkit.recipe import Part, Recipe
from lesionkit.text import as_text
from lesionkit.training.options import Fitting


def check_given(model: keras.Model, data: Any) -> None:
    """Checks that ``model`` can be fitted on ``data``; a ``tf.data.Dataset`` shows only when it is read.

    Args:
        model: the classifier.
        data: the training or validation images: Records, or a ``tf.data.Dataset``.

    Raises:
        DataError: no images, images without a label, or classes that are not the model's.

    Example:
        >>> from lesionkit.training.given import check_given
        >>> check_given(model, train)
    """
    if not isinstance(data, Records):
        return
    if not len(data):
        raise DataError("There are no training images.")
    unlabelled = [record.source for record in data[data.label < 0][:3]]
    if unlabelled:
        raise DataError(
            f"Training needs a label for every image. Without one: {', '.join(map(as_text, unlabelled))} ..."
        )
    built = origin(model)
    names = built.class_names if built else f"{model.output.shape[-1]} classes"
    if model.output.shape[-1] != len(data.class_names) or (built and built.class_names != data.class_names):
        raise DataError(f"The model was built for {names}, the records have {data.class_names}, in this order.")


def recipe_of(trainer: Any, model: keras.Model, augmenter: Chosen | None, counts: Sequence[int]) -> Recipe | None:
    """Returns the recipe of a fit, as far as its trainer, model and images show it; None for a model built elsewhere.

    Args:
        trainer: a frozen dataclass, whose fields become the options of the recipe's ``trainer``. A ``seed`` that is the
            recipe's is left out, in a phase before (``first``) too: the recipe gives it.
        model: the classifier, as :func:`~lesionkit.build_classifier` or :func:`~lesionkit.load` returned it.
        augmenter: of the training images, if any.
        counts: the number of training images and, if there are any, of validation images: the share of these is the
            recipe's ``validation``, to two decimals.

    Example:
        >>> from lesionkit.training.given import recipe_of
        >>> recipe_of(lk.trainers.Frozen(epochs=5), model, None, [30, 10]).validation
        0.25
    """
    built = origin(model)
    if built is None or built.recipe is None:
        return None
    options = trainer.options() if isinstance(trainer, Fitting) else dataclasses.asdict(trainer)
    for phase in (options, options.get("first")):
        if isinstance(phase, dict) and phase.get("seed") == built.recipe.seed:
            del phase["seed"]
    return dataclasses.replace(
        built.recipe,
        trainer=Part(type(trainer).__name__, **options),
        augmenter=None if augmenter is None else Part.of(augmenter),
        validation=round(counts[1] / sum(counts), 2) if len(counts) == 2 else 0.0,
    )
