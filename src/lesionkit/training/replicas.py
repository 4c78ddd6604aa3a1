"""The epochs of a learner that several replicas train together: each takes its share of every batch.

What is summed over the shares are the loss and the gradient of one process with the whole batch. Keras's own ``fit``
does not get there: in 3.15, under ``MultiWorkerMirroredStrategy``, it reduces scalars over an axis, and waits in a
collective while it builds a model. This loop is made of public calls.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lesionkit.data.pipeline import generated, one_hot
from lesionkit.training.options import loss_of
from lesionkit.training.task import Feed, Task

#: Between the seeds of two replicas: more than a learner has layers that draw.
STRIDE = 1_000_003

Array = npt.NDArray[Any]


@dataclass
class Interrupt:
    """Whether Ctrl-C came (``asked``), and whether all that train stop for it after this step (``agreed``)."""

    asked: bool = False
    agreed: bool = False


class Loop:
    """Trains a task whose learner was made and compiled in the strategy's scope."""

    def __init__(
        self,
        strategy: "tf.distribute.Strategy",
        task: Task,
        class_weight: Mapping[int, float] | None,
        interrupt: Interrupt,
    ) -> None:
        """Prepares the steps.

        Args:
            strategy: a mirrored one, whose replicas divide the batch size.
            task: what learns, on what: on Records.
            class_weight: what an image of each class weighs in the loss, by its place; None for all alike.
            interrupt: asked of one process, all of them agree to it.
        """
        self._strategy, self._task, self._options, self._interrupt = strategy, task, task.phase.options, interrupt
        self._weights = np.array([(class_weight or {}).get(place, 1.0) for place in range(task.num_classes)])
        self._replicas = _replicas_here(strategy)
        self._learn, self._watch = self._step(training=True), self._step(training=False)
        self._draw_apart = self._on_each(_draw_apart, _seeds(task.learner))
        self._average = self._on_each(_average, [one for one in task.learned if not one.trainable])

    def fit(self, initial_epoch: int, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Does what the learner's ``fit`` would do: the epochs that are left, and their callbacks."""
        train, held_out, learner = self._task.train, self._task.held_out, self._task.learner
        epochs, steps = self._options.epochs, train.steps(self._options.batch_size)
        told = keras.callbacks.CallbackList(callbacks, model=learner, epochs=epochs, steps=steps, verbose=0)
        logs: dict[str, float] = {}
        learner.stop_training = False
        told.on_train_begin()
        for epoch in range(initial_epoch, epochs):
            told.on_epoch_begin(epoch)
            self._draw_apart()
            around = told.on_train_batch_begin, told.on_train_batch_end
            logs = self._pass(self._learn, train, train.rows(self._options, epoch), self._weights, *around)
            self._average()
            if held_out is not None:
                told.on_test_begin()
                around = told.on_test_batch_begin, told.on_test_batch_end
                alike = np.ones_like(self._weights)
                watched = self._pass(self._watch, held_out, np.arange(len(held_out.data)), alike, *around)
                told.on_test_end(watched)
                logs = {**logs, **{f"val_{name}": value for name, value in watched.items()}}
            told.on_epoch_end(epoch, logs)
            if learner.stop_training:
                break
        told.on_train_end(logs)

    def _pass(
        self,
        step: Callable[..., Any],
        feed: Feed,
        rows: npt.NDArray[np.int64],
        class_weight: npt.NDArray[np.float64],
        began: Callable[[int], None],
        ended: Callable[[int, Any], None],
    ) -> dict[str, float]:
        """Goes once through the values at ``rows`` in batches; returns the figures of all."""
        shared = self._strategy.experimental_distribute_values_from_function
        sums: Any = 0.0
        logs: dict[str, float] = {}
        for number, here in enumerate(self._batches(feed, rows, class_weight)):
            began(number)
            asked = tf.constant(self._interrupt.asked, tf.float32)
            parts = {replica: (*(values[at] for values in here), asked) for at, replica in enumerate(self._replicas)}
            batch = shared(lambda context, parts=parts: parts[context.replica_id_in_sync_group])
            found = step(*batch).numpy().astype(np.float64)
            self._interrupt.agreed |= bool(found[0])
            found[1] *= found[2:].reshape(2, -1)[1].sum()  # the mean over the batch becomes a sum
            sums += found
            logs = _figures(sums)
            ended(number, logs)
            if self._task.learner.stop_training:
                break
        return logs

    def _batches(
        self, feed: Feed, rows: npt.NDArray[np.int64], class_weight: npt.NDArray[np.float64]
    ) -> tf.data.Dataset:
        """Returns what falls to the replicas here, (replicas, images, ...): values, one-hot labels, and weights.

        The weight of an image is its part in the mean over the batch. The last batch is filled up with images of its
        own that weigh nothing.
        """
        size, labels = self._options.batch_size, feed.data.label
        hot = one_hot(labels, len(class_weight))
        shares = np.arange(size).reshape(self._strategy.num_replicas_in_sync, -1)[self._replicas]

        def one_pass(values: Any) -> Iterator[tuple[Array, Array, Array]]:
            for start in range(0, len(rows), size):
                batch = rows[start : start + size]
                filled = np.resize(batch, size)[shares]
                places = filled % len(labels)
                weights = np.where(shares < len(batch), class_weight[labels[places]] / len(batch), 0)
                found = values[filled.ravel()]
                yield found.reshape(*shares.shape, *found.shape[1:]), hot[places], weights.astype(np.float32)

        kinds = ((feed.values.shape[1:], feed.values.dtype), (hot.shape[1:], np.float32), ((), np.float32))
        signature = tuple(tf.TensorSpec((*shares.shape, *shape), kind) for shape, kind in kinds)
        return generated(one_pass, signature, feed.values).prefetch(2)

    def _step(self, *, training: bool) -> Any:
        """Returns one step as a function of a batch's shares: its sums over all replicas, (2 + 2 C,).

        They are: how many asked to stop, the loss, the images that were told right by class, and all images by class.
        """
        learner, loss, replicas = self._task.learner, loss_of(self._options), self._strategy.num_replicas_in_sync

        def share(values: Any, labels: Any, weights: Any, asked: Any) -> Any:
            with tf.GradientTape() as tape:
                answers = learner(values, training=training)
                own = [tf.cast(one, tf.float32) / replicas for one in learner.losses]  # such as weight decay
                part = tf.reduce_sum(weights * loss.call(labels, answers)) + sum(own)
            if training:
                variables = learner.trainable_variables
                learner.optimizer.apply_gradients(zip(tape.gradient(part, variables), variables, strict=True))
            counted = labels * tf.cast(weights > 0, labels.dtype)[:, None]
            right = tf.cast(tf.argmax(labels, -1) == tf.argmax(answers, -1), labels.dtype)
            hits = tf.reduce_sum(counted * right[:, None], 0)
            return tf.concat([[asked, part], hits, tf.reduce_sum(counted, 0)], 0)

        def step(*shares: Any) -> Any:
            return self._strategy.reduce("SUM", self._strategy.run(share, args=shares), axis=None)

        return tf.function(step, autograph=False)

    def _on_each(self, change: Callable[[Any, Sequence[Any]], None], variables: Sequence[Any]) -> Any:
        """Returns a function that changes the variables on each replica; of no variables it does nothing."""

        def run() -> None:
            self._strategy.run(lambda: change(tf.distribute.get_replica_context(), variables))

        return tf.function(run, autograph=False) if variables else lambda: None


def _draw_apart(context: Any, seeds: Sequence[Any]) -> None:
    """Lets each replica draw at random for itself."""
    for seed in seeds:
        seed.assign(seed.value + tf.stack([tf.cast(context.replica_id_in_sync_group, seed.dtype) * STRIDE, 0]))


def _average(context: Any, variables: Sequence[Any]) -> None:
    """Gives each replica the mean over all, of what follows the images without learning, such as moving means."""
    for variable in variables:
        variable.assign(context.all_reduce("MEAN", tf.convert_to_tensor(variable.value)))


def _seeds(learner: keras.Model) -> list[Any]:
    found = {id(one): one for one in learner.variables if one.name == "seed_generator_state"}
    return list(found.values())


def _replicas_here(strategy: "tf.distribute.Strategy") -> list[int]:
    """Returns the places, among all replicas, of those that run in this process."""
    found: list[int] = []

    def note(context: Any) -> Any:
        found.append(context.replica_id_in_sync_group)
        return tf.constant(0)

    strategy.experimental_distribute_values_from_function(note)
    return found


def _figures(sums: npt.NDArray[np.float64]) -> dict[str, float]:
    """Returns accuracy, balanced accuracy and loss, in the order that Keras gives them."""
    hits, images = sums[2:].reshape(2, -1)
    recalls = hits[images > 0] / images[images > 0]
    figures = hits.sum() / images.sum(), recalls.mean(), sums[1] / images.sum()
    return dict(zip(("accuracy", "balanced_accuracy", "loss"), map(float, figures), strict=True))
