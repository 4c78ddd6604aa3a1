"""A folded network computes what the network computes, with fewer steps and weights of its own."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from lesionkit.features.folding import TENSOR_BYTES, fold, frozen_function, images_at_once

SHAPE = (9, 8, 3)
quick = settings(max_examples=15, deadline=None)


def image():
    return keras.Input(SHAPE)


def norm(**options):
    return layers.BatchNormalization(epsilon=1e-3, **options)


def sequence(*steps):
    start = values = image()
    for step in steps:
        values = step(values)
    return keras.Model(start, values)


def two_consumers():
    start = image()
    shared = layers.Conv2D(5, 3)(start)
    return keras.Model(start, layers.Add()([norm()(shared), shared]))


def two_normalisations():
    start = image()
    shared = layers.Conv2D(5, 3)(start)
    return keras.Model(start, layers.Add()([norm()(shared), norm()(shared)]))


def shared_convolution():
    start, convolution = image(), layers.Conv2D(3, 3, padding="same")
    return keras.Model(start, norm()(convolution(norm()(convolution(start)))))


def shared_normalisation():
    start, normalisation = image(), norm()
    both = [normalisation(layers.Conv2D(4, 1)(start)), normalisation(layers.Conv2D(4, 1)(start))]
    return keras.Model(start, layers.Add()(both))


def residual():
    start = image()
    values = norm()(layers.Conv2D(3, 3, padding="same")(start))
    return keras.Model(start, layers.ReLU()(layers.Add()([values, start])))


class Standardised(layers.Conv2D):
    """A convolution whose kernel is scaled to unit variance when it is used: folding would be undone by that."""

    def call(self, inputs):
        kernel = self.kernel / (keras.ops.std(self.kernel, axis=(0, 1, 2)) + 1e-5)
        return keras.ops.conv(inputs, kernel, padding=self.padding) + self.bias


FOLDED = {
    "conv": lambda: sequence(layers.Conv2D(5, 3), norm(), layers.ReLU()),
    "conv without bias": lambda: sequence(layers.Conv2D(5, 3, use_bias=False, strides=2), norm(), layers.ReLU()),
    "grouped conv": lambda: sequence(layers.Conv2D(6, 3, groups=3), norm()),
    "depthwise": lambda: sequence(layers.DepthwiseConv2D(3), norm()),
    "depthwise, multiplier 2": lambda: sequence(layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False), norm()),
    "separable": lambda: sequence(layers.SeparableConv2D(5, 3), norm(), layers.ReLU()),
    "separable, multiplier 2": lambda: sequence(
        layers.SeparableConv2D(5, 3, depth_multiplier=2, use_bias=False), norm()
    ),
    "norm without scale": lambda: sequence(layers.Conv2D(5, 3), norm(scale=False)),
    "norm without center": lambda: sequence(layers.Conv2D(5, 3), norm(center=False)),
    "norm without either": lambda: sequence(layers.DepthwiseConv2D(3), norm(scale=False, center=False)),
    "residual": residual,
    "nested": lambda: sequence(sequence(layers.Conv2D(3, 3, padding="same"), norm()), layers.ReLU()),
    "nested sequential": lambda: sequence(
        keras.Sequential([keras.Input(SHAPE), layers.Conv2D(4, 3), norm()]), layers.ReLU()
    ),
    "nested twice": lambda: sequence(sequence(sequence(layers.Conv2D(3, 1), norm()), layers.ReLU())),
}
LEFT = {
    "activation between": (lambda: sequence(layers.Conv2D(5, 3, activation="relu"), norm()), 1),
    "two consumers": (two_consumers, 1),
    "two normalisations of one conv": (two_normalisations, 2),
    "a convolution used twice": (shared_convolution, 2),
    "a normalisation used twice": (shared_normalisation, 1),
    "normalisation over rows": (lambda: sequence(layers.Conv2D(5, 3), norm(axis=1)), 1),
    "transposed convolution": (lambda: sequence(layers.Conv2DTranspose(4, 3), norm()), 1),
    "a convolution of another kind": (lambda: sequence(Standardised(4, 3), norm()), 1),
    "normalisation of the image": (lambda: sequence(norm(), layers.Conv2D(4, 3)), 1),
}
ALL = {**FOLDED, **{name: make for name, (make, _) in LEFT.items()}}


def settled(model, seed=0):
    """The model with weights as after training: nothing is 0 or 1 by default."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        low, high = (0.3, 2.0) if "variance" in weight.path or "gamma" in weight.path else (-1.0, 1.0)
        weight.assign(random.uniform(low, high, weight.shape))
    return model


def pixels(count=3, seed=1):
    return np.random.default_rng(seed).normal(0, 1, (count, *SHAPE)).astype(np.float32)


