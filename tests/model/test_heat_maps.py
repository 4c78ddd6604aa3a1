"""Heat maps: what is known of them by hand, for any classifier, and the border share."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import lesionkit as lk
from lesionkit.data.pipeline import Pixels
from lesionkit.errors import DataError, OptionError
from lesionkit.model.heat_maps import METHODS, _features_and_gradients, heat_maps
from lesionkit.model.overlays import border_share, even_share
from lesionkit.model.parts import frozen_part, parts
from lesionkit.model.unrolling import halves_of

CLASSES = ("a", "b", "c")
POOLINGS = ("avg", "max", "both", "flatten")
few = settings(max_examples=10, deadline=None)


def pictures(count=5, size=(16, 16), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *size, 3)).astype(np.uint8)


def nested(backbone, size=(16, 16), seed=0, **head):
    return lk.build_classifier(CLASSES, image_size=size, backbone=backbone, head=lk.Part("pooled", **head), seed=seed)


def flattened(model):
    """The same layers in one graph, called one after the other: none of the three parts is there."""
    image = values = keras.Input(model.input.shape[1:])
    for part in parts(model):
        for layer in part.layers[1:]:
            values = layer(values)
    return keras.Model(image, values)


def bright_spot(size=32):
    """A classifier of two classes: the first where there is something bright; strides of 4."""
    image = keras.Input((size, size, 3))
    values = keras.layers.Rescaling(1 / 255)(image)
    values = keras.layers.Conv2D(1, 4, strides=4, activation="relu", name="bright")(values)
    values = keras.layers.GlobalAveragePooling2D()(values)
    model = keras.Model(image, keras.layers.Dense(2, activation="softmax", name="answer")(values))
    model.get_layer("bright").set_weights([np.full((4, 4, 3, 1), 1 / 48), np.array([-0.5])])
    model.get_layer("answer").set_weights([np.array([[3.0, -3.0]]), np.array([0.5, 0.0])])
    return model


@pytest.mark.parametrize("method", METHODS)
def test_a_spot_is_found_where_it_is(method):
    images, places = np.zeros((3, 32, 32, 3), np.uint8), [(0, 0), (8, 20), (28, 4)]
    for image, (row, column) in zip(images, places, strict=True):
        image[row : row + 4, column : column + 4] = 255
    maps = heat_maps(bright_spot(), images, [0, 0, 0], method=method)
    assert maps.shape == (3, 32, 32)
    assert (maps.max(axis=(1, 2)) == 1).all()
    for found, (row, column) in zip(maps, places, strict=True):
        top = np.unravel_index(found.argmax(), found.shape)
        assert row <= top[0] < row + 4
        assert column <= top[1] < column + 4
        far = np.hypot(np.arange(32)[:, None] - row - 1.5, np.arange(32)[None] - column - 1.5) > 9
        assert not found[far].any()


def test_nothing_that_speaks_for_a_class_is_zero_everywhere():
    model, images = bright_spot(), np.zeros((3, 32, 32, 3), np.uint8)
    images[1:] = 255
    for method in METHODS:
        found = heat_maps(model, images, [0, 1, 0], method=method)  # dark; bright speaks against; bright speaks for
        assert found.any(axis=(1, 2)).tolist() == [False, False, True]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_hires_cam_adds_up_to_the_score_less_its_bias(tiny, pooling):
    model, images = nested(tiny, pooling=pooling), pictures()
    dense = parts(model).head.get_layer("probabilities")
    bias = np.array([-0.4, 0.1, 0.7])
    dense.set_weights([dense.get_weights()[0], bias])
    ((_, halves),) = halves_of(model)
    sums = [
        METHODS["hires_cam"](*_features_and_gradients(halves, images, np.full(5, label))).sum(axis=(1, 2))
        for label in range(3)
    ]
    raised = np.exp(np.stack(sums, axis=1) + bias)
    np.testing.assert_allclose(raised / raised.sum(axis=1, keepdims=True), model.predict(images, verbose=0), atol=1e-5)
    np.testing.assert_allclose(np.stack(sums, axis=1) + bias, halves.above(halves.below(images)), atol=1e-5)


@few
@given(seed=st.integers(0, 1000))
def test_the_methods_are_what_their_papers_say(seed):
    """Each written out in loops for one image, on features of at least 0."""
    rng = np.random.default_rng(seed)
    a, g = rng.random((1, 2, 3, 4)).astype(np.float32), rng.normal(size=(1, 2, 3, 4)).astype(np.float32)
    places, channels = list(np.ndindex(2, 3)), range(4)
    wanted = {name: np.zeros((2, 3)) for name in METHODS}
    for k in channels:
        mean = np.mean([g[0, i, j, k] for i, j in places])
        weight = 0.0
        for i, j in places:
            one = float(g[0, i, j, k])
            alpha = one**2 / (2 * one**2 + sum(float(a[0, p, q, k]) * one**3 for p, q in places))
            weight += alpha * max(one, 0)
        for i, j in places:
            wanted["hires_cam"][i, j] += a[0, i, j, k] * g[0, i, j, k]
            wanted["grad_cam"][i, j] += a[0, i, j, k] * mean
            wanted["grad_cam++"][i, j] += a[0, i, j, k] * weight
            wanted["layer_cam"][i, j] += a[0, i, j, k] * max(g[0, i, j, k], 0)
    for name, method in METHODS.items():
        np.testing.assert_allclose(method(a, g)[0], wanted[name], rtol=2e-3, atol=1e-5)


def test_grad_cam_plus_plus_of_no_gradient_is_zero():
    zeros = np.zeros((1, 2, 2, 3), np.float32)
    assert not METHODS["grad_cam++"](zeros + 1, zeros).any()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_maps_are_shares_and_each_is_of_its_image_alone(tiny, pooling):
    model, images = nested(tiny, pooling=pooling, dropout=0.3), pictures()
    for method in METHODS:
        found = heat_maps(model, images, method=method)
        assert found.shape == (5, 16, 16)
        assert found.dtype == np.float32
        assert found.min() >= 0
        assert set(found.max(axis=(1, 2)).tolist()) <= {0.0, 1.0}
        np.testing.assert_allclose(heat_maps(model, images[::-1], method=method, batch_size=2)[::-1], found, atol=1e-4)


def test_an_average_pooling_makes_grad_cam_hires_cam(tiny):
    model = nested(tiny, hidden=(6,))
    one, other = (heat_maps(model, pictures(), method=method) for method in ("grad_cam", "hires_cam"))
    assert one.any()
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_left_out_classes_are_the_likeliest(tiny):
    model = nested(tiny)
    likeliest = model.predict(pictures(), verbose=0).argmax(axis=1)
    found = heat_maps(model, pictures())
    np.testing.assert_array_equal(found, heat_maps(model, pictures(), likeliest))
    assert np.abs(found - heat_maps(model, pictures(), (likeliest + 1) % 3)).max() > 0.1


@pytest.mark.parametrize("pooling", ["avg", "max", "flatten"])
def test_nested_and_flat_are_alike(deep, pooling):
    model = nested(deep, pooling=pooling, hidden=(5,), dropout=0.5)
    image = keras.Input((16, 16, 3))
    others = flattened(model), keras.Model(image, model(image))
    for method in METHODS:
        found = heat_maps(model, pictures(), method=method)
        for other in others:
            np.testing.assert_allclose(heat_maps(other, pictures(), method=method), found, atol=1e-5)


def softmax_layer(values):
    return keras.layers.Softmax()(keras.layers.Dense(3, name="last")(values))


def softmax_activation(values):
    return keras.layers.Activation("softmax", dtype="float32")(keras.layers.Dense(3, name="last")(values))


def softmax_function(values):
    return keras.ops.softmax(keras.layers.Dense(3, name="last")(values))


def softmax_within(values):
    features = keras.Input(values.shape[1:])
    return keras.Model(features, softmax_layer(features))(values)


@pytest.mark.parametrize("ending", [softmax_layer, softmax_activation, softmax_function, softmax_within])
def test_however_the_softmax_is_written_the_score_is_what_enters_it(tiny, ending):
    def head(shape, num_classes):
        features = keras.Input(shape)
        return keras.Model(features, ending(keras.layers.GlobalMaxPooling2D()(features)))

    usual, other = (
        nested(tiny, pooling="max"),
        lk.build_classifier(CLASSES, image_size=(16, 16), backbone=tiny, head=head),
    )
    parts(other).head.set_weights(parts(usual).head.get_weights())
    np.testing.assert_allclose(heat_maps(other, pictures()), heat_maps(usual, pictures()), atol=1e-5)


def test_a_certain_answer_is_explained_too(tiny):
    """The gradient of the probability, or of its logarithm, is 0 where the answer is certain; the score's is not."""
    model = nested(tiny)
    dense = parts(model).head.get_layer("probabilities")
    before = heat_maps(model, pictures(), np.zeros(5, int))
    kernel, bias = dense.get_weights()
    dense.set_weights([kernel, bias + np.array([200, 0, 0])])
    assert (model.predict(pictures(), verbose=0)[:, 0] == 1).all()
    assert before.any()
    np.testing.assert_allclose(heat_maps(model, pictures()), before, atol=1e-6)


