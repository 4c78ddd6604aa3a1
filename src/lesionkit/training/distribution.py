"""Several devices and machines: what can be trained there, a learner put there and taken back, and who writes."""

import contextlib
import dataclasses
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import keras
import tensorflow as tf

from lesionkit.data.records import Records
from lesionkit.errors import OptionError
from lesionkit.model.views import mixes
from lesionkit.reproducibility import random_kept
from lesionkit.training.given import Given
from lesionkit.training.options import Fitting
from lesionkit.training.task import Learner, Task, assign, values_of


def scope(strategy: "tf.distribute.Strategy | None") -> contextlib.AbstractContextManager[Any]:
    """Returns the strategy's scope, or one that does nothing."""
    found: contextlib.AbstractContextManager[Any] = contextlib.nullcontext() if strategy is None else strategy.scope()
    return found


def is_chief(strategy: "tf.distribute.Strategy | None") -> bool:
    """Returns whether this process is the one that writes files: the only one, the chief, or else worker 0."""
    resolver = None if strategy is None else strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    first = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return (resolver.task_type, resolver.task_id) == (first, 0)


def check_strategy(strategy: "tf.distribute.Strategy | None", given: Given) -> None:
    """Checks that what is given can be trained on under a strategy.

    Raises:
        OptionError: another kind of strategy, data other than Records, or an augmenter that mixes images.
    """
    if strategy is None:
        return
    if not isinstance(strategy, tf.distribute.MirroredStrategy | tf.distribute.MultiWorkerMirroredStrategy):
        raise OptionError(
            "strategy is a tf.distribute.MirroredStrategy (devices of one process) or MultiWorkerMirroredStrategy "
            f"(processes and machines). Received: {strategy!r}"
        )
    if not all(isinstance(data, Records) for data in given.data):
        raise OptionError("Under a strategy the images are Records: a tf.data.Dataset cannot be shared among replicas.")
    if given.augmenter is not None and mixes(given.augmenter):
        raise OptionError(
            "Under a strategy no augmenter may mix the images of a batch, which no replica has as a whole: choose "
            "another one, or train in one process."
        )


def check_shared(strategy: "tf.distribute.Strategy | None", options: Fitting) -> None:
    """Checks that the replicas of a strategy can share what ``options`` ask for.

    Raises:
        OptionError: a batch that cannot be shared evenly, or float16.
    """
    if strategy is None:
        return
    replicas = strategy.num_replicas_in_sync
    if options.batch_size % replicas:
        raise OptionError(
            f"batch_size is shared by {replicas} replicas, so it has to be a multiple of {replicas}, such as "
            f"{-(-options.batch_size // replicas) * replicas}. Received: {options.batch_size}"
        )
    if options.precision == "mixed_float16":
        raise OptionError(
            'Under a strategy precision="mixed_float16" has no loss scaling that all replicas agree on: use '
            '"mixed_bfloat16" or "float32".'
        )


def copied(model: keras.Model) -> keras.Model:
    """Returns a functional model of new layers with the same weights, and leaves Python's random state as it was."""
    with random_kept():  # initializers without a seed draw from it
        copy = keras.models.clone_model(model, recursive=True)
    copy.set_weights(model.get_weights())
    return copy


@contextlib.contextmanager
def placed(task: Task, strategy: "tf.distribute.Strategy | None") -> Iterator[Task]:
    """Yields the task with its variables in the strategy's scope; at the end the weights learned come back."""
    if strategy is None:
        yield task
        return
    with strategy.scope():
        if isinstance(task.learner, Learner):
            learner = Learner(copied(task.learner.head), *map(copied, task.learner.before))
            learner(keras.Input(batch_shape=[*learner.before, learner.head][0].input.shape))  # built outside of a step
        else:
            learner = copied(task.learner)
    there = {id(here): copy.value for here, copy in zip(task.learner.weights, learner.weights, strict=True)}
    slower = [  # an optimizer updates a variable's copy on each device
        (SimpleNamespace(value=copy), factor)
        for variable, factor in task.slower
        for copy in strategy.experimental_local_results(there[id(variable)])
    ]
    moved = dataclasses.replace(task, learner=learner, slower=slower)
    try:
        yield moved
    finally:
        assign(task.learned, values_of(moved.learned))


def check_alike(strategy: "tf.distribute.Strategy | None", identity: str, epoch: int, resume_dir: Any) -> None:
    """Compares the workers before a phase starts.

    Raises:
        OptionError: they would not train the same, or not go on from the same epoch.
    """
    if strategy is None:
        return
    told = tf.constant([[int(identity[:15], 16), epoch]], tf.int64)
    rows = strategy.gather(strategy.experimental_distribute_values_from_function(lambda _: told), axis=0).numpy()
    if len(set(rows[:, 0])) > 1:
        raise OptionError(
            "The workers would not train the same: their options, images (paths, labels) or first weights differ. "
            "Start each with the same code and options, give them the images at the same paths, and give fit a "
            "function that builds the model."
        )
    if len(set(rows[:, 1])) > 1:
        raise OptionError(
            f"The workers would go on from different epochs ({', '.join(map(str, rows[:, 1]))}): the folder of their "
            f"states, resume_dir, has to be one that all of them share. Received: {resume_dir}"
        )
