"""From which malignant score on a lesion is referred, and what that does for a thousand people."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

from lesionkit.errors import DataError, OptionError
from lesionkit.metrics.aims import SENSITIVITY
from lesionkit.metrics.classification import Labels
from lesionkit.metrics.intervals.resampling import checked_groups, share_interval
from lesionkit.metrics.malignancy import Malignancy

#: Held-out images of a kind, each of another group, that a threshold needs at least: a choice. With 30 malignant ones
#: the true sensitivity of a threshold chosen for 89% still has a standard deviation of about 6 points.
LEAST = 30

#: What :func:`threshold_for_costs` weighs.
COSTS = ("missed", "referral", "prevalence")

Scores = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold on the malignant score, chosen on held-out images, and what it does on test images.

    A lesion is referred when its score is at least the threshold.

    Attributes:
        threshold: in [0, 1], or just above 1 where costs say to refer nobody; None where ``reason`` says why.
        reason: why there is none.
        rule: what it was chosen for: ``sensitivity``, or ``missed``, ``referral`` and ``prevalence``.
        held_out: ``malignant`` and ``benign`` -> groups with held-out images of that kind.
        malignant: test images whose label is malignant.
        benign: test images whose label is benign.
        sensitivity: share of the malignant test images that are referred; None without a threshold or such images.
        specificity: share of the benign ones that are not.
        intervals: ``sensitivity`` and ``specificity`` -> (low, high), 95%, or None; see
            :func:`~lesionkit.metrics.intervals.resampling.share_interval`. They hold for this threshold, and do not
            tell how another set of held-out images would have moved it.
    """

    threshold: float | None
    reason: str | None
    rule: Mapping[str, float]
    held_out: Mapping[str, int]
    malignant: int
    benign: int
    sensitivity: float | None
    specificity: float | None
    intervals: Mapping[str, tuple[float, float] | None]

    def per_1000(self, prevalence: float) -> dict[str, dict[str, Any]]:
        """Returns what becomes of 1,000 people with one lesion each, as what JSON can hold.

        ``malignant`` is 1,000 * ``prevalence``; ``missed`` are those of them who are not referred, ``referred`` is
        ``referred_malignant`` + ``referred_benign``. Each has ``value`` and the 95% ``interval``: [low, high], or
        None where the test images cannot tell. That of ``referred`` joins those of its two parts as Zou and Donner 2008
        do for independent estimates ("Construction of confidence limits about effect measures").

        Args:
            prevalence: the share of the people whose lesion is malignant, between 0 and 1. Sensitivity and
                specificity are taken to be those of the test images, which a practice's lesions need not have.

        Raises:
            OptionError: ``prevalence`` is not between 0 and 1.
        """
        malignant = 1000 * _inside(prevalence, "prevalence")
        found = _people(malignant, self.sensitivity, self.intervals["sensitivity"])
        missed = _people(malignant, self.sensitivity, self.intervals["sensitivity"], others=True)
        alarms = _people(1000 - malignant, self.specificity, self.intervals["specificity"], others=True)
        return {
            "malignant": {"value": malignant, "interval": None},
            "missed": missed,
            "referred": _sum(found, alarms),
            "referred_malignant": found,
            "referred_benign": alarms,
        }

    def to_dict(self) -> dict[str, Any]:
        """Returns the point as what JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> "OperatingPoint":
        """Returns the point that :meth:`to_dict` told."""
        ends = {name: None if pair is None else (pair[0], pair[1]) for name, pair in told["intervals"].items()}
        return cls(**{**told, "intervals": ends})


def operating_point(
    view: Malignancy,
    groups: Labels,
    *,
    held_out_view: Malignancy | None = None,
    held_out_groups: Labels | None = None,
    sensitivity: float = SENSITIVITY,
    costs: Mapping[str, float] | None = None,
) -> OperatingPoint:
    """Returns the threshold that held-out images give, and what it does on the test images of ``view``.

    Without enough held-out images there is no threshold: at least 30 malignant ones, each of another group, or as many
    as it takes that some threshold can be expected to keep its promise on a new image, sensitivity / (1 - sensitivity),
    if that is more. (Of n malignant scores and a new one each is equally likely to be the least, so that even the least
    of n is reached with probability n / (n + 1) only.) For costs it takes 30 benign ones too.

    Args:
        view: n test images as benign or malignant; those that are neither are left out.
        groups: (n,) whole numbers, equal for images of one group.
        held_out_view: the same of m images that the network was not fitted to.
        held_out_groups: (m,); None: each image is a group.
        sensitivity: that the held-out images are to have at least.
        costs: ``missed``, ``referral`` and ``prevalence`` of :func:`threshold_for_costs`, in place of it.

    Raises:
        DataError: groups that are not one for each image.
        OptionError: a sensitivity, a prevalence or costs that are none.
    """
    if costs is not None and set(costs) != set(COSTS):
        raise OptionError(f"costs are {', '.join(COSTS)}, each a number. Received: {', '.join(map(str, costs))}")
    least = max(LEAST, _least(sensitivity))
    rule = {"sensitivity": sensitivity} if costs is None else dict(costs)
    needed = {"malignant": least} if costs is None else {"malignant": LEAST, "benign": LEAST}
    held_out = _counted(held_out_view, held_out_groups)
    short = [f"{held_out[kind]} {kind} of {count}" for kind, count in needed.items() if held_out[kind] < count]
    threshold, reason = None, None
    if held_out_view is None:
        reason = "there are no held-out images to choose a threshold on"
    elif short:
        reason = f"too few held-out images of different groups: {', '.join(short)}"
    else:
        malignant, score = held_out_view.malignant[held_out_view.kept], held_out_view.score[held_out_view.kept]
        threshold = (
            threshold_for(malignant, score, sensitivity)
            if costs is None
            else threshold_for_costs(malignant, score, **costs)
        )
    groups = checked_groups(groups, len(view.score))
    malignant, benign = view.kept & view.malignant, view.kept & ~view.malignant
    found: dict[str, float | None] = {"sensitivity": None, "specificity": None}
    ends: dict[str, tuple[float, float] | None] = {"sensitivity": None, "specificity": None}
    if threshold is not None:
        referred = view.score >= threshold
        hits = {
            "sensitivity": (referred[malignant], groups[malignant]),
            "specificity": (~referred[benign], groups[benign]),
        }
        found = {name: float(right.mean()) if len(right) else None for name, (right, _) in hits.items()}
        ends = {name: share_interval(*one) for name, one in hits.items()}
    return OperatingPoint(
        threshold, reason, rule, held_out, int(malignant.sum()), int(benign.sum()), intervals=ends, **found
    )


def threshold_for(malignant: Flags, score: Scores, sensitivity: float) -> float:
    """Returns the greatest threshold from which on at least the share ``sensitivity`` of malignant images is referred.

    It is one of their scores. On new images the sensitivity to expect is a little lower: k / (n + 1) where k of n reach
    it.

    Args:
        malignant: (n,) whether an image is malignant, at least one is.
        score: (n,).
        sensitivity: between 0 and 1.

    Raises:
        DataError: no image is malignant.
        OptionError: ``sensitivity`` is not between 0 and 1.
    """
    found = np.sort(score[malignant])[::-1]
    if not len(found):
        raise DataError("A threshold for a sensitivity needs malignant images. Received: none.")
    return float(found[math.ceil(_inside(sensitivity, "sensitivity") * len(found) - 1e-9) - 1])


def threshold_for_costs(malignant: Flags, score: Scores, *, missed: float, referral: float, prevalence: float) -> float:
    """Returns the threshold with the least expected cost for a person; of equal ones that with most referrals.

    The cost is prevalence * (missed * (1 - sensitivity) + referral * sensitivity) + (1 - prevalence) * referral *
    (1 - specificity): decision analysis on the ROC curve, as in Metz 1978, "Basic principles of ROC analysis". The
    curve is that of the images, so that with few of them the threshold follows their accidents.

    Args:
        malignant: (n,) whether an image is malignant, some are and some are not.
        score: (n,).
        missed: what a malignant lesion costs that is not referred, in any unit.
        referral: what a referral costs, of whatever lesion, in the same unit.
        prevalence: share of malignant lesions among people, between 0 and 1; not that of the images.

    Returns:
        A score, or a number just above 1, which no score reaches, where to refer nobody costs least.

    Raises:
        DataError: all images are malignant, or none is.
        OptionError: costs that are not positive, or a prevalence that is not between 0 and 1.
    """
    for name, cost in (("missed", missed), ("referral", referral)):
        if not 0 < cost < math.inf:
            raise OptionError(f"{name} is a positive cost. Received: {cost!r}")
    share = _inside(prevalence, "prevalence")
    if len(np.unique(malignant)) < 2:
        raise DataError("A threshold for costs needs malignant and benign images. Received: only one of them.")
    alarms, hits, thresholds = sk.roc_curve(malignant, score, drop_intermediate=False)
    cost = share * (missed * (1 - hits) + referral * hits) + (1 - share) * referral * alarms
    best = np.flatnonzero(np.isclose(cost, cost.min(), rtol=1e-9, atol=0))[-1]
    return float(min(thresholds[best], math.nextafter(1, 2)))


def _least(sensitivity: float) -> int:
    """Returns how many malignant images it takes that a threshold with this sensitivity can be expected of them."""
    return math.ceil(_inside(sensitivity, "sensitivity") / (1 - sensitivity) - 1e-9)


def _counted(view: Malignancy | None, groups: Labels | None) -> dict[str, int]:
    if view is None:
        return {"malignant": 0, "benign": 0}
    found = np.arange(len(view.score)) if groups is None else checked_groups(groups, len(view.score))
    kinds = {"malignant": view.kept & view.malignant, "benign": view.kept & ~view.malignant}
    return {name: len(np.unique(found[kind])) for name, kind in kinds.items()}


def _inside(share: float, name: str) -> float:
    if not 0 < share < 1:
        raise OptionError(f"{name} lies between 0 and 1, without them. Received: {share!r}")
    return float(share)


def _people(
    number: float, share: float | None, ends: tuple[float, float] | None, *, others: bool = False
) -> dict[str, Any]:
    """Returns ``share`` of ``number`` people, or the ``others``."""
    if share is None or ends is None:
        return {"value": None, "interval": None}
    value, *interval = (number * (1 - one if others else one) for one in (share, *ends))
    return {"value": value, "interval": sorted(interval)}


def _sum(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    if None in (one["value"], other["value"]):
        return {"value": None, "interval": None}
    value = one["value"] + other["value"]
    below, above = (math.hypot(*(part["value"] - part["interval"][place] for part in (one, other))) for place in (0, 1))
    return {"value": value, "interval": [value - below, value + above]}
