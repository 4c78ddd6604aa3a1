"""The curves of accuracy and loss and the confusion matrix, as one picture."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lesionkit.errors import OptionError
from lesionkit.evaluation.evaluation import Evaluation
from lesionkit.files import whole_file
from lesionkit.metrics.score_table import SCORES
from lesionkit.metrics.three_scores import NAMES, Score, computed
from lesionkit.recipe import DOCUMENTED
from lesionkit.text import as_text

_FORMATS = (".png", ".pdf", ".svg", ".jpg", ".webp")


def plots(evaluation: Evaluation, path: str | os.PathLike[str]) -> Path:
    """Draws accuracy and loss by epoch and the confusion matrix to ``path`` and returns it.

    Args:
        evaluation: what is shown; without its run the curves are left out.
        path: the suffix chooses the format: .png, .pdf, .svg, .jpg or .webp.

    Raises:
        OptionError: another suffix.
        StorageError: the file cannot be written.

    Example:
        >>> lk.reports.get("plots")(evaluation, "plots.svg").exists()
        True
    """
    if Path(path).suffix.lower() not in _FORMATS:
        raise OptionError(f"plots draws {', '.join(_FORMATS)}. Received: {as_text(path)}")
    side = max(5.0, 0.42 * len(evaluation.class_names) + 2.2)
    width = 4.6 if evaluation.run else 0.0
    figure = Figure(figsize=(width + side + 1.5, side + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    if evaluation.run:
        axes = figure.subplot_mosaic("am;lm", width_ratios=[width, side + 1.5])
        _curve(axes["a"], evaluation, "accuracy", "accuracy")
        _curve(axes["l"], evaluation, "loss", "loss (cross-entropy)")
        _confusion(axes["m"], evaluation)
    else:
        _confusion(figure.subplots(), evaluation)
    notes = [
        *evaluation.substitutions,
        *(["A label patch was applied to the training images."] if evaluation.patch else []),
    ]
    if notes:
        figure.suptitle("\n".join(notes), fontsize=8, parse_math=False)
    with whole_file(path) as beside:
        figure.savefig(beside, dpi=120)
    return Path(path)


def _curve(axis: Any, evaluation: Evaluation, name: str, title: str) -> None:
    assert evaluation.run is not None
    history = evaluation.run.history
    epochs = np.arange(1, evaluation.run.epochs + 1)
    axis.plot(epochs, history[name], "o-", label="training")
    if f"val_{name}" in history:
        axis.plot(epochs, history[f"val_{name}"], "s--", label="validation")
        axis.axvline(evaluation.run.overfitting()["best_epoch"], color="0.75", zorder=0, label="least validation loss")
    axis.axhline(
        SCORES[name](evaluation.labels, evaluation.probabilities), color="C2", linestyle="-.", label="test, as shipped"
    )
    axis.axhline(DOCUMENTED[name], color="C3", linestyle=":", label="documented test")
    axis.set(title=title, xlabel="epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)


def _confusion(axis: Any, evaluation: Evaluation) -> None:
    matrix = evaluation.confusion_matrix
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    places = np.arange(len(matrix))
    names = [as_text(name) for name in evaluation.class_names]
    axis.set_xticks(places, names, rotation=45, ha="right", fontsize=8, parse_math=False)
    axis.set_yticks(places, names, fontsize=8, parse_math=False)
    if len(matrix) <= 30:
        for row, column in np.ndindex(matrix.shape):
            colour = "white" if share[row, column] > 0.5 else "black"
            axis.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour, fontsize=8)
    axis.set(xlabel="predicted", ylabel="label")
    lines = [f"{words}: {_in_short(score)}" for words, score in computed(evaluation.scores).items()]
    lines += [f"{NAMES[name]}: not computed" for name in evaluation.relation.missing]
    axis.set_title("\n".join(["test images, as shipped", *lines]), fontsize=7)


def _in_short(score: Score) -> str:
    balanced = SCORES["balanced_accuracy"].shown(score.balanced_accuracy, score.ends("balanced_accuracy"))
    return f"n = {score.n}, accuracy {score.shown('accuracy')}, balanced {balanced}"
