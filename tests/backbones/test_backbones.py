"""The backbones of keras.applications: their weights, what they read, where they can be cut."""

import functools
import subprocess
import sys
import warnings

import numpy as np
import pytest

from lesionkit import backbones
from lesionkit.backbones import applications
from lesionkit.errors import OptionError, WeightsError

SMALL = [
    "resnet50",
    "resnet50_v2",
    "efficientnet_b0",
    "efficientnet_v2_b0",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "densenet121",
    "convnext_tiny",
    "xception",
    "inception_v3",
]
FAMILIES = [*SMALL, pytest.param("efficientnet_v2_s", marks=pytest.mark.slow)]
LARGE = [name for name, member in applications.MEMBERS.items() if name not in SMALL and member.parameters < 100e6]
MEMBERS = [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
SHAPE = (96, 96, 3)
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.fixture(scope="module", params=MEMBERS)
def built(request):
    """A backbone and its network with random weights, built once for all the tests that look at it."""
    member = backbones.get(request.param)
    return member, member.build(SHAPE, weights=None)


def test_is_what_its_record_says(built):
    member, model = built
    assert backbones.get(member.name) is member
    assert model.count_params() == member.parameters
    assert model.input.shape == (None, *SHAPE)
    assert len(model.output.shape) == 4
    assert None not in model.output.shape[1:]


def test_stages_are_true_cuts_in_the_order_of_the_flow(built):
    member, model = built
    first, *later = member.stages
    assert (first.after, first.before) == (None, None)
    tensors = [cut(model, stage) for stage in later]
    for earlier, tensor in zip([model.input, *tensors], [*tensors, model.output], strict=True):
        assert earlier is not tensor
        assert depends(tensor, earlier)
        assert not depends(tensor, model.input, around=earlier), "there is a way around the cut"


def test_holds_no_normalisation_of_the_image(built):
    import keras

    kinds = (keras.layers.Rescaling, keras.layers.Normalization)
    scalings = [layer for layer in built[1].layers if isinstance(layer, kinds)]
    assert not scalings


@pytest.mark.parametrize("name", FAMILIES)
def test_weights_from_a_file_and_imagenet_mean_the_same_computation(name, published):
    whole, path = published(name)
    member = backbones.get(name)
    ours, from_file = member.build(SHAPE, weights="imagenet"), member.build(SHAPE, weights=str(path))
    assert all(np.array_equal(a, b) for a, b in zip(ours.get_weights(), from_file.get_weights(), strict=True))

    images = np.random.default_rng(0).uniform(0, 255, (1, *SHAPE)).astype("float32")
    natively = native(member.native, images)
    expected = computed(ours, natively)
    assert np.ptp(expected) > 0
    assert np.array_equal(computed(from_file, natively), expected)
    theirs = computed(whole(), kerasly(name, images))
    np.testing.assert_allclose(expected, theirs, atol=2e-4 * np.abs(theirs).max())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("efficientnet_b0", ".keras"),
        ("efficientnet_b0", ".weights.h5"),
        ("convnext_tiny", ".keras"),
        ("inception_v3", ".keras"),
    ],
)
def test_reads_what_was_saved_of_it(name, kind, tmp_path):
    member = backbones.get(name)
    model = member.build(SHAPE, weights=None)
    path = tmp_path / f"saved{kind}"
    (model.save if kind == ".keras" else model.save_weights)(path)
    read = member.build(SHAPE, weights=str(path))
    image = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype("float32")
    assert np.array_equal(computed(read, image), computed(model, image))


def test_reads_a_file_of_the_whole_efficientnet_with_its_normalisation(tmp_path):
    import keras

    whole = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=SHAPE)
    whole.save_weights(tmp_path / "whole.weights.h5")
    read = backbones.get("efficientnet_b0").build(SHAPE, weights=str(tmp_path / "whole.weights.h5"))
    assert all(np.array_equal(a, b) for a, b in zip(read.get_weights(), whole.get_weights()[3:], strict=True))


def test_cut_efficientnet_can_be_taken_apart():
    import keras

    model = backbones.get("efficientnet_b0").build(SHAPE, weights=None)
    middle = keras.Model(model.input, model.get_layer("block4a_expand_conv").input)
    assert middle(np.zeros((1, *SHAPE), "float32")).shape == (1, 12, 12, 40)
    assert model.input.name == "image"