def test_any_other_answer_is_explained_by_its_logarithm(tiny):
    def tempered(shape, num_classes):
        features = keras.Input(shape)
        values = keras.layers.GlobalAveragePooling2D()(features)
        values = keras.layers.Dense(3, activation="softmax")(values)
        return keras.Model(features, keras.layers.Rescaling(0.9, 0.1 / 3)(values))

    model = lk.build_classifier(CLASSES, image_size=(16, 16), backbone=tiny, head=tempered)
    found = heat_maps(model, pictures(), np.zeros(5, int))
    ((_, halves),) = halves_of(model)
    score = np.asarray(halves.above(halves.below(pictures().astype(np.float32))))
    np.testing.assert_allclose(score, np.log(model.predict(pictures(), verbose=0)), atol=1e-5)
    assert np.isfinite(found).all()
    assert found.any()


def test_plain_keras_models_of_many_makes(tiny):
    convolution = keras.layers.Conv2D(4, 3, activation="relu")
    ends = [keras.layers.GlobalAveragePooling2D(keepdims=True), keras.layers.Conv2D(3, 1), keras.layers.Flatten()]
    sequence = keras.Sequential([keras.Input((16, 16, 3)), convolution, *ends, keras.layers.Softmax()])
    found = heat_maps(sequence, pictures())
    ((_, halves),) = halves_of(sequence)
    assert halves.below.output.shape[1:] == (14, 14, 4)  # not the map of one place that follows
    image = keras.Input((None, None, 3))  # any size
    np.testing.assert_array_equal(heat_maps(keras.Model(image, sequence.layers[-1](ends[2](ends[1](ends[0](
        convolution(image)
    ))))), pictures()), found)  # fmt: skip
    within = keras.Sequential([keras.Input((16, 16, 3)), sequence])
    np.testing.assert_allclose(heat_maps(within, pictures()), found, atol=1e-6)


