"""Whether probabilities mean what they say, before and after temperature scaling.

``labels`` are (n,), ``probabilities`` (n, C) with rows that sum to 1. An image's confidence is its largest probability.
"""

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.metrics import classification
from lesionkit.metrics.classification import Labels, Probabilities, checked, predicted
from lesionkit.metrics.intervals import resampling
from lesionkit.metrics.intervals.resampling import checked_groups, share_interval, totals
from lesionkit.metrics.temperature import at_temperature, fit_temperature
from lesionkit.options import checked_count

#: As in Guo et al. 2017, table 1.
BINS = 15

_SIMULATIONS = 200


@dataclass(frozen=True)
class Bin:
    """The ``n`` images with a confidence above ``low`` and up to ``high``.

    Attributes:
        low: lower edge, in [0, 1].
        high: upper edge, in [0, 1].
        n: images.
        confidence: their mean confidence; None where there are none.
        accuracy: share of them whose likeliest class is the label; None where there are none.
        interval: 95% interval of the accuracy, see :func:`~lesionkit.metrics.intervals.resampling.share_interval`.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Trust:
    """How far the probabilities of n images can be taken at their word.

    Attributes:
        expected_calibration_error: by bins of equal width, see :func:`expected_calibration_error`.
        if_calibrated: what it would be on average if each confidence were true, see :func:`error_if_calibrated`.
        equal_mass_error: expected calibration error by bins of about equally many images.
        brier: see :func:`brier`.
        loss: mean categorical cross-entropy.
        intervals: figure -> (low, high), 95%, by percentiles of the bootstrap by whole groups; None for a single group.
            Resampled calibration errors are too large on average; that is taken off, so that the interval tells how
            much the measured error varies. What the measured error itself is too large by, ``if_calibrated`` tells.
        reliability: the bins of equal width.
    """

    expected_calibration_error: float
    if_calibrated: float
    equal_mass_error: float
    brier: float
    loss: float
    intervals: Mapping[str, tuple[float, float]] | None
    reliability: tuple[Bin, ...]


@dataclass(frozen=True)
class Calibration:
    """Test images as they were answered, and at a temperature that was fitted on held-out images.

    Attributes:
        temperature: what to divide log probabilities by; None where ``reason`` says why.
        reason: why there is none.
        n_held_out: the images that it was fitted on.
        before: the test images as they were answered.
        after: the same at the temperature.
        change: figure -> (low, high): 95% interval of after minus before, paired: both on the same resamples.
    """

    temperature: float | None
    reason: str | None
    n_held_out: int
    before: Trust
    after: Trust | None
    change: Mapping[str, tuple[float, float]] | None

    def to_dict(self) -> dict[str, Any]:
        """Returns the calibration as what JSON can hold."""
        return dataclasses.asdict(self)


def calibrate(
    labels: Labels, probabilities: Probabilities, groups: Labels, held_out: tuple[Labels, Probabilities] | None = None
) -> Calibration:
    """Returns how far the probabilities of test images can be trusted, before and after temperature scaling.

    Args:
        labels: (n,), n >= 1.
        probabilities: (n, C).
        groups: (n,) whole numbers, equal for images of one group.
        held_out: labels (m,) and probabilities (m, C) of images that the network was not fitted to.

    Raises:
        DataError: arrays that are no labels and probabilities, or do not fit together.
    """
    labels, probabilities = checked(labels, probabilities)
    groups = checked_groups(groups, len(labels))
    if held_out is None or not len(held_out[0]):
        (before,), _ = _trust(labels, groups, probabilities)
        return Calibration(None, "there are no held-out images to fit a temperature on", 0, before, None, None)
    temperature = fit_temperature(*held_out)
    scaled = at_temperature(probabilities, temperature)
    (before, after), change = _trust(labels, groups, probabilities, scaled)
    return Calibration(temperature, None, len(held_out[0]), before, after, change)


def reliability(
    labels: Labels,
    probabilities: Probabilities,
    bins: int = BINS,
    *,
    equal_mass: bool = False,
    groups: Labels | None = None,
) -> tuple[Bin, ...]:
    """Returns the bins of a reliability diagram: what was said of the likeliest class, and how often it was right.

    Args:
        labels: (n,), n >= 1.
        probabilities: (n, C).
        bins: how many, at least 1.
        equal_mass: edges at quantiles of the confidences in place of equal widths; equal confidences share a bin, so
            that there may be fewer bins.
        groups: (n,) for the intervals; None: each image is a group.
    """
    hits, confidence = predicted(probabilities) == labels, probabilities.max(axis=1)
    groups = np.arange(len(labels)) if groups is None else checked_groups(groups, len(labels))
    edges, places = _binned(confidence, bins, equal_mass)
    found = []
    for place, (low, high) in enumerate(itertools.pairwise(edges)):
        here = places == place
        mean, right = (float(one[here].mean()) if here.any() else None for one in (confidence, hits))
        ends = share_interval(hits[here], groups[here])
        found.append(Bin(float(low), float(high), int(here.sum()), mean, right, ends))
    return tuple(found)


def expected_calibration_error(
    labels: Labels, probabilities: Probabilities, bins: int = BINS, *, equal_mass: bool = False
) -> float:
    """Returns the mean over images of how far accuracy and mean confidence of their bin lie apart, in [0, 1].

    Naeini, Cooper and Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning"; Guo et al.
    2017, equation 3: bins of equal width. With few images in a bin it is too large even where every probability is true
    (see :func:`error_if_calibrated`); bins of about equally many images are less biased (Roelofs et al. 2022,
    "Mitigating bias in calibration error estimation").
    """
    hits, confidence = predicted(probabilities) == labels, probabilities.max(axis=1)
    return _error(hits - confidence, _binned(confidence, bins, equal_mass)[1])


def error_if_calibrated(probabilities: Probabilities, bins: int = BINS) -> float:
    """Returns the mean expected calibration error, in [0, 1], of labels drawn so that each confidence is true.

    As many images with the same confidences, each right with its confidence, by 200 simulations (the consistency
    resampling of Bröcker and Smith 2007, "Increasing the reliability of reliability diagrams"). An error near it is no
    sign of wrong probabilities. Images are drawn one by one: where those of one group are alike it is too small.
    """
    confidence = np.sort(probabilities.max(axis=1))
    places = _binned(confidence, bins)[1]
    random = np.random.default_rng(0)
    drawn = (random.random(len(confidence)) < confidence for _ in range(_SIMULATIONS))
    return float(np.mean([_error(hits - confidence, places) for hits in drawn]))


def brier(labels: Labels, probabilities: Probabilities) -> float:
    """Returns the mean over images of the sum over classes of (p - y)^2, y being 1 for the label, else 0; in [0, 2].

    Brier 1950, "Verification of forecasts expressed in terms of probability". For two
    classes it is often given as half of this.
    """
    return float(_squares(labels, probabilities).mean())


def _squares(labels: Labels, probabilities: Probabilities) -> npt.NDArray[np.float64]:
    """Returns (n,) the Brier score of each image."""
    hot = np.eye(probabilities.shape[1])[labels]
    return np.asarray(((probabilities - hot) ** 2).sum(axis=1), dtype=np.float64)


def _binned(
    confidence: npt.NDArray[np.floating[Any]], bins: int, equal_mass: bool = False
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Returns the edges of the bins, and (n,) the place of each image's bin."""
    even = np.linspace(0, 1, checked_count(bins, "bins") + 1)
    inner = np.unique(np.quantile(confidence, even[1:-1])) if equal_mass else even[1:-1]
    return np.concatenate([[0], inner, [1]]), np.digitize(confidence, inner, right=True)


