"""Views: what an image gets is a function of the seed, the view and the image alone."""

import hashlib
import itertools
import subprocess
import sys
from functools import cache

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import TESTS

from lesionkit import augmenters
from lesionkit.errors import OptionError, UnknownNameError
from lesionkit.model.views import Augmentation, Symmetry, Viewed, augmenter, mixes, reseed, symmetries, views_of
from lesionkit.recipe import Part

SIZE, COUNT = (12, 10), 6
IDS = [f"picture {number}" for number in range(COUNT)]
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, *SIZE, 3)).astype(np.uint8)
NAMES = [name for name in augmenters.names() if not mixes(augmenters.get(name)())]
quick = settings(max_examples=15)


@cache
def augmentation(name, seed=0):
    return Augmentation(augmenter(name), seed)


@cache
def alone(name, number, row):
    return augmentation(name).view(number)(PIXELS[row : row + 1], [IDS[row]])[0]


def given_to(view, rows):
    return view(PIXELS[rows], [IDS[row] for row in rows])


def test_the_law_is_tested_for_all_that_do_not_mix():
    assert set(NAMES) == {"dermoscopy", "flip_rotate_shift", "randaugment"}


@pytest.mark.parametrize("name", NAMES)
@quick
@given(number=st.integers(0, 3), rows=st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=9))
def test_batch_size_order_and_neighbours_do_not_matter(name, number, rows):
    result = given_to(augmentation(name).view(number), rows)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, [alone(name, number, row) for row in rows])


@pytest.mark.parametrize("name", NAMES)
def test_nor_does_what_was_made_before_or_the_layers_own_seed(name):
    layer = augmenters.get(name)(seed=7)
    layer(PIXELS.astype(np.float32), training=True)
    state = [np.array(variable) for variable in layer.variables]
    view = Augmentation(layer, 0).view(1)
    for _ in range(2):
        np.testing.assert_array_equal(given_to(view, [0, 1]), [alone(name, 1, row) for row in (0, 1)])
    np.testing.assert_array_equal([np.array(variable) for variable in layer.variables], state)  # and leaves no trace


@pytest.mark.parametrize("name", NAMES)
def test_bytes_and_floats_give_equal_bits(name):
    view = augmentation(name).view(0)
    np.testing.assert_array_equal(view(PIXELS, IDS), view(PIXELS.astype(np.float32), IDS))


@pytest.mark.parametrize("name", ["dermoscopy", "flip_rotate_shift"])
def test_another_seed_view_or_picture_is_another_change(name):
    rows = [0] * COUNT
    same = [
        augmentation(name, seed).view(number)(PIXELS[rows], IDS)
        for seed, number in itertools.product(range(3), range(3))
    ]
    results = np.concatenate(same)
    assert len({one.tobytes() for one in results}) == len(results)


def test_randaugment_changes_most_pictures_in_another_way():
    results = [augmentation("randaugment").view(number)(PIXELS[[0] * COUNT], IDS) for number in range(2)]
    assert len({one.tobytes() for one in np.concatenate(results)}) > COUNT


@pytest.mark.parametrize("name", NAMES)
def test_stays_in_range(name):
    results = np.stack([augmentation(name).view(number)(PIXELS, IDS) for number in range(4)])
    assert results.min() >= 0
    assert results.max() <= 255


def digest():
    """A digest of one view by each augmenter that does not mix."""
    views = [augmentation(name).view(2)(PIXELS, IDS) for name in NAMES]
    return hashlib.sha256(np.stack(views).tobytes()).hexdigest()


