"""The documented way to train: the backbone stays as it is, the head learns on its features."""

from dataclasses import dataclass

import keras

from lesionkit.model.parts import frozen_part
from lesionkit.training.task import Phase
from lesionkit.training.trainer import Trainer


@dataclass(frozen=True, kw_only=True)
class Frozen(Trainer):
    """Fits the head on a frozen backbone in inference mode. Its fields are those of ``Fitting``.

    Example:
        >>> run = lk.trainers.Frozen(epochs=2, class_weight="balanced").fit(model, train, validation)
        >>> run.epochs
        2
    """

    def phases(self, model: keras.Model) -> tuple[Phase, ...]:
        """Returns the only phase, that of the head."""
        return (Phase("head", self, frozen_part(model)),)
