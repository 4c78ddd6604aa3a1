"""The images that are worth a look: which they are, and that their maps are those of what was answered."""

import dataclasses

import numpy as np
import pytest
from evaluations import clean, evaluation
from hypothesis import given
from hypothesis import strategies as st

import lesionkit as lk
from lesionkit.data import images
from lesionkit.errors import DataError, OptionError, UnreadableImagesError
from lesionkit.evaluation.illustration import SAMPLES, illustrate, samples, telling
from lesionkit.model.heat_maps import heat_maps


@given(st.integers(1, 30), st.integers(0, 20))
def test_the_surest_mistakes_and_the_least_certain_hits_are_chosen(limit, seed):
    one = evaluation(n=60, skill=1.0, seed=seed)
    mistakes, hits = telling(one, limit)
    confidence, right = one.probabilities.max(axis=1), one.predicted == one.labels
    assert not right[mistakes].any()
    assert right[hits].all()
    assert len(mistakes) == min(limit, np.count_nonzero(~right))
    assert len(hits) == min(limit, np.count_nonzero(right))
    left = np.setdiff1d(np.flatnonzero(~right), mistakes)
    assert not len(left) or confidence[mistakes].min() >= confidence[left].max()
    left = np.setdiff1d(np.flatnonzero(right), hits)
    assert not len(left) or confidence[hits].max() <= confidence[left].min()
    assert np.all(np.diff(confidence[mistakes]) <= 0)
    assert np.all(np.diff(confidence[hits]) >= 0)


@pytest.fixture
def scored(build, held_out):
    model = build()
    return model, lk.evaluate(model, held_out)


def test_pictures_show_what_the_model_saw_and_what_spoke_for_its_answer(scored, held_out):
    model, one = scored
    shown = illustrate(model, one, limit=3)
    explained = [picture for picture in shown.pictures if picture.kind != "sample"]
    assert 1 <= len(explained) <= 6
    assert np.array_equal(shown.probabilities, one.probabilities)
    for picture in explained:
        seen = images.load(one.source[picture.place], model.input.shape[1:3])
        assert np.array_equal(seen, picture.pixels)
        wanted = heat_maps(model, picture.pixels[None], one.predicted[[picture.place]])[0]
        np.testing.assert_allclose(picture.heat_map, wanted, atol=1e-5)
        assert picture.kind == (
            "least certain hit" if one.predicted[picture.place] == one.labels[picture.place] else "mistake"
        )
        assert picture.border_share is None or 0 <= picture.border_share <= 1


def test_images_without_files_and_files_that_are_gone_are_refused(scored, tmp_path):
    model, one = scored
    with pytest.raises(DataError, match="Evaluate Records"):
        illustrate(model, dataclasses.replace(one, source=("",) * len(one)))
    gone = tuple(str(tmp_path / f"{row}.png") for row in range(len(one)))
    with pytest.raises(UnreadableImagesError):
        illustrate(model, dataclasses.replace(one, source=gone))
    with pytest.raises(OptionError):
        illustrate(model, one, limit=0)


def test_samples_are_of_every_class_and_of_different_groups_first():
    relation = clean(60)
    relation.group[:] = np.arange(60) // 6  # the first image of each class is of one group with the next
    one = evaluation(n=60, relation=relation)
    rows = samples(one)
    assert list(one.labels[rows]) == [0] * SAMPLES + [1] * SAMPLES + [2] * SAMPLES
    assert len(set(relation.group[rows[:SAMPLES]])) == SAMPLES
    relation.group[:] = 0
    assert len(set(samples(one))) == 3 * SAMPLES
    few = evaluation(n=4, relation=clean(4))
    assert sorted(samples(few)) == [0, 1, 2, 3]


def test_samples_are_shown_as_the_model_saw_them(scored):
    model, one = scored
    shown = [picture for picture in illustrate(model, one, limit=1).pictures if picture.kind == "sample"]
    assert len(shown) == 9  # three of each class
    for picture in shown:
        assert np.array_equal(images.load(one.source[picture.place], model.input.shape[1:3]), picture.pixels)
        assert picture.heat_map is None