def assert_near(found, expected):
    """To 1e-5 in relative Euclidean norm, for each image."""
    assert found.shape == expected.shape
    difference, whole = ((array.reshape(len(array), -1)) for array in (found - expected, expected))
    assert (np.linalg.norm(difference, axis=1) <= 1e-5 * np.linalg.norm(whole, axis=1)).all()


def normalisations(model):
    nested = sum(normalisations(layer) for layer in model.layers if isinstance(layer, keras.Model))
    return nested + len({id(op) for op in model.operations if isinstance(op, layers.BatchNormalization)})


@pytest.mark.parametrize("name", ALL)
def test_computes_what_predict_computes(name):
    model, batch = settled(ALL[name]()), pixels()
    expected = model.predict(batch, verbose=0)
    assert_near(np.asarray(fold(model)(batch, training=False)), expected)
    assert_near(frozen_function(model)(batch), expected)


@pytest.mark.parametrize("name", FOLDED)
def test_no_normalisation_is_left_where_it_can_be_folded(name):
    assert normalisations(fold(settled(FOLDED[name]()))) == 0


@pytest.mark.parametrize("name", LEFT)
def test_a_normalisation_stays_where_folding_would_be_wrong(name):
    make, left = LEFT[name]
    assert normalisations(fold(settled(make()))) == left


@quick
@given(seed=st.integers(0, 2**32 - 1), multiplier=st.integers(1, 3), bias=st.booleans(), scale=st.booleans())
def test_holds_for_any_weights(seed, multiplier, bias, scale):
    steps = [
        layers.Conv2D(4, 3, use_bias=bias),
        norm(scale=scale),
        layers.ReLU(),
        layers.DepthwiseConv2D(3, depth_multiplier=multiplier, use_bias=bias),
        norm(center=scale),
    ]
    model, batch = settled(sequence(*steps), seed), pixels(seed=seed)
    assert_near(np.asarray(fold(model)(batch, training=False)), np.asarray(model(batch, training=False)))


def test_a_convolution_that_is_an_output_as_well_is_kept():
    start = image()
    inner = layers.Conv2D(5, 3)(start)
    model, batch = settled(keras.Model(start, [inner, norm()(inner)])), pixels()
    for found, expected in zip(fold(model)(batch, training=False), model(batch, training=False), strict=True):
        assert_near(np.asarray(found), np.asarray(expected))


def test_the_model_itself_stays_as_it_was():
    model, batch = settled(FOLDED["nested"]()), pixels()
    weights, before = model.get_weights(), np.asarray(model(batch, training=False))
    for _ in range(2):  # and the second is folded as the first was
        assert normalisations(fold(model)) == 0
    np.testing.assert_array_equal(np.asarray(model(batch, training=False)), before)
    for now, then in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)
    assert normalisations(model) == 1


@quick
@given(count=st.integers(1, 40), place=st.integers(0, 39), seed=st.integers(0, 100))
def test_an_image_gives_the_same_bits_wherever_it_stands(function, count, place, seed):
    one, batch = pixels(1, seed), pixels(count, seed + 1)
    batch[place % count] = one[0]
    np.testing.assert_array_equal(function(batch)[place % count], function(one)[0])


@pytest.fixture(scope="module")
def function():
    return frozen_function(settled(FOLDED["conv"]()))


def test_bytes_and_floats_give_equal_bits(function):
    batch = np.random.default_rng(0).integers(0, 256, (3, *SHAPE)).astype(np.uint8)
    found = function(batch)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, function(batch.astype(np.float32)))


def test_the_weights_are_those_of_the_time_of_the_call():
    model, batch = settled(FOLDED["conv"]()), pixels()
    before = frozen_function(model)
    expected = model.predict(batch, verbose=0)
    settled(model, seed=9)
    assert_near(before(batch), expected)
    assert np.abs(model.predict(batch, verbose=0) - expected).max() > 0.01
    assert_near(frozen_function(model)(batch), model.predict(batch, verbose=0))


def test_operations_that_are_no_layers_are_kept():
    start = image()
    model = keras.Model(start, layers.Conv2D(3, 1)(keras.ops.flip(start, axis=-1) * 2.0))
    batch = pixels()
    assert_near(frozen_function(model)(batch), model.predict(batch, verbose=0))


@pytest.mark.parametrize(("side", "expected"), [(8, 32), (256, 16), (512, 4), (4096, 1)])
def test_so_many_images_are_computed_at_once_that_the_largest_tensor_stays_small(side, expected):
    start = keras.Input((side, side, 3))
    inner = keras.Model(image := keras.Input((side, side, 3)), layers.Conv2D(4, 1)(layers.Conv2D(2, 1)(image)))
    model = keras.Model(start, layers.GlobalAveragePooling2D()(inner(start)))
    assert images_at_once(model) == expected
    assert expected in (1, 32) or expected * side * side * 4 * 4 <= TENSOR_BYTES < 2 * expected * side * side * 4 * 4