def test_the_features_are_what_all_of_the_answer_passes_through():
    image = keras.Input((16, 16, 3))
    first = keras.layers.Conv2D(4, 3, activation="relu")(image)
    second = keras.layers.Conv2D(6, 3, activation="relu")(first)
    both = [keras.layers.GlobalAveragePooling2D()(one) for one in (first, second)]
    answer = keras.layers.Dense(3, activation="softmax")(keras.layers.Concatenate()(both))
    ((_, halves),) = halves_of(keras.Model(image, answer))
    assert halves.below.output.shape == (None, 14, 14, 4)


def test_the_map_of_an_average_is_the_mean_of_its_members(tiny, deep):
    one, other, third = nested(tiny, seed=1), nested(deep, seed=2), nested(deep, seed=3, pooling="max")
    images, classes = pictures(), np.array([0, 1, 2, 0, 1])
    maps = [heat_maps(model, images, classes) for model in (one, other, third)]
    average = lk.average([one, other])
    mean = (maps[0] + maps[1]) / 2
    greatest = mean.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(heat_maps(average, images, classes), mean / np.where(greatest, greatest, 1), atol=1e-5)
    within = lk.average([average, third])
    assert [share for share, _ in halves_of(within)] == [0.25, 0.25, 0.5]
    mean = (maps[0] + maps[1]) / 4 + maps[2] / 2
    greatest = mean.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(heat_maps(within, images, classes), mean / np.where(greatest, greatest, 1), atol=1e-5)
    likeliest = average.predict(images, verbose=0).argmax(axis=1)
    np.testing.assert_array_equal(heat_maps(average, images), heat_maps(average, images, likeliest))


