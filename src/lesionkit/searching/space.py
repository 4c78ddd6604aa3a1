"""What a search may choose among: the names and options of registered parts, from KerasTuner's values to a Recipe."""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from lesionkit.errors import OptionError
from lesionkit.recipe import Part, Recipe, documented_baseline

#: The ways to choose the next trial.
STRATEGIES = ("bayesian", "hyperband", "random")


def directions() -> dict[str, str]:
    """Returns the scores to choose by -> ``"max"`` or ``"min"``: those of the table, of the images that judge."""
    from lesionkit.metrics.score_table import SCORES  # scikit-learn takes long to import

    return {f"val_{name}": kind.direction for name, kind in SCORES.items()}


@dataclass(frozen=True)
class Range:
    """All numbers from ``low`` to ``high``, both included.

    Attributes:
        low: the least; whole numbers where all three are whole.
        high: the greatest.
        log: whether each factor is as likely as another, and not each difference; ``low`` is above 0 then.
        step: the distance between neighbours, or their factor with ``log``; None: every number.

    Example:
        >>> lk.Range(1e-4, 1e-2, log=True)
        Range(low=0.0001, high=0.01, log=True, step=None)
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            above = ", low above 0" if self.log else ""
            raise OptionError(f"A range goes from low to high, low < high{above}. Received: {self}")


#: Values to choose among, or a range; none: the base recipe's own value.
Choices: TypeAlias = Sequence[Any] | Range

#: The options of a head, and those that both phases of training share.
_HEAD = ("hidden", "dropout", "pooling")
_TRAINER = ("optimizer", "class_weight", "sampling", "loss", "label_smoothing")


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """What may be chosen: each field is a sequence of values, a :class:`Range`, or ``()`` for the base's own value.

    Called with KerasTuner's ``HyperParameters`` it returns a Recipe, so that a function ``hp -> Recipe`` can stand in
    its place. The defaults are a search over the head, its learning rate and its loss, which the frozen part's features
    serve from first to last. Names, Parts and None may be mixed.

    Attributes:
        base: everything that is not chosen.
        preprocessor: names or Parts.
        backbone: names or Parts.
        image_size: (height, width) each.
        augmenter: names, Parts, or None.
        unfreeze: stages of the backbone from which on to fine-tune, or None for a frozen backbone.
        hidden: units of the hidden layers, one tuple for each choice.
        dropout: shares in [0, 1).
        pooling: of the head.
        learning_rate: of the head on the frozen backbone.
        fine_tune_learning_rate: of the second phase, where there is one.
        fine_tune_epochs: of the second phase, where ``unfreeze`` makes one.
        optimizer: see :class:`~lesionkit.training.options.Fitting`, here and below.
        class_weight: None or ``"balanced"``.
        sampling: ``"shuffled"`` or ``"balanced"``.
        loss: ``"cross_entropy"`` or ``"focal"``.
        label_smoothing: shares in [0, 1).

    Example:
        >>> space = lk.SearchSpace(dropout=lk.Range(0.0, 0.6), hidden=[(), (256,)], class_weight=["balanced"])
    """

    base: Recipe = field(default_factory=documented_baseline)
    preprocessor: Choices = ()
    backbone: Choices = ()
    image_size: Choices = ()
    augmenter: Choices = ()
    unfreeze: Sequence[str | None] = ()
    hidden: Choices = ((), (128,), (256,))
    dropout: Choices = Range(0.0, 0.6, step=0.1)
    pooling: Choices = ("avg", "max")
    learning_rate: Choices = Range(1e-4, 1e-2, log=True)
    fine_tune_learning_rate: Choices = Range(1e-5, 1e-3, log=True)
    fine_tune_epochs: int = 5
    optimizer: Choices = ("adam", "adamw", "sgd")
    class_weight: Choices = (None, "balanced")
    sampling: Choices = ()
    loss: Choices = ()
    label_smoothing: Choices = (0.0, 0.1)

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            choices = getattr(self, item.name)
            if item.name in ("base", "fine_tune_epochs") or isinstance(choices, Range):
                continue
            if isinstance(choices, str) or not isinstance(choices, Sequence):
                raise OptionError(f"{item.name} is a sequence of values to choose among. Received: {choices!r}")
            if len({shown(one) for one in choices}) < len(choices):
                raise OptionError(f"{item.name} has a value twice. Received: {choices!r}")
        if self.base.trainer.name not in ("Frozen", "FineTune"):
            raise OptionError(
                f"A SearchSpace chooses for Frozen and FineTune, not for {self.base.trainer.name}: give a function "
                "that makes a Recipe of HyperParameters."
            )

    def __call__(self, hp: Any) -> Recipe:
        """Returns the recipe of the values in ``hp``, a ``keras_tuner.HyperParameters`` that learns their names."""
        parts = {name: self._chosen(hp, name) for name in ("preprocessor", "backbone", "image_size", "augmenter")}
        recipe = dataclasses.replace(self.base, **_given(parts))
        if "weights" not in recipe.backbone.options and "weights" in self.base.backbone.options:
            recipe = dataclasses.replace(
                recipe, backbone=recipe.backbone.with_options(weights=self.base.backbone.options["weights"])
            )
        head = recipe.head.with_options(**_given({name: self._chosen(hp, name) for name in _HEAD}))
        return dataclasses.replace(recipe, head=head, trainer=self._trainer(hp))

    def _trainer(self, hp: Any) -> Part:
        shared = _given({name: self._chosen(hp, name) for name in _TRAINER})
        base = self.base.trainer
        tuned = base.name == "FineTune"
        rate = _given({"learning_rate": self._chosen(hp, "learning_rate")})
        head = {**(base.options.get("first") or {} if tuned else base.options), **shared, **rate}
        if not self.unfreeze:
            if not tuned:
                return Part("Frozen", **head)
            rate = _given({"learning_rate": self._chosen(hp, "fine_tune_learning_rate")})
            return base.with_options(**shared, **rate, first=head)
        stage = self._chosen(hp, "unfreeze")
        stages = [shown(one) for one in self.unfreeze if one is not None]
        with hp.conditional_scope("unfreeze", stages) if len(self.unfreeze) > 1 else contextlib.nullcontext():
            rate = _given({"learning_rate": self._chosen(hp, "fine_tune_learning_rate")} if stages else {})
        if stage is None:
            return Part("Frozen", **head)
        own = {name: value for name, value in base.options.items() if tuned or name != "learning_rate"}
        more = own if tuned else {**own, "epochs": self.fine_tune_epochs}
        return Part("FineTune", **{**more, **shared, **rate, "unfreeze": stage, "first": head})

    def _chosen(self, hp: Any, name: str) -> Any:
        """Returns the value of one field, or :data:`_BASE` where there is nothing to choose."""
        choices = getattr(self, name)
        if isinstance(choices, Range):
            whole = all(isinstance(one, int) for one in (choices.low, choices.high, choices.step or 1))
            sampling = "log" if choices.log else "linear"
            draw = hp.Int if whole else hp.Float
            return draw(name, choices.low, choices.high, step=choices.step, sampling=sampling)
        if len(choices) < 2:
            return choices[0] if choices else _BASE
        texts = [shown(one) for one in choices]
        text = hp.Choice(name, texts)
        return _BASE if text is None else choices[texts.index(text)]  # None: it plays no part in this trial


_BASE = object()


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not _BASE}


def shown(value: Any) -> str:
    """Returns a choice as the text by which KerasTuner, the leaderboard and the plot name it."""
    if value is None or value == ():
        return "none"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " x ".join(map(str, value))
    if isinstance(value, Part):
        return str(value) if value.options else value.name
    return str(value)
