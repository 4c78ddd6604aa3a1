"""lesionkit: skin-lesion image classification on Keras, with numbers that say how far they can be trusted.

The public names, bound when they are first used: importing this package imports no TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lesionkit import augmenters, backbones, checks, datasets, heads, preprocessors, reports, testing, trainers
    from lesionkit.auditing.audit import Audit, audit
    from lesionkit.auditing.patches import apply_patch
    from lesionkit.auditing.suggestions import suggest_patch
    from lesionkit.challenges import scores as challenge
    from lesionkit.challenges import submissions
    from lesionkit.data import pipeline, taxonomy
    from lesionkit.data.records import Records
    from lesionkit.data.splits import folds, split
    from lesionkit.data.survey import inspect
    from lesionkit.errors import DivergedError, LesionkitError, UnreadableImagesError, WeightsUnavailableError
    from lesionkit.evaluation.evaluate import evaluate
    from lesionkit.evaluation.evaluation import Evaluation, HeldOut
    from lesionkit.evaluation.files import read_evaluation
    from lesionkit.evaluation.illustration import illustrate
    from lesionkit.evaluation.stress import stress_panel
    from lesionkit.experiments.run_comparison import compare_runs
    from lesionkit.experiments.workflow import run_recipe
    from lesionkit.features.store import FeatureStore
    from lesionkit.metrics.aims import Aims
    from lesionkit.model.assembly import build_classifier
    from lesionkit.model.averaging import average
    from lesionkit.model.heat_maps import heat_maps
    from lesionkit.recipe import Part, Recipe, documented_baseline
    from lesionkit.reproducibility import deterministic
    from lesionkit.searching.search import best_recipe, search
    from lesionkit.searching.space import Range, SearchSpace
    from lesionkit.serving.bundle import Bundle, load, save
    from lesionkit.serving.prediction import Prediction
    from lesionkit.training.learning_rates import find_learning_rate
    from lesionkit.training.run import TrainingRun

_HOMES = {
    "Aims": "metrics.aims",
    "Audit": "auditing.audit",
    "Bundle": "serving.bundle",
    "DivergedError": "errors",
    "Evaluation": "evaluation.evaluation",
    "FeatureStore": "features.store",
    "HeldOut": "evaluation.evaluation",
    "LesionkitError": "errors",
    "Part": "recipe",
    "Prediction": "serving.prediction",
    "Range": "searching.space",
    "Recipe": "recipe",
    "Records": "data.records",
    "SearchSpace": "searching.space",
    "TrainingRun": "training.run",
    "UnreadableImagesError": "errors",
    "WeightsUnavailableError": "errors",
    "apply_patch": "auditing.patches",
    "audit": "auditing.audit",
    "average": "model.averaging",
    "best_recipe": "searching.search",
    "build_classifier": "model.assembly",
    "compare_runs": "experiments.run_comparison",
    "deterministic": "reproducibility",
    "documented_baseline": "recipe",
    "evaluate": "evaluation.evaluate",
    "find_learning_rate": "training.learning_rates",
    "folds": "data.splits",
    "heat_maps": "model.heat_maps",
    "illustrate": "evaluation.illustration",
    "inspect": "data.survey",
    "load": "serving.bundle",
    "read_evaluation": "evaluation.files",
    "run_recipe": "experiments.workflow",
    "save": "serving.bundle",
    "search": "searching.search",
    "split": "data.splits",
    "stress_panel": "evaluation.stress",
    "suggest_patch": "auditing.suggestions",
}
_MODULES = {
    "augmenters": "augmenters",
    "backbones": "backbones",
    "challenge": "challenges.scores",
    "checks": "checks",
    "datasets": "datasets",
    "heads": "heads",
    "pipeline": "data.pipeline",
    "preprocessors": "preprocessors",
    "reports": "reports",
    "submissions": "challenges.submissions",
    "taxonomy": "data.taxonomy",
    "testing": "testing",
    "trainers": "trainers",
}

__all__ = [
    "Aims",
    "Audit",
    "Bundle",
    "DivergedError",
    "Evaluation",
    "FeatureStore",
    "HeldOut",
    "LesionkitError",
    "Part",
    "Prediction",
    "Range",
    "Recipe",
    "Records",
    "SearchSpace",
    "TrainingRun",
    "UnreadableImagesError",
    "WeightsUnavailableError",
    "apply_patch",
    "audit",
    "augmenters",
    "average",
    "backbones",
    "best_recipe",
    "build_classifier",
    "challenge",
    "checks",
    "compare_runs",
    "datasets",
    "deterministic",
    "documented_baseline",
    "evaluate",
    "find_learning_rate",
    "folds",
    "heads",
    "heat_maps",
    "illustrate",
    "inspect",
    "load",
    "pipeline",
    "preprocessors",
    "read_evaluation",
    "reports",
    "run_recipe",
    "save",
    "search",
    "split",
    "stress_panel",
    "submissions",
    "suggest_patch",
    "taxonomy",
    "testing",
    "trainers",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"lesionkit.{_HOMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"lesionkit.{_MODULES[name]}")
    raise AttributeError(f"module 'lesionkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