@pytest.mark.parametrize("averaged", [False, True])
def test_loaded_from_disk_it_is_the_same(tiny, tmp_path, averaged):
    model = lk.average([nested(tiny, seed=1), nested(tiny, seed=2)]) if averaged else nested(tiny, hidden=(4,))
    found = heat_maps(model, pictures())
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(heat_maps(keras.saving.load_model(tmp_path / "model.keras"), pictures()), found)


def test_the_classifier_stays_as_it_was(tiny, tmp_path):
    model = nested(tiny, dropout=0.5)
    before, weights = model.predict(pictures(), verbose=0), model.get_weights()
    for _ in range(2):
        heat_maps(flattened(model), pictures())
        heat_maps(model, pictures(), method="grad_cam++")
    np.testing.assert_array_equal(model.predict(pictures(), verbose=0), before)
    for one, other in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(one, other)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(pictures(), verbose=0), before)


def test_mixed_precision_gives_float32_maps_that_hardly_differ(deep):
    plain = nested(deep, hidden=(6,))
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = nested(deep, hidden=(6,))
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(plain.get_weights())
    found = heat_maps(mixed, pictures(), np.zeros(5, int))
    assert parts(mixed).backbone.output.dtype == "float16"
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, heat_maps(plain, pictures(), np.zeros(5, int)), atol=0.05)


def test_images_may_be_files_and_none(tiny, records):
    model = nested(tiny)
    pixels = Pixels(records.source, (16, 16))
    found = heat_maps(model, pixels, batch_size=10)
    np.testing.assert_allclose(found, heat_maps(model, pixels[np.arange(len(records))]), atol=1e-4)
    assert heat_maps(model, pictures(0)).shape == (0, 16, 16)
    assert heat_maps(model, pictures(0), []).shape == (0, 16, 16)
    assert border_share(np.zeros((0, 16, 16))).shape == (0,)


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"method": "cam"}, OptionError, "hires_cam, grad_cam, grad_cam\\+\\+, layer_cam"),
        ({"batch_size": 0}, OptionError, "batch_size"),
        ({"classes": [0, 1]}, DataError, "each of the 5 images"),
        ({"classes": [0, 1, 2, 3, 0]}, DataError, "from 0 to 2"),
        ({"classes": [0, 1, 2, -1, 0]}, DataError, "from 0 to 2"),
        ({"classes": [0.0, 1, 2, 1, 0]}, DataError, "whole number"),
        ({"images": pictures(5, (16, 12))}, DataError, r"\(16, 16, 3\).*\(5, 16, 12, 3\)"),
        ({"images": pictures()[0]}, DataError, r"Received: \(16, 16, 3\)"),
    ],
)
def test_what_cannot_be_explained_is_refused(tiny, options, error, word):
    with pytest.raises(error, match=word):
        heat_maps(nested(tiny), **{"images": pictures(), **options})


def test_models_without_a_feature_map_are_refused():
    class Own(keras.Model):
        def call(self, values):
            return values

    with pytest.raises(OptionError, match="functional model.*Received: Own"):
        heat_maps(Own(), pictures())
    image = keras.Input((16, 16, 3))
    flat = keras.Model(image, keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(image)))
    with pytest.raises(OptionError, match="no feature map"):
        heat_maps(flat, pictures())
    with pytest.raises(OptionError, match="one output"):
        heat_maps(keras.Model(image, [flat(image), flat(image)]), pictures())


def test_a_diverged_network_is_told(tiny):
    model = nested(tiny)
    model.set_weights([np.full_like(one, np.nan) for one in model.get_weights()])
    with pytest.raises(DataError, match="no numbers"):
        heat_maps(model, pictures(), np.zeros(5, int))


widths = st.floats(0.01, 0.49)


@given(st.integers(1, 40), st.integers(1, 40), widths)
def test_an_even_map_has_the_even_share_at_any_size(height, width, frame):
    np.testing.assert_allclose(border_share(np.full((1, height, width), 0.3), frame), even_share(frame), atol=1e-9)


