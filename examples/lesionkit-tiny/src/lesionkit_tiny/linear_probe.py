"""The last layer fitted to its optimum at once: no learning rate, no epochs, nothing drawn at random."""

import dataclasses
import time
from dataclasses import dataclass

import keras
import numpy as np
from lesionkit import FeatureStore, Records, TrainingRun
from lesionkit.data.records import as_column
from lesionkit.data.summary import DataSummary, Seen
from lesionkit.errors import DataError, OptionError
from lesionkit.metrics import classification
from lesionkit.model.parts import frozen_part, parts
from lesionkit.training.given import check_given, recipe_of
from lesionkit.training.preparation import built
from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True, kw_only=True)
class LinearProbe:
    """Fits the head's last layer on the frozen backbone: multinomial logistic regression by L-BFGS (scikit-learn).

    How well one layer can do on the features as they are: what a head of more layers, or fine-tuning, has to beat.

    Attributes:
        strength: how little the weights are held back, above 0: scikit-learn's ``C``, on features of variance 1.
        seed: taken since every recipe gives one; nothing is random here.
    """

    strength: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.strength, int | float) or isinstance(self.strength, bool) or not self.strength > 0:
            raise OptionError(f"strength is a number above 0. Received: {self.strength!r}")

    def fit(
        self,
        model,
        train,
        validation=None,
        *,
        augmenter=None,
        store=True,
        strategy=None,
        resume_dir=None,
        callbacks=(),
    ) -> TrainingRun:
        """Fits ``model`` in place; see ``lesionkit.trainers.Frozen.fit``. The history has one value.

        It takes a second or two once the features are there, so that nothing is kept in ``resume_dir``, and there are
        no epochs for ``callbacks`` to see.

        Raises:
            OptionError: an augmenter or a strategy is given, or the head does not end in its only layer that learns.
            DataError: no images, one without a label, classes that are not the model's, or a class without images.
        """
        if augmenter is not None or strategy is not None:
            raise OptionError(
                "LinearProbe sees each image once, in this process: give it no augmenter and no strategy."
            )
        model = built(model, "float32")
        started = time.perf_counter()
        last = _last_layer(parts(model).head)
        nothing = validation is None or (isinstance(validation, Records) and not len(validation))
        given = [train] if nothing else [train, validation]
        for data in given:
            check_given(model, data)
        parts(model).backbone.trainable = False
        before = keras.Model(parts(model).head.input, last.input)
        seen = [_seen(one, frozen_part(model), before, store) for one in given]
        _fit(last, seen[0].values, seen[0].labels, self.strength)
        history = {}
        for prefix, one in zip(("", "val_"), seen, strict=False):
            probabilities = np.asarray(last(one.values), dtype=np.float64)
            for name in ("accuracy", "balanced_accuracy", "loss"):
                history[prefix + name] = (getattr(classification, name)(one.labels, probabilities),)
        records = None
        if all(one.records is not None for one in seen):
            records = Records.concatenate([one.records for one in seen])
        return TrainingRun(
            recipe=recipe_of(self, model, None, [len(one.labels) for one in seen]),
            history=history,
            data=None if records is None else DataSummary.of(records),
            timing={
                "features_s": sum(one.seconds for one in seen),
                "fit_s": time.perf_counter() - started,
                "images_per_s": None,
            },
            features={name: sum(getattr(one, name) for one in seen) for name in ("extracted", "reused")},
            seen=None if records is None else Seen.of(records),
            phases={"probe": 1},
            model=model,
        )


@dataclass
class _Seen:
    """What comes into the last layer: (n, d) values and their labels; and the records, where they are records."""

    values: np.ndarray
    labels: np.ndarray
    records: Records | None = None
    extracted: int = 0
    reused: int = 0
    seconds: float = 0.0


def _seen(data, frozen: keras.Model, before: keras.Model, store) -> _Seen:
    if not isinstance(data, Records):
        pairs = [(before(frozen(images, training=False), training=False), labels) for images, labels in data]
        labels = np.concatenate([np.asarray(labels) for _, labels in pairs])
        values = np.concatenate([np.asarray(values) for values, _ in pairs])
        return _Seen(values, labels if labels.ndim == 1 else labels.argmax(axis=1))
    kept = store if isinstance(store, FeatureStore) else FeatureStore()
    found = kept.features(frozen, data.source)
    rows = np.array_split(np.arange(len(data)), -(-len(data) // 256))
    values = np.concatenate([np.asarray(before(found[some], training=False)) for some in rows])
    records = dataclasses.replace(data, picture_id=as_column(found.picture_id))
    return _Seen(values, data.label, records, found.extracted, found.reused, found.seconds)


def _fit(last: keras.layers.Dense, values: np.ndarray, labels: np.ndarray, strength: float) -> None:
    missing = sorted(set(range(last.units)) - {*labels})
    if missing:
        raise DataError(f"LinearProbe needs an image of every class. Without one: {', '.join(map(str, missing))}")
    mean, scale = values.mean(axis=0), values.std(axis=0) + 1e-6
    probe = LogisticRegression(C=strength, max_iter=1000).fit((values - mean) / scale, labels)
    kernel, bias = probe.coef_, probe.intercept_
    if last.units == 2:  # scikit-learn has one row for two classes: the odds of the second
        kernel, bias = np.concatenate([-kernel, kernel]) / 2, np.concatenate([-bias, bias]) / 2
    kernel = kernel.T / scale[:, None]
    last.set_weights([kernel, bias - mean @ kernel])


def _last_layer(head: keras.Model) -> keras.layers.Dense:
    last = head.layers[-1]
    ends = isinstance(last, keras.layers.Dense) and last.use_bias and last.activation is keras.activations.softmax
    if not ends or len(head.trainable_weights) != 2:
        raise OptionError(
            'LinearProbe fits a head with one layer that learns, its last: "pooled" without hidden layers.'
        )
    return last
