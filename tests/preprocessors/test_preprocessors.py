"""Each preprocessor against its formula."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lesionkit import backbones, preprocessors
from lesionkit.errors import OptionError
from lesionkit.recipe import Part

MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
FORMULAS = {
    "unit_range": lambda x: x / 255,
    "symmetric_range": lambda x: x / 127.5 - 1,
    "imagenet_torch": lambda x: (x / 255 - MEAN) / DEVIATION,
    "imagenet_caffe": lambda x: x[..., ::-1] - [103.939, 116.779, 123.68],
}
KERAS_MODES = {"symmetric_range": "tf", "imagenet_torch": "torch", "imagenet_caffe": "caffe"}
SIZE = (4, 6)
BUILT = {name: preprocessors.get(name)(SIZE) for name in FORMULAS}
PIXELS = arrays(np.uint8, st.tuples(st.integers(1, 3), *map(st.just, SIZE), st.just(3)))
quick = settings(max_examples=25, deadline=None)


def run(model, pixels):
    return np.asarray(model(pixels, training=False))


@pytest.mark.parametrize("name", FORMULAS)
@quick
@given(pixels=PIXELS)
def test_computes_its_formula(name, pixels):
    expected = FORMULAS[name](pixels.astype(np.float64))
    np.testing.assert_allclose(run(BUILT[name], pixels), expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("name", FORMULAS)
@quick
@given(pixels=PIXELS)
def test_bytes_and_floats_give_equal_bits(name, pixels):
    result = run(BUILT[name], pixels)
    assert result.dtype == np.float32
    assert result.shape == pixels.shape
    np.testing.assert_array_equal(result, run(BUILT[name], pixels.astype(np.float32)))


@pytest.mark.parametrize("name", KERAS_MODES)
def test_agrees_with_keras_applications(name):
    pixels = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3)).astype(np.float32)
    expected = keras.applications.imagenet_utils.preprocess_input(pixels.copy(), mode=KERAS_MODES[name])
    np.testing.assert_allclose(run(BUILT[name], pixels), expected, rtol=1e-5, atol=2e-5)


NUMBER = st.floats(-3, 3, width=32)
ONE_OR_THREE = st.one_of(NUMBER, st.lists(NUMBER, min_size=3, max_size=3), st.tuples(NUMBER, NUMBER, NUMBER))


@quick
@given(pixels=PIXELS, scale=ONE_OR_THREE, offset=ONE_OR_THREE)
def test_rescale_is_scale_times_x_plus_offset(pixels, scale, offset):
    model = preprocessors.get("rescale")(SIZE, scale=scale, offset=offset)
    expected = pixels * np.asarray(scale, np.float64) + np.asarray(offset, np.float64)
    np.testing.assert_allclose(run(model, pixels), expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_lite0", "mobilenet_v2", "densenet121", "xception"])
def test_native_is_what_the_backbone_names(name):
    pixels = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3)).astype(np.uint8)
    named = backbones.get(name).native
    direct = preprocessors.get(named.name)(SIZE, **named.options)
    np.testing.assert_array_equal(run(preprocessors.get("native")(SIZE, of=named), pixels), run(direct, pixels))


def test_native_passes_the_options_on():
    pixels = np.full((1, *SIZE, 3), 10, np.uint8)
    model = preprocessors.get("native")(SIZE, of=Part("rescale", scale=2.0, offset=[1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(run(model, pixels)[0, 0, 0], [21, 22, 23])


@pytest.mark.parametrize("name", FORMULAS)
def test_stays_float32_under_mixed_precision(name):
    pixels = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3)).astype(np.uint8)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = preprocessors.get(name)(SIZE)
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(run(model, pixels), run(BUILT[name], pixels))


@pytest.mark.parametrize("size", [(0, 4), (4,), 4, "ab", (4.5, 4)])
def test_an_image_size_that_is_none_is_refused(size):
    with pytest.raises(OptionError, match="image_size"):
        preprocessors.get("unit_range")(size)


ALONE = """
import sys
sys.modules["lesionkit"] = None
import keras, numpy as np
folder = sys.argv[1]
pixels = np.load(f"{folder}/pixels.npy")
for name in sys.argv[2:]:
    np.save(f"{folder}/{name}.npy", keras.models.load_model(f"{folder}/{name}.keras").predict(pixels, verbose=0))
"""


def test_a_saved_one_loads_with_keras_alone(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3)).astype(np.uint8)
    np.save(tmp_path / "pixels.npy", pixels)
    for name, model in BUILT.items():
        model.save(tmp_path / f"{name}.keras")
    subprocess.run([sys.executable, "-c", ALONE, tmp_path, *BUILT], check=True, capture_output=True)
    for name, model in BUILT.items():
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), run(model, pixels))
