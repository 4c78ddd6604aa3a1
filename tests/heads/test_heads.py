"""The pooled head: shapes, probabilities, pooling against NumPy, options."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionkit import heads
from lesionkit.errors import OptionError

SHAPE = (3, 2, 5)
pooled = heads.get("pooled")
quick = settings(max_examples=12, deadline=None)
POOLED = {
    "avg": lambda x: x.mean((1, 2)),
    "max": lambda x: x.max((1, 2)),
    "both": lambda x: np.concatenate([x.mean((1, 2)), x.max((1, 2))], axis=1),
    "flatten": lambda x: x.reshape(len(x), -1),
}


def features(count=4, shape=SHAPE, seed=0):
    return np.random.default_rng(seed).normal(0, 3, (count, *shape)).astype(np.float32)


def softmax(values):
    raised = np.exp(values - values.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def run(model, values, **options):
    return np.asarray(model(values, **options))


@quick
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 6)),
    num_classes=st.integers(2, 12),
    hidden=st.lists(st.integers(1, 8), max_size=2),
    dropout=st.sampled_from([0.0, 0.5]),
    pooling=st.sampled_from(sorted(POOLED)),
)
def test_rows_are_float32_probabilities(shape, num_classes, hidden, dropout, pooling):
    model = pooled(shape, num_classes, hidden=hidden, dropout=dropout, pooling=pooling)
    result = run(model, features(shape=shape))
    assert model.output.shape == (None, num_classes)
    assert result.dtype == np.float32
    assert (result >= 0).all()
    np.testing.assert_allclose(result.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLED)
def test_pools_as_numpy_does(pooling):
    model, values = pooled(SHAPE, 3, pooling=pooling), features()
    kernel, bias = model.get_layer("probabilities").get_weights()
    np.testing.assert_allclose(run(model, values), softmax(POOLED[pooling](values) @ kernel + bias), atol=1e-5)


def test_hidden_layers_are_relu_in_the_order_given():
    model, values = pooled(SHAPE, 3, hidden=(7, 4)), features()
    kernels = [weight for weight in model.get_weights() if weight.ndim == 2]
    assert [kernel.shape for kernel in kernels] == [(5, 7), (7, 4), (4, 3)]
    steps = values.mean((1, 2))
    for kernel in kernels[:2]:
        steps = np.maximum(steps @ kernel, 0)
    np.testing.assert_allclose(run(model, values), softmax(steps @ kernels[2]), atol=1e-5)


def test_probabilities_are_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = pooled(SHAPE, 3, hidden=(4,), dropout=0.1)
    finally:
        keras.config.set_dtype_policy("float32")
    result = run(model, features())
    assert model.get_layer("hidden_1").compute_dtype == "float16"
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.sum(1), 1, atol=1e-6)


def test_dropout_works_while_training_only():
    model, values = pooled(SHAPE, 3, hidden=(16,), dropout=0.5), features()
    plain = pooled(SHAPE, 3, hidden=(16,))
    plain.set_weights(model.get_weights())
    np.testing.assert_array_equal(run(model, values), run(plain, values))
    np.testing.assert_array_equal(model.predict(values, verbose=0), plain.predict(values, verbose=0))
    assert np.abs(run(model, values, training=True) - run(plain, values, training=True)).max() > 1e-3


def test_dropout_stands_before_each_dense_layer():
    kinds = [type(layer).__name__ for layer in pooled(SHAPE, 3, hidden=(4, 4), dropout=0.5).layers[2:]]
    assert kinds == ["Dropout", "Dense"] * 3


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"pooling": "mean"}, "avg, max, both, flatten"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": -0.1}, "dropout"),
        ({"dropout": "half"}, "dropout"),
        ({"hidden": (0,)}, "hidden"),
        ({"hidden": (2.5,)}, "hidden"),
        ({"hidden": 256}, "hidden"),
        ({"hidden": "256"}, "hidden"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options, word):
    with pytest.raises(OptionError, match=word):
        pooled(SHAPE, 3, **options)


@pytest.mark.parametrize("num_classes", [1, 0, -3, 2.0, True])
def test_fewer_than_two_classes_are_refused(num_classes):
    with pytest.raises(OptionError, match="num_classes"):
        pooled(SHAPE, num_classes)
