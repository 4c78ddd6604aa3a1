"""The contract of trainers."""

import dataclasses
import inspect
import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lesionkit.data.pipeline import Pixels, one_hot
from lesionkit.data.records import Records
from lesionkit.errors import OptionError
from lesionkit.features.store import FeatureStore
from lesionkit.metrics import classification
from lesionkit.testing.contract import Contract
from lesionkit.testing.inputs import SIZE, classifier, global_randomness, images
from lesionkit.testing.models import equal
from lesionkit.training.run import TrainingRun

_KEYWORDS = ("augmenter", "store", "strategy", "resume_dir", "callbacks")


def check_trainer(trainer: Callable[..., Any], **options: Any) -> None:
    """Holds a trainer to its contract. Fits a small classifier of three colours several times, each in a second or two.

    Its backbone has the stages ``low`` and ``high``.

    Args:
        trainer: the class, as ``trainers.get`` returns it.
        options: what it is made with; enough for the loss on 24 training images to fall.

    Raises:
        AssertionError: a promise is broken: a frozen dataclass whose fields can stand in a recipe; ``fit`` that returns
            a TrainingRun with a value for each epoch and what it saw, and leaves the model better and uncompiled; the
            same for equal seeds and with ``resume_dir``; a model or a function that builds it, Records or a
            ``tf.data.Dataset``; an error of lesionkit for what it cannot do; the global random state as it was.
    """
    contract = Contract.of("trainers", trainer)
    made = _check_record(contract, trainer, options)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train, validation = images(folder, 8, split="train"), images(folder, 3, split="validation", seed=1)
        store = FeatureStore(folder / "store")
        model = classifier()
        before = _loss(model, train)
        randomness = global_randomness()
        with contract.keeps("fit(model, train, validation, store=...) takes Records"):
            run = made.fit(model, train, validation, store=store)
        kept = global_randomness() == randomness
        contract.holds(kept, "the global random state of Python and NumPy stays as it is", "another")
        _check_run(contract, made, run, model, watched=True)
        counts = {split: sum(row.values()) for split, row in run.data.counts.items()} if run.data else None
        told = counts == {"train": 24, "validation": 9} and run.seen is not None and run.seen.n == 33
        contract.holds(told, "the run says which images it saw: data and seen", (counts, run.seen))
        after = _loss(model, train)
        contract.holds(
            after < before, "the loss on the training images falls", f"{before:.4f} before, {after:.4f} after"
        )

        for text in ("model may be a function that builds it, resume_dir a folder", "finished training is found again"):
            with contract.keeps(text):
                again = made.fit(classifier, train, validation, store=store, resume_dir=folder / "state").model
            contract.holds(_near(again, model), f"{text}: equal seeds and images give an equal model", "another")
        with contract.keeps("train may be a tf.data.Dataset, and validation may be left out"):
            seen = classifier()
            _check_run(contract, made, made.fit(seen, _dataset(train)), seen, watched=False)
        with contract.may_refuse("an augmenter is used, or an OptionError says that it cannot be") as refused:
            made.fit(classifier(), train, validation, store=store, augmenter=keras.layers.RandomFlip("vertical"))
        contract.holds(
            not refused or isinstance(refused[0], OptionError), "what cannot be done is an OptionError", refused
        )
        _check_refuses(contract, made, train, store)


def _check_record(contract: Contract, trainer: Any, options: dict[str, Any]) -> Any:
    frozen = dataclasses.is_dataclass(trainer) and getattr(trainer, "__dataclass_params__").frozen  # noqa: B009
    contract.holds(frozen, "it is a frozen dataclass", trainer)
    with contract.keeps("it is made with its options"):
        made = trainer(**options)
    contract.holds("seed" in {item.name for item in dataclasses.fields(made)}, "it has a field seed", made)
    values = dataclasses.asdict(made)
    contract.are_options(values)
    with contract.keeps("its fields, written as JSON, make it again"):
        again = trainer(**json.loads(json.dumps(values)))
    contract.holds(again == made, "its fields, written as JSON, make it again", again)
    with contract.keeps(f"fit takes (model, train, validation) and, by name, {', '.join(_KEYWORDS)}"):
        inspect.signature(made.fit).bind("model", "train", "validation", **dict.fromkeys(_KEYWORDS))
    return made


def _check_run(contract: Contract, made: Any, run: Any, model: keras.Model, *, watched: bool) -> None:
    contract.holds(isinstance(run, TrainingRun), "fit returns a TrainingRun", type(run))
    contract.holds(run.model is model, "its model is the one that was fitted", run.model)
    contract.holds(not model.compiled, "the model stays uncompiled", "a compiled one")
    scores = ("accuracy", "balanced_accuracy", "loss")
    wanted = {*scores, *(f"val_{name}" for name in scores)} if watched else set(scores)
    with_ = "with" if watched else "without"
    promise = f"{with_} validation images the history holds {', '.join(sorted(wanted))}"
    contract.holds(wanted <= set(run.history) and (watched or "val_loss" not in run.history), promise, set(run.history))
    lengths = {name: len(values) for name, values in run.history.items()}
    contract.holds(set(lengths.values()) == {run.epochs} != {0}, "the history has a value for each epoch", lengths)
    contract.holds(sum(run.phases.values()) == run.epochs, "phases are the epochs, phase by phase", run.phases)
    asked = getattr(made, "epochs", None)
    if asked is not None and getattr(made, "patience", None) is None:
        contract.holds(list(run.phases.values())[-1] == asked, f"{asked} epochs were asked for", run.phases)
    values = [float(value) for values in run.history.values() for value in values]
    contract.holds(all(map(math.isfinite, values)), "the history is numbers", run.history)
    named = run.recipe.trainer.name if run.recipe else None
    contract.holds(named == type(made).__name__, "the run's recipe names the trainer", named)


def _check_refuses(contract: Contract, made: Any, train: Records, store: FeatureStore) -> None:
    columns: dict[str, Any] = train.columns()
    unlabelled = Records(train.class_names, **{**columns, "label": np.full(len(train), -1)})
    others = Records(("this", "that", "another"), **columns)
    for what, records in (("no images", train[:0]), ("images without labels", unlabelled), ("other classes", others)):
        promise = f"{what} are an error of lesionkit"
        with contract.may_refuse(promise) as refused:
            made.fit(classifier(), records, store=store)
        contract.holds(refused, promise, "no error")


def _dataset(records: Records) -> tf.data.Dataset:
    pixels = Pixels(records.source, SIZE)[np.arange(len(records))].astype(np.float32)
    labels = one_hot(records.label, len(records.class_names))
    return tf.data.Dataset.from_tensor_slices((pixels, labels)).batch(8)


def _loss(model: keras.Model, records: Records) -> float:
    pixels = Pixels(records.source, SIZE)[np.arange(len(records))]
    return classification.loss(records.label, np.asarray(model(pixels, training=False), dtype=np.float64))


def _near(one: keras.Model, other: keras.Model) -> bool:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return equal(one, other) or all(np.allclose(first, second, rtol=1e-4, atol=1e-5) for first, second in pairs)
