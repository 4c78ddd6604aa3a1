"""A KerasTuner tuner whose trials are recipes, each kept as a file when it has finished or failed."""

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np

from lesionkit import trainers
from lesionkit.experiments.fitting import build, fit
from lesionkit.recipe import Recipe
from lesionkit.reproducibility import environment, identity, is_deterministic
from lesionkit.searching.judge import Judge
from lesionkit.searching.leaderboard import Place, leaderboard
from lesionkit.searching.trials import Trial, ranked, read_trial, trials_in, write_trial

_missing = [name for name in ("keras_tuner", "tensorboard") if find_spec(name) is None]
if _missing:  # KerasTuner 1.4.8 imports tensorboard without declaring it, and fails every trial where it is not there
    raise ImportError(f'A search needs {" and ".join(_missing)}: pip install "lesionkit[tuner]"')

import keras_tuner as keras_tuner  # noqa: E402

logger = logging.getLogger(__name__)

#: From KerasTuner's values to a recipe, or to a compiled model.
Space: TypeAlias = Callable[[Any], Any]


class RecipeTuner(keras_tuner.Tuner):
    """A tuner whose trials are recipes, or compiled models where its space makes those.

    Attributes:
        judge: what scores recipes.
        trials: the folder of finished trials.
    """

    def __init__(self, oracle: keras_tuner.Oracle, space: Space, judge: Judge, folder: Path, **where: Any) -> None:
        self.judge, self.trials, self._unfinished, self._space = judge, folder / "trials", folder / "unfinished", space
        super().__init__(oracle, space, **where)

    def recipe(self, hyperparameters: keras_tuner.HyperParameters) -> Recipe:
        """Returns the recipe of some values; under Hyperband with its share of the epochs."""
        made: Recipe = self._space(hyperparameters)
        if "tuner/epochs" not in hyperparameters.values:
            return made
        most = epochs_of(self._space(keras_tuner.HyperParameters()))
        share = hyperparameters.values["tuner/epochs"] / most
        return dataclasses.replace(
            made, trainer=made.trainer.with_options(epochs=max(round(epochs_of(made) * share), 1))
        )

    def run_trial(self, trial: Any, *arguments: Any, **options: Any) -> dict[str, float]:
        """Returns the scores of a trial, from its file or now; without ``arguments`` it is a recipe's."""
        started = time.perf_counter()
        values = dict(trial.hyperparameters.values)
        recipe, probabilities = None, None
        failure = f"{identity(values)}-failed"
        try:
            recipe = None if arguments else self.recipe(trial.hyperparameters)
            told = [values, options.get("epochs")] if recipe is None else recipe.to_dict()
            name = identity([told, self.judge.told, environment(), is_deterministic()])
            before = read_trial(self.trials / f"{name}.json")
            if before is not None:
                logger.info("trial %s: finished before", trial.trial_id)
                return dict(before.scores)
            if recipe is None:
                scores = _best(super().run_trial(trial, *arguments, **options), self.oracle.objective)
            else:
                scores, probabilities = self.judge.answers(recipe, self._unfinished / name)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            self._note(failure, Trial(trial.trial_id, values, recipe, {}, time.perf_counter() - started, why))
            raise
        seconds = time.perf_counter() - started
        self._note(name, Trial(trial.trial_id, values, recipe, scores, seconds, probabilities=probabilities))
        (self.trials / f"{failure}.json").unlink(missing_ok=True)  # of an earlier attempt
        return scores

    def leaderboard(self) -> list[Place]:
        """Returns every trial of the search's folder in its place, the best first."""
        wanted = self.oracle.objective
        return leaderboard(trials_in(self.trials), self.judge.judging, wanted.name, wanted.direction)

    def load_model(self, trial: Any) -> keras.Model:
        """Returns the classifier of a trial, trained again: only recipes are kept."""
        if not isinstance(self._space(trial.hyperparameters), Recipe):
            return super().load_model(trial)
        recipe = self.recipe(trial.hyperparameters)
        learned, watched, _ = self.judge.sides(recipe)[0]
        model = build(recipe, learned.class_names)
        fit(recipe, model, learned, watched, store=self.judge.store)
        return model

    def _note(self, name: str, trial: Trial) -> None:
        """Keeps a trial as a file, and tells it."""
        write_trial(self.trials / f"{name}.json", trial)
        values = in_words(trial.values)
        if trial.error is not None:
            logger.warning("trial %s failed: %s: %s", trial.number, trial.error, values)
            return
        wanted, most = self.oracle.objective, self.oracle.max_trials
        best = ranked(trials_in(self.trials), wanted.name, wanted.direction)[0].scores[wanted.name]
        score = trial.scores[wanted.name]
        told = "trial %s of %s: %s %.4f (best %.4f), %.0f s: %s"
        logger.info(told, trial.number, most, wanted.name, score, best, trial.seconds, values)


def epochs_of(recipe: Recipe) -> int:
    """Returns the epochs of a recipe's trainer, the last phase's where it has two."""
    trainer = trainers.get(recipe.trainer.name)
    return int(recipe.trainer.options.get("epochs", getattr(trainer, "epochs", 1)))


def _best(runs: Sequence[Any], objective: keras_tuner.Objective) -> dict[str, float]:
    """Returns the figures of the best epoch, the mean over the runs of a trial."""
    pick = np.argmax if objective.direction == "max" else np.argmin
    rows = [{name: values[pick(run.history[objective.name])] for name, values in run.history.items()} for run in runs]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def in_words(values: Mapping[str, Any]) -> str:
    """Returns hyperparameters as one line."""
    shown = {name: f"{value:.3g}" if isinstance(value, float) else str(value) for name, value in values.items()}
    return ", ".join(f"{name} {value}" for name, value in shown.items())