@given(arrays.arrays(np.float32, (2, 7, 9), elements=st.floats(0, 1, width=16)), st.floats(0.001, 1000), widths)
def test_the_border_share_is_a_share_that_scale_and_turns_do_not_change(maps, factor, frame):
    found = border_share(maps, frame)
    np.testing.assert_array_equal(np.isnan(found), maps.max(axis=(1, 2)) == 0)
    assert ((found >= 0) & (found <= 1) | np.isnan(found)).all()
    np.testing.assert_allclose(border_share(maps.astype(float) * factor, frame), found, atol=1e-9)
    np.testing.assert_allclose(border_share(maps[:, ::-1].transpose(0, 2, 1), frame), found, atol=1e-9)


def test_border_shares_by_hand():
    maps = np.zeros((4, 20, 20))
    maps[0, 0, 5], maps[1, 10, 10], maps[2, 1:3, 10] = 1, 1, 1
    np.testing.assert_allclose(border_share(maps), [1, 0, 0.5, np.nan])
    half = np.zeros((1, 5, 5))
    half[0, 0, 2] = 1  # half of this pixel lies in a frame of a tenth
    np.testing.assert_allclose(border_share(half), [0.5])
    assert even_share() == pytest.approx(0.36)


@pytest.mark.parametrize("width", [0, 0.5, -0.1, "wide"])
def test_a_frame_that_is_none_is_refused(width):
    with pytest.raises(OptionError, match="width"):
        border_share(np.ones((1, 4, 4)), width)
    with pytest.raises(OptionError, match="width"):
        even_share(width)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "efficientnet_lite0", "densenet121", "convnext_tiny"])
def test_real_backbones_nested_and_in_an_average(name):
    images = pictures(2, (64, 64))
    model = (
        nested(lk.backbones.get(name), (64, 64))
        if name == "efficientnet_lite0"
        else lk.build_classifier(
            CLASSES,
            image_size=(64, 64),
            preprocessor="native",
            backbone=lk.Part(name, weights=None),
            head=lk.Part("pooled", pooling="max"),
        )
    )
    maps = {method: heat_maps(model, images, [0, 2], method=method) for method in METHODS}
    for found in maps.values():
        assert found.shape == (2, 64, 64)
        assert np.isfinite(found).all()
        assert set(found.max(axis=(1, 2)).tolist()) <= {0.0, 1.0}
    assert max(found.max() for found in maps.values()) == 1
    image = keras.Input((64, 64, 3))
    np.testing.assert_allclose(
        heat_maps(keras.Model(image, model(image)), images, [0, 2]), maps["hires_cam"], atol=1e-5
    )


@pytest.mark.slow
def test_a_model_of_keras_applications():
    model = keras.applications.MobileNetV2((96, 96, 3), weights=None, classes=4)
    ((_, halves),) = halves_of(model)
    assert halves.below.output.shape == (None, 3, 3, 1280)
    assert heat_maps(model, pictures(2, (96, 96)), [0, 1]).shape == (2, 96, 96)


@pytest.mark.slow
def test_in_four_lesions_the_class_is_found_where_it_is():
    """A head trained for a moment on single lesions; then two classes side by side: each map lies on its own half."""
    from lesionkit.datasets.synthetic_lesions import generate

    pairs = {"small": (8, 2), "size": (64, 64)}
    labels = np.repeat([0, 1], 20)
    lesions = [3, 8]  # melanoma and vascular lesion
    images = np.stack([generate(lesions[label], row, image_size=pairs["size"]) for row, label in enumerate(labels)])
    options = {"preprocessor": "native", "backbone": "efficientnet_lite0"}
    model = lk.build_classifier(("melanoma", "vascular"), image_size=(64, 64), **options)
    features = frozen_part(model).predict(images, verbose=0)
    head = parts(model).head
    head.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy")
    head.fit(features, labels, epochs=30, verbose=0)
    wide = lk.build_classifier(("melanoma", "vascular"), image_size=(64, 128), **options)
    wide.set_weights(model.get_weights())
    new = [[generate(one, 100 + row, image_size=(64, 64)) for row in range(6)] for one in lesions]
    both = np.concatenate([np.stack(new[0]), np.stack(new[1])], axis=2)
    for label, half in ((0, slice(0, 64)), (1, slice(64, 128))):
        maps = heat_maps(wide, both, np.full(6, label))
        assert maps[:, :, half].sum() / maps.sum() > 0.75
