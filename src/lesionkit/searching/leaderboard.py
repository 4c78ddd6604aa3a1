"""The trials of a search in their places, and which of them are indistinguishable from the best."""

from collections.abc import Sequence
from dataclasses import dataclass

from lesionkit.data.records import Records
from lesionkit.metrics.intervals import resampling
from lesionkit.metrics.intervals.comparison import BETTER, WORSE, compare
from lesionkit.metrics.score_table import SCORES
from lesionkit.searching.trials import Trial, ranked

#: Said with every leaderboard.
OPTIMISTIC = (
    "The best of many was chosen by the score that is told of it, which flatters it: the score of the test set is the "
    "one to believe. Trials marked 'like the best' cannot be told from it by these images."
)


@dataclass(frozen=True)
class Place:
    """A trial on the leaderboard.

    Attributes:
        rank: from 1, the best; None where the trial failed.
        trial: itself.
        interval: (low, high) of its score at 95%, by whole groups of images; None where only a figure is known.
        verdict: ``"best"``, ``"worse"`` than the best, or ``"like the best"``: its difference to the best, compared on
            the same images at the level that all such comparisons need together, may be chance.
    """

    rank: int | None
    trial: Trial
    interval: tuple[float, float] | None = None
    verdict: str | None = None


def leaderboard(trials: Sequence[Trial], judging: Records, objective: str, direction: str) -> list[Place]:
    """Returns every trial in its place, the best first, those that failed last.

    Args:
        trials: all of a search.
        judging: the images that judged, in the order of the trials' probabilities.
        objective: the score, such as ``"val_balanced_accuracy"``.
        direction: ``"max"`` or ``"min"``.
    """
    finished = ranked(trials, objective, direction)
    failed = [Place(None, one) for one in trials if one.error is not None]
    score = objective.removeprefix("val_")
    known = [one.probabilities is not None for one in finished]
    if score not in SCORES or not finished or not all(known):
        return [Place(rank, one) for rank, one in enumerate(finished, 1)] + failed
    labels, groups = judging.label, judging.groups()
    answers = [one.probabilities for one in finished if one.probabilities is not None]
    drawn = resampling.bootstrap(labels, *answers, groups=groups, scores=[score])[score]
    places = []
    for rank, (one, own, values) in enumerate(zip(finished, answers, drawn, strict=True), 1):
        verdict = "best"
        if rank > 1:
            others = max(len(finished) - 1, 1)
            compared = compare(labels, answers[0][None], own[None], groups, score=score, comparisons=others)
            verdict = {WORSE: "worse", BETTER: "better"}.get(compared.verdict, "like the best")
        places.append(Place(rank, one, resampling.interval(values), verdict))
    return places + failed
