"""The loop: epochs that can be stopped, killed and gone on with, by Keras's ``fit`` or, under a strategy, by ours."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lesionkit.data.records import Records
from lesionkit.data.summary import DataSummary, Seen
from lesionkit.errors import OptionError
from lesionkit.recipe import Recipe
from lesionkit.reproducibility import identity, is_deterministic
from lesionkit.training.balance import BalancedAccuracy, class_weights
from lesionkit.training.distribution import check_alike, is_chief, placed, scope
from lesionkit.training.options import loss_of, optimizer_of
from lesionkit.training.replicas import Loop
from lesionkit.training.run import TrainingRun
from lesionkit.training.task import Task, values_of
from lesionkit.training.watch import Watch, interrupts

logger = logging.getLogger(__name__)

#: Steps that TensorFlow makes before it comes back to Python, where they are short: on values in memory.
STEPS = 16


def fit_task(
    task: Task,
    model: keras.Model,
    recipe: Recipe | None,
    *,
    strategy: "tf.distribute.Strategy | None" = None,
    resume_dir: str | os.PathLike[str] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> TrainingRun:
    """Fits the learner of ``task`` and returns what was done.

    Args:
        task: what learns, on what.
        model: the classifier whose part the learner is.
        recipe: what was asked for, of which this is a phase.
        strategy: where a copy of the learner trains, whose weights come back in the end; None: here, itself.
        resume_dir: a folder for the state after each epoch; training that has one there goes on from it.
        callbacks: Keras's; they see the learner.

    Raises:
        OptionError: an option that these data cannot have.
        DivergedError: the loss is no longer a number.
        KeyboardInterrupt: after the step in which it came; its text says what is kept.
    """
    started = time.perf_counter()
    phase, options = task.phase.name, task.phase.options
    weights = class_weight_of(task)
    alone = strategy is None
    digest = "" if alone and resume_dir is None else _identity(task, strategy)
    path = None if resume_dir is None else Path(resume_dir) / f"{phase}-{digest}.npz"
    with placed(task, strategy) as there:
        with scope(strategy):
            in_memory = isinstance(task.train.values, np.ndarray)
            compile_learner(there, there.slower, STEPS if in_memory and alone and not callbacks else 1)
        watch = Watch(there, path, weights, writes=is_chief(strategy))
        watch.restore()
        check_alike(strategy, digest, watch.state.epoch, resume_dir)
        if watch.state.epoch < options.epochs and not watch.state.stopped:
            with interrupts(watch.interrupt, alone=alone):
                _epochs(there, weights, [*callbacks, watch], watch, strategy)
        watch.finish()
    return _run(task, model, recipe, watch.state.history, time.perf_counter() - started)


def _epochs(
    task: Task,
    class_weight: Mapping[int, float] | None,
    callbacks: Sequence[keras.callbacks.Callback],
    watch: Watch,
    strategy: "tf.distribute.Strategy | None",
) -> None:
    options = task.phase.options
    if strategy is not None:
        Loop(strategy, task, class_weight, watch.interrupt).fit(watch.state.epoch, callbacks)
        return
    task.learner.fit(
        task.train.batches(options, task.num_classes, lambda: watch.epoch),
        epochs=options.epochs,
        initial_epoch=watch.state.epoch,
        validation_data=None if task.held_out is None else task.held_out.batches(options, task.num_classes),
        class_weight=class_weight,
        callbacks=callbacks,
        shuffle=False,  # the datasets have their order
        verbose=0,
    )


def _run(
    task: Task,
    model: keras.Model,
    recipe: Recipe | None,
    history: Mapping[str, Sequence[float]],
    seconds: float,
) -> TrainingRun:
    records, features = task.records(), task.features
    return TrainingRun(
        recipe=recipe,
        history={name: tuple(values) for name, values in history.items()},
        data=None if records is None else DataSummary.of(records),
        timing={
            "features_s": features.seconds if features else 0.0,
            "fit_s": seconds,
            "images_per_s": features.extracted / features.seconds if features and features.extracted else None,
        },
        features={"extracted": features.extracted, "reused": features.reused} if features else {},
        seen=None if records is None else Seen.of(records),
        phases={task.phase.name: len(history["loss"])},
        model=model,
    )


def compile_learner(task: Task, slower: Sequence[tuple[Any, float]] = (), steps: int = 1) -> None:
    """Makes the learner of ``task`` ready to fit, ``steps`` at once, its optimizer's variables among it."""
    options = task.phase.options
    optimizer = optimizer_of(options, task.train.steps(options.batch_size), slower)
    if options.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    metrics = ["accuracy", BalancedAccuracy(task.num_classes)]
    task.learner.compile(optimizer=optimizer, loss=loss_of(options), metrics=metrics, steps_per_execution=steps)
    optimizer.build(task.learner.trainable_variables)


def _identity(task: Task, strategy: "tf.distribute.Strategy | None") -> str:
    """Returns what names this very training: of these options, images and first weights.

    It may go on with another number of replicas, unless it is to be the same to the bit.
    """
    phase = task.phase
    sides = [
        [list(data.source), data.label.tolist(), data.class_names] for data in task.data if isinstance(data, Records)
    ]
    pictures = [] if task.features is None else [str(picture) for picture in task.features.picture_id]
    exact = is_deterministic() and (strategy is None or strategy.num_replicas_in_sync)
    factors = [factor for _, factor in task.slower]
    settings = [phase.name, phase.options.options(), factors, task.source, sides, pictures, exact]
    return identity(settings, *values_of(task.learned))


def class_weight_of(task: Task) -> dict[int, float] | None:
    """Returns what each class weighs in the loss, by its place; None for all alike."""
    if task.phase.options.class_weight is None:
        return None
    labels = task.train.labels
    if labels is None:
        raise OptionError('class_weight="balanced" needs the training images as Records.')
    return class_weights(labels)
