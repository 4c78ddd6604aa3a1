"""The loop: epochs that can be stopped, killed and gone on with, by Keras's ``fit`` or, under a strategy, by ours."""

import contextlib
import dataclasses
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lesionkit.assembly import origin
from lesionkit.augmentation import Chosen, reseed
from lesionkit.balance import BalancedAccuracy, class_weights
from lesionkit.checkpoints import State, identity, read_state, write_state
from lesionkit.determinism import is_deterministic
from lesionkit.distribution import check_alike, is_chief, placed, scope
from lesionkit.errors import DivergedError, OptionError
from lesionkit.files import as_text
from lesionkit.fitting import Fitting, loss_of, optimizer_of
from lesionkit.recipe import Part, Recipe
from lesionkit.records import Records
from lesionkit.replicas import Interrupt, Loop
from lesionkit.run import DataSummary, Seen, TrainingRun
from lesionkit.tasks import Feed, Task, assign, values_of

logger = logging.getLogger(__name__)

#: Steps that TensorFlow makes before it comes back to Python, where they are short: on values in memory.
STEPS = 16

#: What early stopping watches.
WATCHED = "val_balanced_accuracy"


def fit_task(
    trainer: Fitting,
    phase: str,
    model: keras.Model,
    task: Task,
    *,
    slower: Sequence[tuple[Any, float]] = (),
    augmenter: Chosen | None = None,
    strategy: "tf.distribute.Strategy | None" = None,
    resume_dir: str | os.PathLike[str] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> TrainingRun:
    """Fits the learner of ``task`` and returns what was done.

    Args:
        trainer: its options.
        phase: its name, for the log and the files.
        model: the classifier whose part the learner is.
        task: what learns, on what.
        slower: (variable, factor) of those that learn at a part of the learning rate.
        augmenter: what the training images were augmented with, for the recipe.
        strategy: where a copy of the learner trains, whose weights come back in the end; None: here, itself.
        resume_dir: a folder for the state after each epoch; training that has one there goes on from it.
        callbacks: Keras's; they see the learner.

    Raises:
        OptionError: an option that these data cannot have.
        DivergedError: the loss is no longer a number.
        KeyboardInterrupt: after the step in which it came; its text says what is kept.
    """
    if trainer.patience is not None and task.held_out is None:
        raise OptionError("patience needs validation images to watch. Give fit some, or leave patience out.")
    started = time.perf_counter()
    weights = class_weight_of(trainer, task.train)
    alone = strategy is None
    told = "" if alone and resume_dir is None else _identity(task, trainer, phase, slower, strategy)
    path = None if resume_dir is None else Path(resume_dir) / f"{phase}-{told}.npz"
    with placed(task, slower, strategy) as (there, its_slower):
        with scope(strategy):
            in_memory = isinstance(task.train.values, np.ndarray)
            compile_learner(there, trainer, its_slower, STEPS if in_memory and alone and not callbacks else 1)
        watch = _Watch(there, trainer, phase, path, weights, writes=is_chief(strategy))
        watch.restore()
        check_alike(strategy, told, watch.state.epoch, resume_dir)
        if watch.state.epoch < trainer.epochs and not watch.state.stopped:
            with _interrupts(watch.interrupt, alone=alone):
                _epochs(there, trainer, weights, [*callbacks, watch], watch, strategy)
        watch.finish()
    return _run(trainer, phase, model, task, augmenter, watch.state.history, time.perf_counter() - started)


def _epochs(
    task: Task,
    options: Fitting,
    class_weight: Mapping[int, float] | None,
    callbacks: Sequence[keras.callbacks.Callback],
    watch: "_Watch",
    strategy: "tf.distribute.Strategy | None",
) -> None:
    if strategy is not None:
        Loop(strategy, task, options, class_weight, watch.interrupt).fit(watch.state.epoch, callbacks)
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
    trainer: Fitting,
    phase: str,
    model: keras.Model,
    task: Task,
    augmenter: Chosen | None,
    history: Mapping[str, Sequence[float]],
    seconds: float,
) -> TrainingRun:
    fitted, found = task.records(), task.found
    return TrainingRun(
        recipe=_recipe(trainer, model, task, augmenter),
        history={name: tuple(values) for name, values in history.items()},
        data=None if fitted is None else DataSummary.of(fitted),
        timing={
            "features_s": found.seconds if found else 0.0,
            "fit_s": seconds,
            "images_per_s": found.extracted / found.seconds if found and found.extracted else None,
        },
        features={"extracted": found.extracted, "reused": found.reused} if found else {},
        seen=None if fitted is None else Seen.of(fitted),
        phases={phase: len(history["loss"])},
        model=model,
    )


