"""Two phases: the head first, then the top stages of the backbone with it, at a very low learning rate."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import keras
import tensorflow as tf

from lesionkit.errors import OptionError
from lesionkit.features.store import FeatureStore
from lesionkit.model.parts import cut, layers_within, parts, stages
from lesionkit.model.views import Chosen
from lesionkit.trainers.frozen import Frozen
from lesionkit.training.distribution import check_strategy
from lesionkit.training.loop import fit_task
from lesionkit.training.options import Fitting
from lesionkit.training.preparation import Builder, built, prepare
from lesionkit.training.run import TrainingRun
from lesionkit.training.task import Data, Task


@dataclass(frozen=True, kw_only=True)
class FineTune(Fitting):
    """Fits the head on the frozen backbone, then the stages from ``unfreeze`` on together with it.

    What stays frozen below runs once per image (or view) and is stored, so that an epoch costs only the part that
    learns. Batch normalisation stays in inference mode: its moving means and variances are those of ImageNet, its scale
    and offset learn (https://keras.io/guides/transfer_learning/). The other fields are those of
    :class:`~lesionkit.training.options.Fitting`, for the second phase.

    Attributes:
        unfreeze: the first stage that learns, such as ``"conv5"`` of ``resnet50``; see the backbone's ``stages``.
        first: the trainer of the head, before; None where the head is trained already.
        layer_decay: the learning rate of a stage is that of the stage above it times this, in (0, 1], the head's being
            the full one (Howard and Ruder 2018, "Universal Language Model Fine-tuning", section 3.1).

    Example:
        >>> trainer = lk.trainers.FineTune(unfreeze="conv5", epochs=5, first=lk.trainers.Frozen(epochs=10))
        >>> trainer.learning_rate
        1e-05
    """

    unfreeze: str
    learning_rate: float = 1e-5
    schedule: str = "cosine"
    warmup_epochs: int = 1
    first: Frozen | None = field(default_factory=Frozen)
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.first, Mapping):
            object.__setattr__(self, "first", Frozen(**self.first))
        number = isinstance(self.layer_decay, int | float) and not isinstance(self.layer_decay, bool)
        if not number or not 0 < self.layer_decay <= 1:
            raise OptionError(f"layer_decay is a number above 0, up to 1. Received: {self.layer_decay!r}")

    def fit(
        self,
        model: "keras.Model | Builder",
        train: Data,
        validation: Data | None = None,
        *,
        augmenter: Chosen | None = None,
        store: FeatureStore | bool = True,
        strategy: "tf.distribute.Strategy | None" = None,
        resume_dir: str | os.PathLike[str] | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> TrainingRun:
        """Trains ``model`` in place, in two phases; see ``Frozen.fit`` for the arguments and errors.

        The history holds the epochs of both phases, one after the other.

        Raises:
            OptionError: the backbone has no stage of that name, or nobody knows its stages.
        """
        check_strategy(strategy, self, (train, validation), augmenter)
        model = built(model, self.precision, strategy)
        cut(model, self.unfreeze)  # a stage that does not exist is told before anything is trained
        if self.first is not None:
            first = self.first.fit(
                model,
                train,
                validation,
                augmenter=augmenter,
                store=store,
                strategy=strategy,
                resume_dir=resume_dir,
                callbacks=callbacks,
            )
        task = self.task(model, train, validation, augmenter=augmenter, store=store)
        run = fit_task(
            self,
            self.unfreeze,
            model,
            task,
            slower=self._slower(model),
            augmenter=augmenter,
            strategy=strategy,
            resume_dir=resume_dir,
            callbacks=callbacks,
        )
        return run if self.first is None else run.after(first)

    def task(
        self,
        model: keras.Model,
        train: Data,
        validation: Data | None = None,
        *,
        augmenter: Chosen | None = None,
        store: FeatureStore | bool = True,
    ) -> Task:
        """Returns what learns in ``model`` in the second phase, and on what."""
        below, above = cut(model, self.unfreeze)
        backbone = parts(model).backbone
        learning = {layer.name for layer in layers_within(above)}
        backbone.trainable = True
        for layer in backbone.layers:
            layer.trainable = layer.name in learning
        return prepare(model, below, (above,), self, train, validation, augmenter, store)

    def _slower(self, model: keras.Model) -> list[tuple[keras.Variable, float]]:
        """Returns each weight of the stages that learn with its share of the learning rate."""
        if self.layer_decay == 1:
            return []
        names = [stage.name for stage in stages(model)]
        factors: dict[int, tuple[keras.Variable, float]] = {}
        for place, name in enumerate(names[names.index(self.unfreeze) :]):
            factor = self.layer_decay ** (len(names) - names.index(self.unfreeze) - place)
            _, above = cut(model, name)
            factors |= {id(weight): (weight, factor) for weight in above.trainable_variables}
        return list(factors.values())
