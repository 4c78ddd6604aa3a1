"""Searches with KerasTuner over recipes, which go on where they were stopped, in one process or many."""

import contextlib
import io
import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lesionkit.data.pipeline import dataset
from lesionkit.data.records import Records
from lesionkit.data.survey import inspect
from lesionkit.errors import OptionError, SearchError
from lesionkit.features.store import FeatureStore, store_of
from lesionkit.files import write_text
from lesionkit.options import checked_count, checked_seed
from lesionkit.recipe import Recipe
from lesionkit.reproducibility import identity
from lesionkit.searching.files import write_search
from lesionkit.searching.judge import Judge
from lesionkit.searching.roles import NAME, is_chief, is_worker
from lesionkit.searching.space import STRATEGIES, directions
from lesionkit.searching.trials import ranked, trials_in
from lesionkit.searching.tuner import RecipeTuner, Space, epochs_of, in_words, keras_tuner
from lesionkit.text import as_text

logger = logging.getLogger(__name__)


def search(
    space: Space,
    train: Records,
    validation: Records | None = None,
    *,
    strategy: str = "bayesian",
    max_trials: int = 20,
    objective: "str | keras_tuner.Objective" = "val_balanced_accuracy",
    folds: int | None = None,
    directory: str | os.PathLike[str] = "runs/search",
    seed: int = 0,
    store: FeatureStore | bool = True,
    epochs: int = 10,
) -> "RecipeTuner":
    """Returns a ``keras_tuner.Tuner`` that has searched ``space``, and goes on with a search that was stopped.

    Each trial is a :class:`~lesionkit.Recipe`: what it scored is what that recipe makes of these images. Trials with a
    common frozen part share its features. A trial that fails (its loss is no number, it runs out of memory, its options
    do not go together) is told, kept with its error, and the others go on.

    The leaderboard is written into ``directory`` (:data:`~lesionkit.searching.files.FILES`), with intervals, and with
    what cannot be told from the best.

    Every finished trial is a file in ``directory``, written before KerasTuner hears of it: killed at any moment, the
    same call finds it. A trial that had begun goes on from its last epoch, or, where it trains nothing but a head on
    stored features, starts again. A compiled model is known by its values and ``epochs``: another function needs
    another folder.

    With the environment variables ``KERASTUNER_TUNER_ID``, ``KERASTUNER_ORACLE_IP`` and ``KERASTUNER_ORACLE_PORT`` the
    call is the chief or a worker of a search in many processes, which share ``directory``.

    Args:
        space: a :class:`~lesionkit.SearchSpace`; or a function from ``keras_tuner.HyperParameters`` to a Recipe; or
            KerasTuner's ``build(hp)``, which returns a compiled model and is fitted as it is, on (images, one-hot
            labels), each trial from the images on.
        train: the training images.
        validation: the images to choose by, of other pictures, lesions and patients than ``train``, and never the test
            set (see :func:`~lesionkit.split`).
        strategy: ``"bayesian"``, ``"hyperband"`` or ``"random"``.
        max_trials: how many are tried at most.
        objective: ``"val_"`` and one of :data:`~lesionkit.metrics.score_table.SCORES`, such as ``"val_loss"``; for a
            compiled model what it logs.
        folds: in place of ``validation``: the mean over so many grouped folds of ``train``. Early stopping looks at an
            inner share of each fold's training images, never at the fold that judges.
        directory: where trials are kept; a search of other images or with another objective needs another one.
        seed: of the choices. A search in one process makes the same ones again.
        store: where features are kept, see ``Frozen.fit``.
        epochs: of a compiled model.

    Raises:
        OptionError: an argument out of its range, or ``directory`` holds a search of other images.
        SearchError: no trial completed.
        KeyboardInterrupt: the same call goes on.

    Example:
        >>> space = lk.SearchSpace(base=run.recipe, hidden=[(), (64,)])
        >>> tuner = lk.search(space, train, validation, strategy="random", max_trials=1, epochs=1, directory="search")
        >>> lk.best_recipe(tuner).backbone.name
        'mobilenet_v3_small'
    """
    checked_count(max_trials, "max_trials")
    if (validation is None) == (folds is None):
        raise OptionError("Give validation images or a number of folds, one of the two.")
    if folds is not None:
        checked_count(folds, "folds", least=2)
    wanted = objective if isinstance(objective, keras_tuner.Objective) else _objective(objective)
    directory = Path(directory)
    judge = Judge(inspect(train), None if validation is None else inspect(validation), folds, seed, store_of(store))
    _claim(directory, judge, wanted.name)
    first = keras_tuner.HyperParameters()
    sample = space(first)
    told = [first.get_config()["space"], strategy, seed]
    tuner = _resumed(lambda: _oracle(strategy, wanted, max_trials, seed, sample), space, judge, directory, told)
    if isinstance(sample, Recipe):
        if is_chief():
            judge.extract(sample)  # once, and not by every worker
        tuner.search()
    elif validation is None:
        raise OptionError("folds need a space that makes recipes: a compiled model cannot be made anew for each fold.")
    else:
        size = sample.input_shape[1:3]
        options = {"validation_data": dataset(validation, image_size=size), "epochs": epochs, "verbose": 0}
        tuner.search(dataset(train, image_size=size, shuffle=True, seed=seed), shuffle=False, **options)
    if is_worker():
        return tuner
    places = tuner.leaderboard()
    facts = {"strategy": strategy, "seed": seed, "folds": folds, "data": train.name, "judged by": len(judge.judging)}
    described = tuner.oracle.get_space().get_config()["space"]
    write_search(places, directory, objective=wanted.name, space=described, facts=facts)
    failed = [one.trial for one in places if one.rank is None]
    if len(failed) == len(places):
        listed = "\n".join(f"  {one.error}: {in_words(one.values)}" for one in failed)
        raise SearchError(f"None of the {len(failed)} trials completed:\n{listed}")
    logger.info("search: %d trials, %d of them failed; %s", len(places), len(failed), as_text(directory))
    return tuner