@pytest.mark.slow
def test_two_processes_give_equal_bits():
    code = "import sys; sys.path[:0] = sys.argv[1:]; import test_views; print(test_views.digest())"
    done = subprocess.run(
        [sys.executable, "-c", code, str(TESTS), str(TESTS / "model")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == digest()


def test_images_of_two_sizes_go_through_one_view():
    view = augmentation("dermoscopy").view(0)
    assert view(PIXELS[:, :8], IDS).shape == (COUNT, 8, 10, 3)
    np.testing.assert_array_equal(given_to(view, [3]), [alone("dermoscopy", 0, 3)])


def test_a_name_tells_all_that_matters():
    options = [{}, {"rotation": 10.0}, {"flips": "none"}, {"shift": 0.2}]
    layers = [augmenters.get("flip_rotate_shift")(**given) for given in options] + [augmenter("dermoscopy")]
    names = [
        Augmentation(layer, seed).view(number).name
        for layer, seed, number in itertools.product(layers, range(2), range(2))
    ]
    assert len(set(names)) == len(names) == 20


def test_a_name_tells_nothing_else():
    def own():
        return keras.Sequential([keras.layers.RandomFlip(), keras.layers.RandomContrast(0.1)])

    first, again = own(), own()  # Keras names them anew, and draws a seed for each
    again.build((None, *SIZE, 3))
    assert Augmentation(first, 0).name == Augmentation(again, 0).name
    assert Augmentation(augmenters.get("dermoscopy")(seed=5), 0).name == augmentation("dermoscopy").name


def test_what_keras_has_obeys_the_law_too():
    layer = keras.Sequential([keras.layers.RandomFlip(), keras.layers.RandomRotation(0.2), keras.layers.Dropout(0.1)])
    view = Augmentation(layer, 0).view(0)
    together = given_to(view, [0, 1, 2])
    np.testing.assert_array_equal(together[::-1], given_to(view, [2, 1, 0]))
    assert not np.array_equal(together[0], PIXELS[0])


def test_a_layer_that_changes_the_shape_is_refused():
    with pytest.raises(OptionError, match=r"half got \(12, 10, 3\) and returned \(6, 5, 3\)"):
        Augmentation(keras.layers.CenterCrop(6, 5, name="half"), 0).view(0)(PIXELS, IDS)


def test_a_layer_that_does_not_tell_how_it_was_made_is_refused():
    class Silent(keras.layers.Layer):
        def __init__(self, strength):
            super().__init__()

    with pytest.raises(OptionError, match="Silent.*get_config"):
        Augmentation(Silent(object()), 0)


def shown(view, pixels):
    return pixels.astype(np.float32) if view is None else view(pixels, IDS[: len(pixels)])


def test_symmetries_of_a_square_are_eight_exact_and_closed():
    square = PIXELS[:1, :10]
    views = symmetries((10, 10))
    results = {shown(view, square).tobytes() for view in views}
    assert len(views) == len(results) == 8
    assert len({view.name for view in views[1:]}) == 7
    assert views[0] is None
    for first, second in itertools.product(views, views):
        assert shown(second, shown(first, square)).tobytes() in results


def test_symmetries_of_an_oblong_image_are_four_and_keep_its_shape():
    results = [shown(view, PIXELS[:1]) for view in symmetries(SIZE)]
    assert {one.shape for one in results} == {(1, *SIZE, 3)}
    expected = (PIXELS[0], PIXELS[0, ::-1, ::-1], PIXELS[0, :, ::-1], PIXELS[0, ::-1])
    assert {one.tobytes() for one in results} == {one.astype(np.float32).tobytes() for one in expected}


def test_views_are_chosen_by_name_or_one_by_one():
    mirror = Symmetry(4)
    assert views_of(None, SIZE) == (None,)
    assert views_of("symmetries", SIZE) == symmetries(SIZE)
    assert views_of([None, mirror], SIZE) == (None, mirror)
    for wrong in ("mirrors", []):
        with pytest.raises(OptionError, match="views is"):
            views_of(wrong, SIZE)


def test_images_are_viewed_when_asked_for_told_by_id_or_pixels():
    view, rows = augmentation("dermoscopy").view(0), np.array([4, 1, 1])
    np.testing.assert_array_equal(Viewed(PIXELS, lambda _: view, IDS)[rows], given_to(view, rows))
    unnamed = Viewed(PIXELS, lambda _: view)
    assert unnamed.shape == PIXELS.shape
    np.testing.assert_array_equal(unnamed[rows], Viewed(PIXELS[rows], lambda _: view)[np.arange(3)])


def test_further_rows_are_further_views_of_the_same_images():
    several, count = augmentation("dermoscopy"), len(PIXELS)
    shown = Viewed(PIXELS, several.view, IDS)[np.array([1, 2 * count + 1, count])]
    expected = [given_to(several.view(number), np.array([row])) for number, row in ((0, 1), (2, 1), (1, 0))]
    np.testing.assert_array_equal(shown, np.concatenate(expected))


def test_symmetries_number_quarter_turns():
    np.testing.assert_array_equal(Symmetry(1)(PIXELS, IDS), np.rot90(PIXELS, axes=(1, 2)))


def test_an_augmenter_is_a_name_a_part_or_a_layer():
    assert augmenter("dermoscopy").name == "dermoscopy"
    assert augmenter(Part("flip_rotate_shift", rotation=5.0)).rotation == 5
    layer = keras.layers.RandomFlip()
    assert augmenter(layer) is layer


@pytest.mark.parametrize(
    ("chosen", "error", "text"),
    [
        (3, OptionError, "a registered name, a Part or a Keras layer. Received: 3"),
        ("dermoscope", UnknownNameError, "dermoscopy"),
        (Part("dermoscopy", angle=3), OptionError, "angle"),
    ],
)
def test_anything_else_is_refused(chosen, error, text):
    with pytest.raises(error, match=text):
        augmenter(chosen)


def test_a_member_that_makes_no_layer_is_refused(monkeypatch):
    monkeypatch.setattr(augmenters, "get", lambda name: lambda: "flip")
    with pytest.raises(OptionError, match="'no layer' returned 'flip'"):
        augmenter("no layer")


def test_mixers_are_told_also_within_a_model():
    assert all(mixes(augmenter(name)) for name in ("mixup", "cutmix"))
    assert mixes(keras.Sequential([augmenter("mixup")]))
    assert not mixes(keras.layers.RandomFlip())


def test_reseeding_starts_all_that_draws_anew():
    model = keras.Sequential([keras.layers.Dropout(0.5), keras.Sequential([keras.layers.Dropout(0.5)])])
    ones = np.ones((4, 50), np.float32)

    def draws(*key):
        reseed(model, *key)
        return [np.asarray(model(ones, training=True)) for _ in range(2)]

    model(ones)
    np.testing.assert_array_equal(draws(1, 2), draws(1, 2))
    assert not np.array_equal(draws(1, 2)[0], draws(1, 3)[0])
    assert not np.array_equal(draws(1, 2)[0], draws(1, 2)[1])
    outer, inner = (np.asarray(layer(ones, training=True)) for layer in model.layers if not reseed(model, 1))
    assert not np.array_equal(outer, inner)