def _error(gaps: npt.NDArray[np.float64], places: npt.NDArray[np.intp]) -> float:
    """Returns the calibration error of n images that are hit minus confidence apart, in their bins."""
    return float(np.abs(np.bincount(places, weights=gaps)).sum() / len(gaps))


def _trust(
    labels: Labels, groups: Labels, *answers: Probabilities
) -> tuple[list[Trust], dict[str, tuple[float, float]] | None]:
    """Returns the trust in each of the answers, and the intervals of the last minus the first."""
    drawn = _drawn(labels, groups, answers) if len(np.unique(groups)) > 1 else None
    found = []
    for number, one in enumerate(answers):
        found.append(
            Trust(
                expected_calibration_error(labels, one),
                error_if_calibrated(one),
                expected_calibration_error(labels, one, equal_mass=True),
                brier(labels, one),
                classification.loss(labels, one),
                _intervals({name: np.maximum(values[number], 0) for name, values in drawn.items()}) if drawn else None,
                reliability(labels, one, groups=groups),
            )
        )
    return found, _intervals({name: values[-1] - values[0] for name, values in drawn.items()}) if drawn else None


def _intervals(drawn: Mapping[str, npt.NDArray[np.float64]]) -> dict[str, tuple[float, float]]:
    return {name: resampling.interval(values) for name, values in drawn.items()}


def _drawn(labels: Labels, groups: Labels, answers: tuple[Probabilities, ...]) -> dict[str, npt.NDArray[np.float64]]:
    """Returns figure -> (answers, resamples)."""
    parts = [np.ones((len(labels), 1))]
    for one in answers:
        confidence = one.max(axis=1)
        gaps = (predicted(one) == labels) - confidence
        for equal_mass in (False, True):
            edges, places = _binned(confidence, BINS, equal_mass)
            parts.append(np.eye(len(edges) - 1)[places] * gaps[:, None])
        parts.append(_squares(labels, one)[:, None])
    ends = np.cumsum([part.shape[1] for part in parts])[:-1]
    images, *sums = np.split(totals(np.concatenate(parts, axis=1), groups), ends, axis=1)
    means = np.stack([np.abs(part).sum(axis=1) / images[:, 0] for part in sums])
    measured = np.array([np.abs(part.sum(axis=0)).sum() / len(labels) for part in parts[1:]])
    means = (means - means.mean(axis=1, keepdims=True) + measured[:, None]).reshape(len(answers), 3, -1)
    names = ("expected_calibration_error", "equal_mass_error", "brier")
    losses = resampling.bootstrap(labels, *answers, groups=groups, scores=["loss"])
    return {name: means[:, place] for place, name in enumerate(names)} | losses
