"""What goes on around the epochs: the state after each, early stopping, Ctrl-C, a loss that is no number."""

import contextlib
import logging
import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lesionkit.data.records import Records
from lesionkit.errors import DivergedError
from lesionkit.model.views import reseed
from lesionkit.reproducibility import is_deterministic
from lesionkit.text import as_text
from lesionkit.training.checkpoints import State, read_state, write_state
from lesionkit.training.replicas import Interrupt
from lesionkit.training.task import Task, assign, values_of

logger = logging.getLogger(__name__)

#: What early stopping watches.
WATCHED = "val_balanced_accuracy"


class Watch(keras.callbacks.Callback):
    """Keeps the state after each epoch, looks for the best one, and stops where there is no point in going on."""

    def __init__(
        self,
        task: Task,
        path: Path | None,
        class_weight: Mapping[int, float] | None = None,
        *,
        writes: bool = True,
    ) -> None:
        super().__init__()
        self.epoch, self.interrupt = 0, Interrupt()
        self._task, self._path, self._writes = task, path, writes
        self._options, self._phase = task.phase.options, task.phase.name
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
        """Sets what is drawn at random to what the seed and the epoch say."""
        self.epoch, self._began = epoch, time.perf_counter()
        self._reseed()
        self._before = values_of(self._task.learner.optimizer.variables) if self._many else ()

    def _reseed(self) -> None:
        for layer in (self._task.learner, self._task.train.mixer):
            if layer is not None:
                reseed(layer, self._options.seed, self.epoch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stops after Ctrl-C, or where the loss is no number."""
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
        """Stops after Ctrl-C."""
        self._stop_if_interrupted()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keeps the state, and ends training where there is no point in going on."""
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
def interrupts(interrupt: Interrupt, *, alone: bool) -> Iterator[None]:
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