def best_recipe(tuner: keras_tuner.Tuner) -> Recipe:
    """Returns the recipe that scored best among all trials in the search's directory.

    Raises:
        SearchError: none completed, or the trials are compiled models.

    Example:
        >>> space = lk.SearchSpace(base=run.recipe, optimizer=["adam"])
        >>> tuner = lk.search(space, train, validation, strategy="random", max_trials=1, epochs=1, directory="search")
        >>> recipe = lk.best_recipe(tuner)
    """
    wanted = tuner.oracle.objective
    found = ranked(trials_in(tuner.trials), wanted.name, wanted.direction)
    if not found or found[0].recipe is None:
        raise SearchError("No trial that is a recipe completed.")
    return found[0].recipe


def _objective(name: str) -> keras_tuner.Objective:
    known = directions()
    if name not in known:
        raise OptionError(
            f"objective is one of {', '.join(known)}, or for a compiled model a keras_tuner.Objective of what it "
            f"logs. Received: {name!r}"
        )
    return keras_tuner.Objective(name, known[name])


def _oracle(
    strategy: str, objective: keras_tuner.Objective, max_trials: int, seed: int, sample: Any
) -> keras_tuner.Oracle:
    options = {
        "objective": objective,
        "seed": checked_seed(seed) + 1,  # KerasTuner takes 0 for none
        "max_consecutive_failed_trials": max_trials + 1,  # a search in which some trials fail goes on
    }
    if strategy == "random":
        oracle = keras_tuner.oracles.RandomSearchOracle(max_trials=max_trials, **options)
    elif strategy == "bayesian":
        oracle = keras_tuner.oracles.BayesianOptimizationOracle(max_trials=max_trials, **options)
    elif strategy == "hyperband":
        epochs = epochs_of(sample) if isinstance(sample, Recipe) else 10
        oracle = keras_tuner.oracles.HyperbandOracle(max_epochs=epochs, **options)
        oracle.max_trials = max_trials
    else:
        raise OptionError(f"strategy is one of {', '.join(STRATEGIES)}. Received: {strategy!r}")
    oracle.verbose = 0
    return oracle


def _resumed(
    oracle: Callable[[], keras_tuner.Oracle], space: Space, judge: Judge, folder: Path, told: list[Any]
) -> RecipeTuner:
    """Returns the tuner of a space, with what KerasTuner kept of it.

    KerasTuner writes its state in place: one that a kill has damaged is given up, the same choices are made anew, and
    those that were finished are found among the trials.
    """
    worker = os.environ[NAME] if is_worker() else ""
    project = folder / "keras_tuner" / (identity(told)[:16] + worker)  # a worker that shared it could read half a file
    where = {"directory": str(project.parent), "project_name": project.name}
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            tuner = RecipeTuner(oracle(), space, judge, folder, **where)
    except (json.JSONDecodeError, KeyError, RuntimeError) as error:
        if not project.exists():
            raise
        logger.warning("what KerasTuner kept in %s is damaged (%s) and made anew", as_text(project), error)
        shutil.rmtree(project)
        tuner = RecipeTuner(oracle(), space, judge, folder, **where)
    if not worker:
        state = tuner.oracle.get_state()
        begun = [name for name, trial in tuner.oracle.trials.items() if trial.status == "RUNNING"]
        state["retry_queue"] = sorted({*state["retry_queue"], *begun}, reverse=True)  # a kill may have hidden one
        tuner.oracle.set_state(state)
    return tuner


def _claim(folder: Path, judge: Judge, objective: str) -> None:
    """Marks the folder as that of a search of these images.

    Raises:
        OptionError: it is another's.
    """
    path, told = folder / "images.json", {"schema_version": 1, "images": identity(judge.told), "objective": objective}
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != told:
        raise OptionError(
            f"{as_text(folder)} holds a search of other images, folds or with another objective. Give another folder, "
            "or remove it."
        )
    if not path.exists():
        write_text(path, json.dumps(told))
