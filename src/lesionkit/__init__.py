"""lesionkit: skin-lesion image classification on Keras, with numbers that say how far they can be trusted.

The public names, bound when they are first used: importing this package imports no TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lesionkit import backbones, checks, datasets, heads, pipeline, preprocessors, reports, taxonomy, trainers
    from lesionkit.assembly import build_classifier
    from lesionkit.audits import Audit, audit
    from lesionkit.bundle import Bundle, Prediction, load, save
    from lesionkit.errors import LesionkitError, UnreadableImagesError, WeightsUnavailableError
    from lesionkit.evaluation import Evaluation, evaluate
    from lesionkit.features import FeatureStore
    from lesionkit.patches import apply_patch
    from lesionkit.recipe import Part, Recipe, documented_baseline
    from lesionkit.records import Records
    from lesionkit.run import TrainingRun
    from lesionkit.splits import folds, split
    from lesionkit.suggestions import suggest_patch
    from lesionkit.survey import inspect
    from lesionkit.workflow import run_recipe

_HOMES = {
    "Audit": "audits",
    "Bundle": "bundle",
    "Evaluation": "evaluation",
    "FeatureStore": "features",
    "LesionkitError": "errors",
    "Part": "recipe",
    "Prediction": "bundle",
    "Recipe": "recipe",
    "Records": "records",
    "TrainingRun": "run",
    "UnreadableImagesError": "errors",
    "WeightsUnavailableError": "errors",
    "apply_patch": "patches",
    "audit": "audits",
    "build_classifier": "assembly",
    "documented_baseline": "recipe",
    "evaluate": "evaluation",
    "folds": "splits",
    "inspect": "survey",
    "load": "bundle",
    "run_recipe": "workflow",
    "save": "bundle",
    "split": "splits",
    "suggest_patch": "suggestions",
}
_MODULES = ("backbones", "checks", "datasets", "heads", "pipeline", "preprocessors", "reports", "taxonomy", "trainers")

__all__ = [
    "Audit",
    "Bundle",
    "Evaluation",
    "FeatureStore",
    "LesionkitError",
    "Part",
    "Prediction",
    "Recipe",
    "Records",
    "TrainingRun",
    "UnreadableImagesError",
    "WeightsUnavailableError",
    "apply_patch",
    "audit",
    "backbones",
    "build_classifier",
    "checks",
    "datasets",
    "documented_baseline",
    "evaluate",
    "folds",
    "heads",
    "inspect",
    "load",
    "pipeline",
    "preprocessors",
    "reports",
    "run_recipe",
    "save",
    "split",
    "suggest_patch",
    "taxonomy",
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