def test_refuses_a_file_of_another_network(tmp_path):
    path = tmp_path / "resnet.weights.h5"
    backbones.get("resnet50").build(SHAPE, weights=None).save_weights(path)
    with pytest.raises(WeightsError, match=r"resnet\.weights\.h5 is of another network.*318 arrays"):
        backbones.get("resnet50_v2").build(SHAPE, weights=str(path))


def test_refuses_the_file_of_a_network_with_its_top(tmp_path):
    import keras

    path = tmp_path / "topped.weights.h5"
    keras.applications.EfficientNetB0(weights=None, classes=9).save_weights(path)
    with pytest.raises(
        WeightsError, match=r"topped\.weights\.h5 holds this network together with a classification top"
    ):
        backbones.get("efficientnet_b0").build(SHAPE, weights=str(path))


@pytest.mark.parametrize("name", ["xception", "inception_v3"])
def test_refuses_images_that_are_too_small(name):
    least = backbones.get(name).min_size
    with pytest.raises(OptionError, match=rf"{name} takes images of at least {least} x {least} .* {least - 1} x 200"):
        backbones.get(name).build((least - 1, 200, 3), weights=None)
    assert len(backbones.get(name).build((least, least, 3), weights=None).output.shape) == 4


@pytest.mark.parametrize("shape", [(96, 96), (96, 96, 1), (None, None, 3)])
def test_refuses_other_shapes(shape):
    with pytest.raises(OptionError, match="Received"):
        backbones.get("resnet50").build(shape, weights=None)


def test_refuses_weights_that_are_no_file():
    with pytest.raises(WeightsError, match=r'weights is "imagenet", None or the path .*\'imagnet\', which is not'):
        backbones.get("resnet50").build(SHAPE, weights="imagnet")


def test_every_member_is_registered_and_known_without_tensorflow():
    assert set(backbones.names()) >= {*applications.MEMBERS, "efficientnet_lite0"}
    code = (
        "import sys; from lesionkit import backbones; [backbones.get(name) for name in backbones.names()]; "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A file of random weights in place of Keras's published one, and what gives Keras's network with these."""

    def stand_in(name):
        import keras

        keras.backend.clear_session()
        function = getattr(keras.applications, applications._MEMBERS[name][0])
        make = functools.partial(quietly, functools.partial(function, include_top=False, input_shape=SHAPE))
        saved = make(weights=None)
        path = save_as_published(saved, tmp_path / "published_notop.h5")
        monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *_, **__: str(path))
        # Keras builds EfficientNet otherwise for its published weights: with one more scaling.
        differs = applications._MEMBERS[name][2].first is not None
        return (lambda: make(weights="imagenet") if differs else saved), path

    return stand_in


def save_as_published(model, path):
    import h5py
    import keras
    from keras.src.legacy.saving import legacy_h5_format

    generator = np.random.default_rng(1)
    model.set_weights([w + generator.uniform(-0.005, 0.005, w.shape).astype(w.dtype) for w in model.get_weights()])
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.set_weights([MEAN, DEVIATION, np.array(0)])  # deviations for variances: so it is in Keras's file
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return path


def quietly(make, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`input_shape` is undefined")
        return make(**options)


def computed(model, images):
    return np.asarray(model(images, training=False))


def native(part, images):
    formulas = {
        "imagenet_caffe": lambda x: x[..., ::-1] - np.array([103.939, 116.779, 123.68]),
        "imagenet_torch": lambda x: (x / 255 - MEAN) / DEVIATION,
        "symmetric_range": lambda x: x / 127.5 - 1,
        "rescale": lambda x, scale, offset: x * scale + offset,
    }
    return formulas[part.name](images, **part.options).astype("float32")


def kerasly(name, images):
    """``preprocess_input`` of the Keras module that the network's function lives in."""
    import keras

    module = getattr(keras.applications, applications._MEMBERS[name][0]).__module__.rsplit(".", 1)[-1]
    return getattr(keras.applications, module).preprocess_input(images.copy())


def cut(model, stage):
    assert (stage.after is None) != (stage.before is None)
    if stage.after is not None:
        return model.get_layer(stage.after).output
    return model.get_layer(stage.before).input


def depends(tensor, source, around=None):
    """Whether ``tensor`` is computed from ``source`` on any way that does not lead through ``around``."""
    seen, waiting = set(), [tensor]
    while waiting:
        current = waiting.pop()
        if current is source and source is not around:
            return True
        if id(current) in seen or current is around:
            continue
        seen.add(id(current))
        operation, node, _ = current._keras_history
        waiting += operation._inbound_nodes[node].input_tensors
    return False
