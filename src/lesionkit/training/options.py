"""What all trainers let a user choose, and the optimizer and loss that this makes."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from lesionkit.errors import OptionError
from lesionkit.options import checked_count, checked_seed, checked_share

OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")
SCHEDULES = ("constant", "cosine")
LOSSES = ("cross_entropy", "focal")
SAMPLINGS = ("shuffled", "balanced")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")

#: What is not Keras's default: Nesterov momentum, as Sutskever et al. 2013 use it for networks of many layers.
SGD_MOMENTUM = {"momentum": 0.9, "nesterov": True}

#: The exponent of the focal loss, by which Lin et al. 2017 reached most.
FOCAL_GAMMA = 2.0


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """The options that trainers share: Adam on categorical cross-entropy, unless they say otherwise.

    Attributes:
        epochs: passes over the training images.
        learning_rate: the optimizer's, at its highest.
        batch_size: images a step.
        seed: of the order of the images, of augmentation and of dropout; each is a function of it, the epoch and the
            image's place.
        optimizer: ``"adam"``, ``"adamw"``, ``"rmsprop"``, with Keras's defaults, or ``"sgd"`` with a Nesterov momentum
            of 0.9. AdamW's weight decay follows the full learning rate, also where ``layer_decay`` lowers it.
        schedule: ``"constant"``, or ``"cosine"``: from ``learning_rate`` to 0 over the epochs after the warm-up
            (Loshchilov and Hutter 2017, "SGDR", without restarts).
        warmup_epochs: epochs in which the learning rate rises from 0 in a straight line.
        loss: ``"cross_entropy"``, or ``"focal"``: each image's cross-entropy times (1 - p)^2, p its label's probability
            (Lin et al. 2017, "Focal Loss for Dense Object Detection").
        label_smoothing: share of the label spread over all classes, in [0, 1) (Szegedy et al. 2016, "Rethinking the
            Inception Architecture").
        class_weight: ``"balanced"``: every class weighs as much in the loss, whatever its size.
        sampling: ``"shuffled"``: each image once an epoch; ``"balanced"``: as many images, each class alike often.
        patience: epochs without a better balanced accuracy on the validation images after which training stops; the
            weights of the best epoch are put back. None: all epochs, and the last weights.
        views: where an augmenter is given, how many augmented views of each training image there are: epoch e trains on
            view e modulo ``views``, so that what is frozen runs ``views`` times for an image and not in every epoch.
            None: another view in every epoch, and nothing stored.
        precision: ``"float32"``, ``"mixed_float16"`` (NVIDIA GPUs from compute capability 7.0) or ``"mixed_bfloat16"``
            (TPUs, newer GPUs and processors). Fixed when a model is built: give ``fit`` a function that builds it.
    """

    epochs: int = 10
    learning_rate: float = 1e-3
    batch_size: int = 32
    seed: int = 0
    optimizer: str = "adam"
    schedule: str = "constant"
    warmup_epochs: int = 0
    loss: str = "cross_entropy"
    label_smoothing: float = 0.0
    class_weight: str | None = None
    sampling: str = "shuffled"
    patience: int | None = None
    views: int | None = 5
    precision: str = "float32"

    def __post_init__(self) -> None:
        checked_count(self.epochs, "epochs")
        checked_count(self.batch_size, "batch_size")
        checked_seed(self.seed)
        checked_count(self.warmup_epochs, "warmup_epochs", least=0)
        checked_share(self.label_smoothing, "label_smoothing")
        for name in ("patience", "views"):
            if getattr(self, name) is not None:
                checked_count(getattr(self, name), name)
        choices = {
            "optimizer": OPTIMIZERS,
            "schedule": SCHEDULES,
            "loss": LOSSES,
            "class_weight": (None, "balanced"),
            "sampling": SAMPLINGS,
            "precision": PRECISIONS,
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                listed = ", ".join(map(repr, allowed))
                raise OptionError(f"{name} is one of {listed}. Received: {getattr(self, name)!r}")
        if not is_positive(self.learning_rate):
            raise OptionError(f"learning_rate is a number above 0. Received: {self.learning_rate!r}")
        if self.warmup_epochs > self.epochs:
            raise OptionError(f"warmup_epochs is at most epochs, {self.epochs}. Received: {self.warmup_epochs}")

    def options(self) -> dict[str, Any]:
        """Returns what makes the same trainer again, as what JSON can hold: the chief four, and what is not usual."""
        chief = ("epochs", "learning_rate", "batch_size", "seed")
        found = {}
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if item.name in chief or value != item.default:
                found[item.name] = value.options() if isinstance(value, Fitting) else value
        return found


def is_positive(number: Any) -> bool:
    """Returns whether ``number`` is a finite number above 0."""
    return isinstance(number, int | float) and not isinstance(number, bool) and 0 < number < float("inf")


def loss_of(options: Fitting) -> keras.losses.Loss:
    """Returns the loss of (B, C) one-hot or mixed labels and (B, C) probabilities."""
    if options.loss == "focal":
        return keras.losses.CategoricalFocalCrossentropy(
            alpha=1.0, gamma=FOCAL_GAMMA, label_smoothing=options.label_smoothing
        )
    return keras.losses.CategoricalCrossentropy(label_smoothing=options.label_smoothing)


def optimizer_of(
    options: Fitting, steps: int | None, slower: Sequence[tuple[Any, float]] = ()
) -> keras.optimizers.Optimizer:
    """Returns the optimizer of ``options`` with their schedule.

    Args:
        options: the trainer.
        steps: of an epoch; None where that is not known.
        slower: (variable, factor) of those that learn at a part of the learning rate.

    Raises:
        OptionError: a schedule is wanted of data whose length is not known.
    """
    rate: Any = options.learning_rate
    if options.schedule != "constant" or options.warmup_epochs:
        if steps is None:
            raise OptionError(
                "A schedule or a warm-up needs the number of batches of an epoch, which this tf.data.Dataset does not "
                "tell: give it one with dataset.apply(tf.data.experimental.assert_cardinality(n)), or give Records."
            )
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if options.warmup_epochs else options.learning_rate,
            max(steps * (options.epochs - options.warmup_epochs), 1),
            alpha=1.0 if options.schedule == "constant" else 0.0,
            warmup_target=options.learning_rate if options.warmup_epochs else None,
            warmup_steps=steps * options.warmup_epochs,
        )
    kinds = {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": keras.optimizers.SGD,
    }
    more = SGD_MOMENTUM if options.optimizer == "sgd" else {}
    optimizer: keras.optimizers.Optimizer = _slowed(kinds[options.optimizer], slower)(rate, **more)
    return optimizer


def _slowed(kind: Any, slower: Sequence[tuple[Any, float]]) -> Any:
    """Returns the optimizer class, or one that moves some variables at a part of the learning rate."""
    if not slower:
        return kind
    factors = {variable.value.ref(): factor for variable, factor in slower}

    class Slowed(kind):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            super().update_step(gradient, variable, learning_rate * factors.get(variable.ref(), 1.0))

    return Slowed
