"""Several classifiers as one: the mean of their probabilities."""

from collections.abc import Sequence
from typing import Any

import keras

from lesionkit.errors import DataError, OptionError
from lesionkit.model.parts import Origin, origin, remember


def average(models: Sequence[Any]) -> keras.Model:
    """Returns (B, height, width, 3) RGB in [0, 255] to the mean of the models' (B, num_classes) probabilities.

    A plain functional model with the members inside, weights shared: ``save`` writes it, and Keras alone loads it. It
    can answer better than each member where these are good and err differently (Dietterich 2000, "Ensemble Methods in
    Machine Learning"), and takes as long as all of them. No one recipe made it, so its card tells none; it has no one
    frozen part, so ``evaluate`` takes it without a feature store.

    Args:
        models: two or more classifiers, or bundles that hold one, of the same classes in the same order and of one
            image size.

    Raises:
        OptionError: fewer than two, or one of them twice.
        DataError: they differ in their classes or image sizes.

    Example:
        >>> other = lk.build_classifier(records.class_names, image_size=(48, 48), backbone=small, seed=1)
        >>> lk.average([model, other]).output.shape
        (None, 9)
    """
    classifiers = [getattr(one, "model", one) for one in models]
    if len(set(map(id, classifiers))) < max(len(classifiers), 2):
        raise OptionError(f"average takes two or more classifiers, each once. Received: {len(classifiers)}")
    sizes = [(one.input.shape[1:], one.output.shape[1:]) for one in classifiers]
    if len(set(sizes)) > 1:
        listed = "; ".join(f"{image[:2]} pixels, {classes[0]} classes" for image, classes in sizes)
        raise DataError(f"Averaged classifiers have one image size and the same classes. Received: {listed}")
    named = [built.class_names for one in classifiers if (built := origin(one)) is not None]
    if len(set(named)) > 1:
        listed = "; ".join(", ".join(names) for names in named)
        raise DataError(f"Averaged classifiers have the same classes in the same order. Received: {listed}")
    image = keras.Input(sizes[0][0], name="image", dtype="float32")
    members = [keras.Model(one.input, one.output, name=f"member_{place}") for place, one in enumerate(classifiers, 1)]
    mean = keras.layers.Average(dtype="float32", name="probabilities")([member(image) for member in members])
    model = keras.Model(image, mean, name="average")
    if named:
        remember(model, Origin(named[0], None))
    return model
