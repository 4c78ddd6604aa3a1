"""lesionkit: skin-lesion image classification on Keras, with numbers that say how far they can be trusted.

The public names, bound when they are first used: importing this package imports no TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lesionkit import (
        augmenters,
        backbones,
        challenge,
        checks,
        datasets,
        heads,
        pipeline,
        preprocessors,
        reports,
        submissions,
        taxonomy,
        testing,
        trainers,
    )
    from lesionkit.aims import Aims
    from lesionkit.answers import Prediction
    from lesionkit.assembly import build_classifier
    from lesionkit.audits import Audit, audit
    from lesionkit.averaging import average
    from lesionkit.bundle import Bundle, load, save
    from lesionkit.determinism import deterministic
    from lesionkit.errors import DivergedError, LesionkitError, UnreadableImagesError, WeightsUnavailableError
    from lesionkit.evaluating import evaluate
    from lesionkit.evaluation import Evaluation, HeldOut
    from lesionkit.evaluation_files import read_evaluation
    from lesionkit.explain import heat_maps
    from lesionkit.features import FeatureStore
    from lesionkit.illustration import illustrate
    from lesionkit.patches import apply_patch
    from lesionkit.rates import find_learning_rate
    from lesionkit.recipe import Part, Recipe, documented_baseline
    from lesionkit.records import Records
    from lesionkit.run import TrainingRun
    from lesionkit.run_comparison import compare_runs
    from lesionkit.search_space import Range, SearchSpace
    from lesionkit.splits import folds, split
    from lesionkit.stress import stress_panel
    from lesionkit.suggestions import suggest_patch
    from lesionkit.survey import inspect
    from lesionkit.tuning import best_recipe, search
    from lesionkit.workflow import run_recipe

_HOMES = {
    "Aims": "aims",
    "Audit": "audits",
    "Bundle": "bundle",
    "DivergedError": "errors",
    "Evaluation": "evaluation",
    "FeatureStore": "features",
    "HeldOut": "evaluation",
    "LesionkitError": "errors",
    "Part": "recipe",
    "Prediction": "answers",
    "Range": "search_space",
    "Recipe": "recipe",
    "Records": "records",
    "SearchSpace": "search_space",
    "TrainingRun": "run",
    "UnreadableImagesError": "errors",
    "WeightsUnavailableError": "errors",
    "apply_patch": "patches",
    "audit": "audits",
    "average": "averaging",
    "best_recipe": "tuning",
    "build_classifier": "assembly",
    "compare_runs": "run_comparison",
    "deterministic": "determinism",
    "documented_baseline": "recipe",
    "evaluate": "evaluating",
    "find_learning_rate": "rates",
    "folds": "splits",
    "heat_maps": "explain",
    "illustrate": "illustration",
    "inspect": "survey",
    "load": "bundle",
    "read_evaluation": "evaluation_files",
    "run_recipe": "workflow",
    "save": "bundle",
    "search": "tuning",
    "split": "splits",
    "stress_panel": "stress",
    "suggest_patch": "suggestions",
}
_MODULES = (
    "augmenters",
    "backbones",
    "challenge",
    "checks",
    "datasets",
    "heads",
    "pipeline",
    "preprocessors",
    "reports",
    "submissions",
    "taxonomy",
    "testing",
    "trainers",
)

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
        return importlib.import_module(f"lesionkit.{name}")
    raise AttributeError(f"module 'lesionkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
