"""Figures of one class against the rest: against scikit-learn, with ties and weights, and on resamples."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from lesionkit.errors import DataError
from lesionkit.metrics.intervals import ranking, resampling
from lesionkit.metrics.intervals.ranking import FIGURES, Question, figures, resampled

quick = settings(max_examples=60, deadline=None)
some = settings(max_examples=20, deadline=None)


@st.composite
def questions(draw):
    """1 to 30 images, of one kind or two, scores with and without ties, called by a threshold or at random."""
    count, seed = draw(st.integers(1, 30)), draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    positive = random.random(count) < draw(st.sampled_from([0, 0.2, 0.5, 1]))
    score = np.round(random.random(count), draw(st.sampled_from([0, 1, 9])))
    called = score >= 0.5 if draw(st.booleans()) else random.random(count) < 0.5
    return Question(positive, score, called)


@st.composite
def in_groups(draw):
    question = draw(questions().filter(lambda one: len(one.positive) > 1))
    groups = draw(st.lists(st.integers(0, 6), min_size=len(question.positive), max_size=len(question.positive)))
    groups[0] = 7  # two groups at least
    return question, np.array(groups)


def by_scikit_learn(question, weights):
    """The six figures, nan where they have none."""
    there = weights > 0
    positive, score, called = question.positive[there], question.score[there], question.called[there]
    told = (positive, called)
    weights = weights[there]
    some, all_ = positive.any(), positive.all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn remarks on images of one kind
        options = {"sample_weight": weights, "zero_division": np.nan}
        return [
            sk.recall_score(*told, **options) if some else np.nan,
            sk.recall_score(~positive, ~called, **options) if not all_ else np.nan,
            sk.precision_score(*told, **options) if called.any() else np.nan,
            sk.f1_score(*told, **options) if some else np.nan,
            sk.roc_auc_score(positive, score, sample_weight=weights) if some and not all_ else np.nan,
            sk.average_precision_score(positive, score, sample_weight=weights) if some else np.nan,
        ]


def test_a_worked_example():
    question = Question(np.array([1, 0, 1, 0], bool), np.array([0.9, 0.4, 0.4, 0.1]), np.array([1, 1, 0, 0], bool))
    found = dict(zip(FIGURES, figures(question), strict=True))
    assert found == pytest.approx(
        {
            "sensitivity": 1 / 2,
            "specificity": 1 / 2,
            "precision": 1 / 2,
            "f1": 1 / 2,
            "auc": (2 + 1 + 1 / 2) / 4,  # pairs: 0.9 over both, 0.4 ties with 0.4 and is over 0.1
            "average_precision": (1 / 1 + 2 / 3) / 2,
        }
    )


@quick
@given(questions())
def test_figures_are_scikit_learns(question):
    wanted = by_scikit_learn(question, np.ones(len(question.positive)))
    np.testing.assert_allclose(figures(question), wanted, atol=1e-12)


@some
@given(in_groups())
def test_resamples_are_scikit_learns_with_weights(given):
    question, groups = given
    group = np.unique(groups, return_inverse=True)[1]
    number = ranking._renumbered(question, group)
    times = np.concatenate(list(resampling.drawn(int(group.max()) + 1, 12, 5)))
    wanted = [by_scikit_learn(question, row[number]) for row in times]
    np.testing.assert_allclose(resampled([question], groups, 12, seed=5)[0].T, wanted, atol=1e-12)


def test_it_does_not_matter_how_many_resamples_are_made_at_once(monkeypatch):
    random = np.random.default_rng(0)
    score = random.random(50)
    question, groups = Question(random.random(50) < score, score, score > 0.5), np.arange(50) // 2
    at_once = resampled([question], groups, 30)
    monkeypatch.setattr(ranking, "_AT_ONCE", 200)
    assert np.array_equal(resampled([question], groups, 30), at_once)


@some
@given(in_groups(), st.randoms(use_true_random=False))
def test_resamples_know_no_order_of_images_and_no_numbers_of_groups(given, random):
    question, groups = given
    order = random.sample(range(len(groups)), len(groups))
    renamed = np.array(random.sample(range(100), 8))[groups]
    moved = Question(question.positive[order], question.score[order], question.called[order])
    before, after = resampled([question], groups, 50), resampled([moved], renamed[order], 50)
    np.testing.assert_array_equal(after, before)


@some
@given(in_groups(), in_groups())
def test_a_question_gets_what_it_gets_alone(given, other):
    (question, groups), (another, _) = given, other
    another = Question(*(np.resize(one, len(groups)) for one in (another.positive, another.score, another.called)))
    together = resampled([another, question], groups, 50)
    np.testing.assert_array_equal(together[1], resampled([question], groups, 50)[0])


@some
@given(in_groups())
def test_a_rising_change_of_the_scores_changes_nothing(given):
    question, groups = given
    other = Question(question.positive, np.exp(3 * question.score), question.called)
    np.testing.assert_array_equal(resampled([other], groups, 50), resampled([question], groups, 50))


@quick
@given(questions())
def test_scores_turned_round_turn_the_auc_round(question):
    back = Question(question.positive, -question.score, question.called)
    place = FIGURES.index("auc")
    np.testing.assert_allclose(figures(back)[place], 1 - figures(question)[place], atol=1e-12)


def test_no_images_give_no_figures():
    nothing = np.zeros(0, dtype=bool)
    assert np.all(np.isnan(figures(Question(nothing, np.zeros(0), nothing))))


def test_what_is_no_question_is_refused():
    yes = np.ones(3, dtype=bool)
    with pytest.raises(DataError, match=r"\(3,\), \(2,\), \(3,\)"):
        Question(yes, np.zeros(2), yes)
    with pytest.raises(DataError, match="finite"):
        Question(yes, np.array([0, 1, np.nan]), yes)
