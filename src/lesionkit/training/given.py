"""What fitting is given: checked against the model before anything is computed, and named in the run's recipe."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import keras

from lesionkit.data.records import Records
from lesionkit.errors import DataError, OptionError
from lesionkit.features.store import FeatureStore
from lesionkit.model.parts import origin
from lesionkit.model.views import Chosen
from lesionkit.model.views import augmenter as augmenter_of
from lesionkit.recipe import Part, Recipe
from lesionkit.text import as_text
from lesionkit.training.options import Fitting

#: Records, or a ``tf.data.Dataset`` (which has no types).
Data: TypeAlias = Records | Any


@dataclass(frozen=True)
class Given:
    """What ``fit`` is given besides the model.

    Attributes:
        train: the training images.
        validation: images to watch, if any.
        augmenter: random changes of the training images, if any.
        store: a feature store, True for the user's own, False for none.
    """

    train: Data
    validation: Data | None
    augmenter: "keras.layers.Layer | None"
    store: FeatureStore | bool

    @classmethod
    def of(
        cls, train: Data, validation: Data | None, augmenter: Chosen | None = None, store: FeatureStore | bool = True
    ) -> Self:
        """Returns what is given, with the augmenter's layer made; validation Records without images are none.

        Raises:
            LesionkitError: there is no such augmenter, or it cannot be made; see ``augmenter_of``.
        """
        nothing = isinstance(validation, Records) and not len(validation)
        layer = None if augmenter is None else augmenter_of(augmenter)
        return cls(train, None if nothing else validation, layer, store)

    @property
    def data(self) -> list[Data]:
        """The training images, and the validation images if there are any."""
        return [self.train] if self.validation is None else [self.train, self.validation]

    def check(self, model: keras.Model, phases: Iterable[Fitting]) -> None:
        """Checks that ``model`` can be fitted on these data by the options of each phase.

        Raises:
            DataError: see :func:`check_given`.
            OptionError: options that need the training images as Records, which they are not.
        """
        for data in self.data:
            check_given(model, data)
        balanced = any(options.sampling == "balanced" for options in phases)
        if not isinstance(self.train, Records) and (self.augmenter is not None or balanced):
            raise OptionError("An augmenter and balanced sampling need the training images as Records.")


def check_given(model: keras.Model, data: Data) -> None:
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