def _recipe(trainer: Fitting, model: keras.Model, task: Task, augmenter: Chosen | None) -> Recipe | None:
    built = origin(model)
    if built is None or built.recipe is None:
        return None
    options = trainer.options()
    for named in (options, options.get("first")):
        if named and named["seed"] == built.recipe.seed:
            del named["seed"]
    counts = [len(one) for one in task.given if isinstance(one, Records)]
    return dataclasses.replace(
        built.recipe,
        trainer=Part(type(trainer).__name__, **options),
        augmenter=None if augmenter is None else Part.of(augmenter),
        validation=round(counts[1] / sum(counts), 2) if len(counts) == 2 else 0.0,
    )


def compile_learner(task: Task, options: Fitting, slower: Sequence[tuple[Any, float]] = (), steps: int = 1) -> None:
    """Makes the learner of ``task`` ready to fit, ``steps`` at once, its optimizer's variables among it."""
    optimizer = optimizer_of(options, task.train.steps(options.batch_size), slower)
    if options.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    metrics = ["accuracy", BalancedAccuracy(task.num_classes)]
    task.learner.compile(optimizer=optimizer, loss=loss_of(options), metrics=metrics, steps_per_execution=steps)
    optimizer.build(task.learner.trainable_variables)


class _Watch(keras.callbacks.Callback):
    """Keeps the state after each epoch, looks for the best one, and stops where there is no point in going on."""

    def __init__(
        self,
        task: Task,
        options: Fitting,
        phase: str,
        path: Path | None,
        class_weight: Mapping[int, float] | None = None,
        *,
        writes: bool = True,
    ) -> None:
        super().__init__()
        self.epoch, self.interrupt = 0, Interrupt()
        self._task, self._options, self._phase, self._path, self._writes = task, options, phase, path, writes
        self.state = State(0, {}, values_of(task.learned), ())
        self._class_weight = class_weight
        self._many = task.learner.steps_per_execution > 1
        self._before: Sequence[Any] = ()
        self._spent: list[float] = []
        self._began = 0.0

    def restore(self) -> None:
        """Goes back to the state on disk, if there is one."""
        found = None if self._path is None else read_state(self._path)
        if found is None:
            return
        self.state = found
        assign(self._task.learned, found.weights)
        assign(self._task.learner.optimizer.variables, found.optimizer)
        if found.stopped or found.epoch == self._options.epochs:
            logger.info("%s: finished before, after %d epochs", self._phase, found.epoch)
            return
        exact = "to the bit as if never stopped" if is_deterministic() else _NOT_EXACT
        told = "resumed: %d of %d epochs (%s) were finished before; it goes on %s"
        logger.info(told, found.epoch, self._options.epochs, self._phase, exact)

    def finish(self) -> None:
        """Puts the best weights back, where training looked for them."""
        if self._options.patience is not None and self.state.best:
            values = self.state.history[WATCHED]
            best = int(np.argmax(values))
            assign(self._task.learned, self.state.best)
            logger.info("%s: the weights are those of epoch %d (%s %.4f)", self._phase, best + 1, WATCHED, values[best])

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.epoch, self._began = epoch, time.perf_counter()
        self._reseed()
        self._before = values_of(self._task.learner.optimizer.variables) if self._many else ()

    def _reseed(self) -> None:
        for layer in (self._task.learner, self._task.train.mixer):
            if layer is not None:
                reseed(layer, self._options.seed, self.epoch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._stop_if_interrupted()
        if not math.isfinite(float(logs["loss"])):
            told = self._diverged(self._first_without_loss() if self._many else batch, float(logs["loss"]))
            assign(self._task.learned, self.state.weights)
            raise DivergedError(told)

    def _first_without_loss(self) -> int:
        """Returns the batch in which the loss became no number: the epoch is gone through again, step by step."""
        learner = self._task.learner
        assign(self._task.learned, self.state.weights)
        assign(learner.optimizer.variables, self._before)
        self._reseed()
        learner.reset_metrics()
        batches = self._task.train.batches(self._options, self._task.num_classes, lambda: self.epoch)
        losses = (self._loss(values, labels) for values, labels in batches)
        return next((number for number, loss in enumerate(losses) if not math.isfinite(loss)), 0)

    def _loss(self, values: Any, labels: Any) -> float:
        """Makes one step; returns the mean loss since the epoch began."""
        weights = self._class_weight or {}
        sample_weight = np.array([weights.get(place, 1.0) for place in np.argmax(labels, axis=1)])
        return float(self._task.learner.train_step((values, labels, sample_weight))["loss"])

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._stop_if_interrupted()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        figures = {name: float(value) for name, value in (logs or {}).items()}
        history = {name: [*self.state.history.get(name, ()), value] for name, value in figures.items()}
        weights = values_of(self._task.learned)
        best = self.state.best
        if self._options.patience is not None:
            values = history[WATCHED]
            place = int(np.argmax(values))
            best = weights if place == epoch else best
            if epoch - place >= self._options.patience:
                self.model.stop_training = True
        writes = self._path is not None and self._writes
        optimizer = values_of(self._task.learner.optimizer.variables) if writes else ()
        self.state = State(epoch + 1, history, weights, optimizer, best, bool(self.model.stop_training))
        if self._path is not None and self._writes:
            write_state(self._path, self.state)
        self._spent.append(time.perf_counter() - self._began)
        self._tell(figures)

    def _tell(self, figures: dict[str, float]) -> None:
        told = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
        left = 0 if self.state.stopped else self._options.epochs - self.state.epoch
        seconds = left * sum(self._spent) / len(self._spent)
        minutes = f", {seconds // 60:.0f}:{seconds % 60:02.0f} left" if left else ""
        logger.info("%s: epoch %d of %d: %s%s", self._phase, self.state.epoch, self._options.epochs, told, minutes)

    def _stop_if_interrupted(self) -> None:
        if not self.interrupt.agreed:
            return
        where = f"stopped in epoch {self.epoch + 1} of {self._options.epochs} ({self._phase})"
        if self._path is None:
            raise KeyboardInterrupt(f"{where}; the model holds the weights of the last step, nothing was written")
        raise KeyboardInterrupt(
            f"{where}; {self.state.epoch} finished epochs are kept, the same command goes on from there"
        )

    def _diverged(self, batch: int, loss: float) -> str:
        where = f"The loss became {loss} in batch {batch + 1} of epoch {self.epoch + 1} ({self._phase})"
        remedy = (
            "Use a lower learning_rate, or a warm-up; look at the images if it happens at the same ones again. The "
            "model holds the weights of the last finished epoch."
        )
        data = self._task.train.data
        if not isinstance(data, Records):
            return f"{where}. {remedy}"
        size = self._options.batch_size
        rows = self._task.train.rows(self._options, self.epoch)[batch * size : (batch + 1) * size] % len(data)
        named = "\n".join(f"  {as_text(source)}" for source in data.source[rows])
        return f"{where}, which is made of\n{named}\n{remedy}"


_NOT_EXACT = (
    "from there, but not to the bit as if never stopped: call lesionkit.deterministic() first for that "
    "(a command's --deterministic)"
)


@contextlib.contextmanager
def _interrupts(interrupt: Interrupt, *, alone: bool) -> Iterator[None]:
    """Lets Ctrl-C wait for the end of the step, where signals can be had; a second one does not wait."""

    def note(*_: Any) -> None:
        if interrupt.asked:
            raise KeyboardInterrupt
        interrupt.asked, interrupt.agreed = True, alone
        logger.warning("stopping after this step; again to stop at once")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _identity(
    task: Task,
    options: Fitting,
    phase: str,
    slower: Sequence[tuple[Any, float]],
    strategy: "tf.distribute.Strategy | None",
) -> str:
    """Returns what names this very training: of these options, images and first weights.

    It may go on with another number of replicas, unless it is to be the same to the bit.
    """
    sides = [[list(one.source), one.label.tolist(), one.class_names] for one in task.given if isinstance(one, Records)]
    known = [] if task.found is None else [str(one) for one in task.found.picture_id]
    exact = is_deterministic() and (strategy is None or strategy.num_replicas_in_sync)
    told = [phase, options.options(), [factor for _, factor in slower], task.source, sides, known, exact]
    return identity(told, *values_of(task.learned))


def class_weight_of(options: Fitting, feed: Feed) -> dict[int, float] | None:
    """Returns what each class weighs in the loss, by its place; None for all alike."""
    if options.class_weight is None:
        return None
    if feed.labels is None:
        raise OptionError('class_weight="balanced" needs the training images as Records.')
    return class_weights(feed.labels)
