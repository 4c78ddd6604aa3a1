"""Evaluation: each image's probabilities, and all that follows from them."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.data.relation import Relation, unrelated
from lesionkit.data.summary import DataSummary
from lesionkit.errors import DataError
from lesionkit.metrics import classification, three_scores
from lesionkit.metrics.aims import AIMS, Aims
from lesionkit.metrics.calibration import Calibration, calibrate
from lesionkit.metrics.class_scores import ClassScore, binary_scores, class_scores
from lesionkit.metrics.conformal import ConformalSets, Coverage, conformal_sets, coverage
from lesionkit.metrics.malignancy import Malignancy, malignancy_of
from lesionkit.metrics.operating_points import OperatingPoint, operating_point
from lesionkit.metrics.robustness import Stress
from lesionkit.metrics.score_table import SCORES, headlines
from lesionkit.metrics.selective import Selective, selective
from lesionkit.metrics.three_scores import NAMES, Gain, Score
from lesionkit.text import html_table, html_text
from lesionkit.training.run import TrainingRun


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What a classifier answered for m labelled images that it did not learn from, such as its validation images.

    Attributes:
        labels: (m,) places of the classes.
        probabilities: (m, C), each row sums to 1.
        group: (m,) group numbers, equal for images of one picture, lesion or patient.
        chosen: in words, how these images helped to choose the model; empty where they did not.

    Example:
        >>> len(evaluation.held_out.labels) == len(validation)
        True
    """

    labels: npt.NDArray[np.int64] = field(repr=False)
    probabilities: npt.NDArray[np.float64] = field(repr=False)
    group: npt.NDArray[np.int64] = field(repr=False)
    chosen: str = ""

    def __post_init__(self) -> None:
        """Makes arrays of the columns.

        Raises:
            DataError: they are no labels and probabilities, or there is not one row for each image.
        """
        labels, probabilities = classification.checked(self.labels, self.probabilities)
        if np.shape(self.group) != labels.shape:
            raise DataError(f"group is {labels.shape}, a number for each image. Received: {np.shape(self.group)}")
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "probabilities", probabilities)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Picture:
    """One image of an evaluation to look at.

    Attributes:
        place: its row in the evaluation.
        kind: ``"mistake"``, ``"least certain hit"`` or ``"sample"``.
        pixels: uint8 (h, w, 3) as the model saw it.
        heat_map: (h, w) in [0, 1], what spoke for the class that was answered; None for a sample.
        border_share: share of the map's weight in the outer frame; None where the map is empty or none was made.
    """

    place: int
    kind: str
    pixels: npt.NDArray[np.uint8] = field(repr=False)
    heat_map: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    border_share: float | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a classifier answered for n labelled images of C classes.

    Attributes:
        class_names: the C classes in the order of the probabilities.
        probabilities: (n, C), each row sums to 1.
        labels: (n,) places in ``class_names``.
        source: n file names, or empty texts for images that came from no file.
        image_id: n image ids, or empty texts.
        run: how the classifier was trained, if that is known.
        data: the images that were scored, if they came as records.
        timing: seconds of each step, and images a second of the frozen part.
        substitutions: what stands in for what was asked for, in words for the top of every report.
        relation: what ties the images to those in training, and which belong together.
        shortcut: (n, C) probabilities of a model that sees no lesion, for the same images.
        views: how many views of each image the probabilities are the mean of.
        held_out: what it answered for images that it did not learn from; temperature, thresholds and sets come of them.
        stress: how it answered the same images with artefacts on them.
        findings: check -> what it found in all images, in a sentence or two.
        aims: what it is wanted for.
        pictures: images to look at, with what spoke for the answer (:func:`~lesionkit.illustrate`).
        command: the command line that made it.
        hashes: file of the run -> SHA-256 of its bytes.
        patch: the label patch that was applied to the training images, as what JSON can hold: ``file``, ``sha256``
            and counts.

    Example:
        >>> len(evaluation), evaluation.confusion_matrix.shape
        (27, (9, 9))
        >>> score = evaluation.scores["as_shipped"]
    """

    class_names: tuple[str, ...]
    probabilities: npt.NDArray[np.float64] = field(repr=False)
    labels: npt.NDArray[np.int64] = field(repr=False)
    source: tuple[str, ...] = field(repr=False)
    image_id: tuple[str, ...] = field(repr=False)
    run: TrainingRun | None = field(default=None, repr=False)
    data: DataSummary | None = field(default=None, repr=False)
    timing: Mapping[str, float | None] = field(default_factory=dict, repr=False)
    substitutions: tuple[str, ...] = ()
    relation: Relation = field(default=None, repr=False)  # type: ignore[assignment]
    shortcut: npt.NDArray[np.float64] | None = field(default=None, repr=False)
    patch: Mapping[str, Any] | None = field(default=None, repr=False)
    views: int = 1
    held_out: HeldOut | None = field(default=None, repr=False)
    stress: Stress | None = field(default=None, repr=False)
    pictures: tuple[Picture, ...] = field(default=(), repr=False)
    findings: Mapping[str, str] = field(default_factory=dict, repr=False)
    aims: Aims = field(default=AIMS, repr=False)
    command: str | None = field(default=None, repr=False)
    hashes: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Makes arrays of the labels and probabilities.

        Raises:
            DataError: they are no labels and probabilities, or there is not one row for each image.
        """
        labels, probabilities = classification.checked(self.labels, self.probabilities)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "probabilities", probabilities)
        if self.shortcut is not None:
            object.__setattr__(self, "shortcut", classification.checked(labels, self.shortcut)[1])
            if np.shape(self.shortcut) != probabilities.shape:
                raise DataError(f"shortcut is {probabilities.shape}. Received: {np.shape(self.shortcut)}")
        if self.relation is None:
            why = "the test images did not come as records: nothing is known of their pictures, lesions and patients"
            object.__setattr__(self, "relation", unrelated(np.arange(len(labels)), why))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """(n,) the likeliest class of each image."""
        return classification.predicted(self.probabilities)

    @property
    def accuracy(self) -> float:
        """Share of images whose likeliest class is their label."""
        return classification.accuracy(self.labels, self.probabilities)

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall over the classes that have images."""
        return classification.balanced_accuracy(self.labels, self.probabilities)

    @property
    def loss(self) -> float:
        """Mean categorical cross-entropy."""
        return classification.loss(self.labels, self.probabilities)

    @property
    def confusion_matrix(self) -> npt.NDArray[np.int64]:
        """(C, C) images of class i whose likeliest class is j."""
        return classification.confusion_matrix(self.labels, self.probabilities)

    @property
    def per_class(self) -> dict[str, dict[str, float | int | None]]:
        """Class name -> n, precision, recall, specificity, f1, auc; None where the images cannot tell."""
        return classification.per_class(self.labels, self.probabilities, self.class_names)

    @functools.cached_property
    def scores(self) -> dict[str, Score | None]:
        """``as_shipped``, ``deduplicated``, ``lesion_clean`` and ``lesion_clean.known_only`` -> score.

        None where ``relation.missing`` says why. Computed when first asked for.
        """
        return three_scores.three_ways(self.labels, self.probabilities, self.class_names, self.relation)

    @functools.cached_property
    def gain(self) -> Gain | None:
        """What the classifier adds over a model that sees no lesion; None without ``shortcut``."""
        if self.shortcut is None:
            return None
        return three_scores.gain(self.labels, self.probabilities, self.shortcut, self.class_names, self.relation.group)

    @functools.cached_property
    def class_scores(self) -> dict[str, ClassScore]:
        """Class name -> how it is told from the rest, with intervals (:mod:`~lesionkit.metrics.class_scores`)."""
        return class_scores(self.labels, self.probabilities, self.class_names, self.relation.group)

    @functools.cached_property
    def malignancy(self) -> Malignancy | None:
        """The images as benign or malignant; None where the classes do not tell."""
        return malignancy_of(self.labels, self.probabilities, self.class_names)

    @functools.cached_property
    def malignancy_scores(self) -> ClassScore | None:
        """How malignant images are told from benign ones; None where the classes do not tell."""
        view = self.malignancy
        if view is None:
            return None
        return binary_scores(view.malignant[view.kept], view.score[view.kept], self.relation.group[view.kept])

    @functools.cached_property
    def calibration(self) -> Calibration:
        """What the probabilities are worth, before and after temperature scaling."""
        held_out = (self.held_out.labels, self.held_out.probabilities) if self.held_out else None
        return calibrate(self.labels, self.probabilities, self.relation.group, held_out)

    @functools.cached_property
    def operating_point(self) -> OperatingPoint | None:
        """From which malignant score on a lesion is referred, as ``aims`` say; None where the classes do not tell."""
        if self.malignancy is None:
            return None
        held_out, view = self.held_out, None
        if held_out is not None:
            view = malignancy_of(held_out.labels, held_out.probabilities, self.class_names)
        costs = None if self.aims.costs is None else {**self.aims.costs, "prevalence": self.aims.prevalence}
        return operating_point(
            self.malignancy,
            self.relation.group,
            held_out_view=view,
            held_out_groups=held_out.group if held_out else None,
            sensitivity=self.aims.sensitivity,
            costs=costs,
        )

    @functools.cached_property
    def selective(self) -> Selective:
        """How accurate it is when it leaves its least certain answers to a person."""
        return selective(self.labels, self.probabilities, self.relation.group)

    @functools.cached_property
    def conformal_sets(self) -> ConformalSets:
        """The thresholds of its sets of possible classes (:mod:`~lesionkit.metrics.conformal`)."""
        one = self.held_out
        held_out = (one.labels, one.probabilities, one.group) if one else None
        return conformal_sets(held_out, self.class_names, level=self.aims.coverage, chosen=one.chosen if one else "")

    @functools.cached_property
    def coverage(self) -> Coverage | None:
        """How many of the images have their class in their set; None where there are no sets."""
        if self.conformal_sets.reason is not None:
            return None
        sets = self.conformal_sets.sets(self.probabilities)
        return coverage(sets, self.labels, self.relation.group, self.class_names)

    def __str__(self) -> str:
        views = f", each in {self.views} views" if self.views > 1 else ""
        values = [f"{kind.label} {kind.shown(kind(self.labels, self.probabilities))}" for kind in headlines()]
        return (
            f"{len(self)} images{views}: {', '.join(values)}\n"
            f"{three_scores.in_words(self.scores, self.relation, self.gain)}"
        )

    def _repr_html_(self) -> str:
        head = ("score", "images", *(kind.label for kind in SCORES.values()))
        missing = (f"{NAMES[name]}: not computed, {why}" for name, why in self.relation.missing.items())
        gained = (f"Over a model that sees no lesion: {self.gain}",) if self.gain else ()
        notes = "".join(f"<p>{html_text(line)}</p>" for line in (*self.substitutions, *missing, *gained))
        return (
            html_table(f"{len(self)} images, {len(self.class_names)} classes", head, three_scores.rows(self.scores))
            + notes
        )
