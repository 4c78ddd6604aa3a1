"""Which learning rate to try: the loss while the rate rises from too low to too high."""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from lesionkit.errors import OptionError
from lesionkit.features.store import FeatureStore
from lesionkit.model.parts import layers_within
from lesionkit.model.views import reseed
from lesionkit.options import checked_count
from lesionkit.training.given import Data, Given
from lesionkit.training.loop import class_weight_of, compile_learner
from lesionkit.training.options import is_positive
from lesionkit.training.preparation import prepare
from lesionkit.training.task import Task, assign, values_of
from lesionkit.training.trainer import Trainer

#: The loss at which the search ends, as a multiple of the least smoothed loss so far.
WORSE = 4.0

#: Share of the smoothed loss that a step keeps.
SMOOTHING = 0.9


@dataclass(frozen=True)
class Rates:
    """What :func:`find_learning_rate` saw.

    Attributes:
        suggested: a tenth of the rate at which the smoothed loss was least.
        rates: of the steps that were made, rising.
        losses: smoothed, one for each rate.
    """

    suggested: float
    rates: Sequence[float] = field(repr=False)
    losses: Sequence[float] = field(repr=False)


def find_learning_rate(
    trainer: Trainer,
    model: keras.Model,
    train: Data,
    *,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    augmenter: Any = None,
    store: FeatureStore | bool = True,
) -> Rates:
    """Returns the loss by learning rate, and a rate to try; ``model`` and its weights stay as they were.

    The rate rises by a constant factor from step to step until the loss is four times its least or no number (Smith
    2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3); the loss is an exponential mean, and the
    suggestion a tenth of the rate where it is least, a common reading of such a curve. It is a place to start, not an
    optimum: choose by validation.

    Args:
        trainer: ``Frozen`` or, for its second phase, ``FineTune``.
        model: the classifier. For ``FineTune`` its head should be trained first.
        train: the training images.
        lowest: the first rate.
        highest: the last.
        steps: batches to try, at most.
        augmenter: of the training images.
        store: see ``Frozen.fit``.

    Raises:
        OptionError: rates that are not ``0 < lowest < highest``, or too few steps.

    Example:
        >>> rates = lk.find_learning_rate(lk.trainers.Frozen(), model, train, steps=20)
        >>> rates.suggested < rates.rates[-1]
        True
    """
    checked_count(steps, "steps", least=10)
    if not is_positive(lowest) or not is_positive(highest) or lowest >= highest:
        raise OptionError(f"lowest and highest are learning rates, 0 < lowest < highest. Received: {lowest}, {highest}")
    plain = dataclasses.replace(trainer, schedule="constant", warmup_epochs=0)
    learns = [(layer, layer.trainable) for layer in layers_within(model)]
    phase, given = plain.phases(model)[-1], Given.of(train, None, augmenter, store)
    given.check(model, [phase.options])
    task = prepare(model, phase, given)
    before = values_of(task.learned)
    try:
        return _climb(task, np.geomspace(lowest, highest, steps))
    finally:
        assign(task.learned, before)
        for layer, trainable in learns:
            layer.trainable = trainable


def _climb(task: Task, rates: npt.NDArray[np.float64]) -> Rates:
    trainer = task.phase.options
    compile_learner(task)
    reseed(task.learner, trainer.seed, 0)
    epochs = itertools.count()
    data = task.train.batches(trainer, task.num_classes, lambda: next(epochs)).repeat()
    weights = class_weight_of(task)
    losses: list[float] = []
    mean = 0.0
    for step, (rate, (values, labels)) in enumerate(zip(rates, data, strict=False), 1):
        task.learner.optimizer.learning_rate.assign(rate)
        task.learner.reset_metrics()
        loss = float(task.learner.train_on_batch(values, labels, class_weight=weights, return_dict=True)["loss"])
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smoothed = mean / (1 - SMOOTHING**step)
        if not math.isfinite(loss) or (losses and smoothed > WORSE * min(losses)):
            break
        losses.append(smoothed)
    tried = [float(rate) for rate in rates[: len(losses)]]
    if not losses:
        raise OptionError(f"The loss is no number at the lowest rate already, {rates[0]:.1e}: start lower.")
    return Rates(tried[int(np.argmin(losses))] / 10, tried, losses)
