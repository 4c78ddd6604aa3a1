"""Two phases: the head first, then the top stages of the backbone with it, at a very low learning rate."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import keras

from lesionkit.errors import OptionError
from lesionkit.model.parts import cut, stages
from lesionkit.trainers.frozen import Frozen
from lesionkit.training.task import Phase
from lesionkit.training.trainer import Trainer


@dataclass(frozen=True, kw_only=True)
class FineTune(Trainer):
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

    def phases(self, model: keras.Model) -> tuple[Phase, ...]:
        """Returns the phase of the head, where there is one, and that of the stages from ``unfreeze`` on.

        Raises:
            OptionError: the backbone has no stage of that name, or its stages are not known.
        """
        below, above = cut(model, self.unfreeze)
        before = () if self.first is None else self.first.phases(model)
        return (*before, Phase(self.unfreeze, self, below, (above,), self._slower(model)))

    def _slower(self, model: keras.Model) -> tuple[tuple[keras.Model, float], ...]:
        """Returns the backbone from each stage that learns on, with the factor of that stage's learning rate."""
        if self.layer_decay == 1:
            return ()
        names = [stage.name for stage in stages(model)]
        learning = names[names.index(self.unfreeze) :]
        return tuple(
            (cut(model, name)[1], self.layer_decay ** (len(learning) - place)) for place, name in enumerate(learning)
        )
