import hashlib
import json
import subprocess
import sys

import numpy as np
import platformdirs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lesionkit.datasets import synthetic_lesions as module
from lesionkit.datasets.synthetic_lesions import CLASS_NAMES, generate, synthetic_lesions
from lesionkit.errors import DataError, OptionError, StorageError

SMALL = {"train_per_class": 2, "test_per_class": 1, "image_size": (16, 20)}

labels, indices, seeds = st.integers(0, 8), st.integers(0, 2**40), st.integers(0, 2**32 - 1)
splits = st.sampled_from(("Train", "Test"))


def pictures(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}


def test_pinned_image():
    digest = hashlib.sha256(generate(3, 1, image_size=(48, 64)).tobytes()).hexdigest()
    assert digest == "d08354c4834bf1f3325f37dbf201f68a1d6a46a4b5a4a2a5ba05ac454dbed8cf"


@settings(max_examples=40, deadline=None)
@given(labels, indices, splits, st.tuples(st.integers(16, 70), st.integers(16, 70)), seeds)
def test_shape_type_and_determinism_for_any_arguments(label, index, split, size, seed):
    image = generate(label, index, split=split, image_size=size, seed=seed)
    assert image.shape == (*size, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.std() > 1
    np.testing.assert_array_equal(image, generate(label, index, split=split, image_size=size, seed=seed))


@settings(max_examples=30, deadline=None)
@given(labels, indices, splits, seeds, st.sampled_from(("label", "index", "split", "seed")))
def test_each_argument_changes_the_image(label, index, split, seed, changed):
    arguments = {"label": label, "index": index, "split": split, "seed": seed}
    others = {
        "label": (label + 1) % 9,
        "index": index + 1,
        "split": "Test" if split == "Train" else "Train",
        "seed": seed ^ 1,
    }
    first = generate(**arguments, image_size=(16, 16))
    second = generate(**{**arguments, changed: others[changed]}, image_size=(16, 16))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("label", range(9))
def test_a_larger_image_shows_the_same_lesion(label):
    small = generate(label, 5, image_size=(32, 32)).astype(float)
    large = generate(label, 5, image_size=(128, 128)).reshape(32, 4, 32, 4, 3).mean(axis=(1, 3))
    assert np.corrcoef(small.ravel(), large.ravel())[0, 1] > 0.8


def test_a_long_image_is_drawn():
    assert generate(8, 0, image_size=(16, 300)).shape == (16, 300, 3)


def test_classes_can_be_told_apart_but_not_perfectly():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def features(split, count):
        rows = []
        for label in range(9):
            for index in range(count):
                image = generate(label, index, split=split, image_size=(48, 48))
                histogram = [np.histogram(image[..., c], 16, (0, 256))[0] / 100 for c in range(3)]
                rows.append(np.concatenate([image.reshape(8, 6, 8, 6, 3).mean((1, 3)).ravel(), *histogram]))
        return np.array(rows), np.repeat(np.arange(9), count)

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.02, max_iter=2000)).fit(*features("Train", 40))
    assert 0.5 < model.score(*features("Test", 15)) < 0.95


def test_layout_and_names(tmp_path):
    folder = tmp_path / "made" / "here"
    records = synthetic_lesions(folder, **SMALL)
    assert records.class_names == CLASS_NAMES
    assert all(name.startswith("synthetic ") for name in CLASS_NAMES)
    assert records.counts() == {"train": dict.fromkeys(CLASS_NAMES, 2), "test": dict.fromkeys(CLASS_NAMES, 1)}
    assert sorted(records.image_id) == [f"SYNTHETIC_{number:07d}" for number in range(27)]
    assert records.name == "synthetic lesions (generated, not real images)"
    assert sorted(path.name for path in folder.iterdir()) == ["Test", "Train", "synthetic.json"]
    assert [path.name for path in folder.parent.iterdir()] == ["here"]
    description = json.loads((folder / "synthetic.json").read_text(encoding="utf-8"))
    assert description["image_size"] == [16, 20]
    assert "not real" in description["what"]


def test_files_hold_what_generate_returns(tmp_path):
    records = synthetic_lesions(tmp_path, **SMALL, seed=7)
    for row, index, split in (
        (np.flatnonzero((records.split == "train") & (records.label == 4))[1], 1, "Train"),
        (np.flatnonzero((records.split == "test") & (records.label == 4))[0], 0, "Test"),
    ):
        with Image.open(records.source[row]) as image:
            written = np.asarray(image)
        np.testing.assert_array_equal(written, generate(4, index, split=split, image_size=(16, 20), seed=7))


def test_an_existing_folder_is_used_as_it_is(tmp_path, monkeypatch):
    first = synthetic_lesions(tmp_path / "set", **SMALL)
    monkeypatch.setattr(module, "generate", lambda *_, **__: pytest.fail("written anew"))
    again = synthetic_lesions(str(tmp_path / "set"), **SMALL)
    assert list(again.source) == list(first.source)


def test_default_folder_is_named_by_the_options(tmp_path, monkeypatch):
    monkeypatch.setenv("LESIONKIT_CACHE", str(tmp_path))
    synthetic_lesions(**SMALL)
    synthetic_lesions(**SMALL, seed=1)
    made = sorted(path.name for path in (tmp_path / "synthetic").iterdir())
    assert made == ["lesions-v1-2+1-16x20-seed0", "lesions-v1-2+1-16x20-seed1"]


def test_default_folder_lies_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.delenv("LESIONKIT_CACHE", raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
    records = synthetic_lesions(**SMALL)
    assert records.source[0].startswith(str(tmp_path / "lesionkit" / "synthetic"))


def test_other_options_in_the_same_folder_are_refused(tmp_path):
    synthetic_lesions(tmp_path, **SMALL)
    before = pictures(tmp_path)
    with pytest.raises(DataError, match="seed 0 instead of 3"):
        synthetic_lesions(tmp_path, **SMALL, seed=3)
    with pytest.raises(DataError, match=r"test_per_class 1 instead of 2, image_size \[16, 20\] instead of \[20, 20\]"):
        synthetic_lesions(tmp_path, train_per_class=2, test_per_class=2, image_size=(20, 20))
    assert pictures(tmp_path) == before


def test_another_version_is_refused(tmp_path, monkeypatch):
    synthetic_lesions(tmp_path, **SMALL)
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    with pytest.raises(DataError, match="version 1 instead of 2"):
        synthetic_lesions(tmp_path, **SMALL)


@pytest.mark.parametrize("text", ["", "[]", "{}", "\x00"])
def test_a_damaged_description_is_refused(tmp_path, text):
    synthetic_lesions(tmp_path, **SMALL)
    (tmp_path / "synthetic.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="other generated images"):
        synthetic_lesions(tmp_path, **SMALL)


def test_missing_and_added_images_are_refused(tmp_path):
    records = synthetic_lesions(tmp_path, **SMALL)
    lost = tmp_path / "lost.png"
    kept = tmp_path / "Train" / CLASS_NAMES[0] / "SYNTHETIC_0000000.png"
    assert str(kept) in records.source
    kept.rename(lost)
    with pytest.raises(DataError, match="26 images of 9 classes instead of 27 of 9"):
        synthetic_lesions(tmp_path, **SMALL)
    lost.rename(kept)
    (kept.parent / "another.png").write_bytes(b"")
    with pytest.raises(DataError, match="28 images"):
        synthetic_lesions(tmp_path, **SMALL)


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(StorageError, match=r"thesis\.txt"):
        synthetic_lesions(tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_way_is_left_alone(tmp_path):
    (tmp_path / "set").write_text("mine", encoding="utf-8")
    with pytest.raises(StorageError, match="is a file"):
        synthetic_lesions(tmp_path / "set", **SMALL)
    assert (tmp_path / "set").read_text(encoding="utf-8") == "mine"


def test_nothing_is_left_when_writing_fails(tmp_path, monkeypatch):
    def fail(label, index, **options):
        if label == 2:
            raise KeyboardInterrupt
        return generate(label, index, **options)

    monkeypatch.setattr(module, "generate", fail)
    with pytest.raises(KeyboardInterrupt):
        synthetic_lesions(tmp_path / "set", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_the_slower_of_two_writers_takes_the_others_folder(tmp_path, monkeypatch):
    def overtaken(label, index, **options):
        monkeypatch.setattr(module, "generate", generate)
        synthetic_lesions(tmp_path / "set", **SMALL)
        return generate(label, index, **options)

    monkeypatch.setattr(module, "generate", overtaken)
    assert len(synthetic_lesions(tmp_path / "set", **SMALL)) == 27
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_two_processes_at_once(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    code = (
        "import sys\n"
        "from lesionkit.datasets.synthetic_lesions import synthetic_lesions\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "print(len(synthetic_lesions(sys.argv[1], train_per_class=6, test_per_class=2, image_size=(24, 24))))\n"
    )
    command = [sys.executable, "-c", code, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as first, subprocess.Popen(command, **pipes) as second:
        assert [process.stdout.readline() for process in (first, second)] == ["ready\n", "ready\n"]
        for process in (first, second):
            process.stdin.write("go\n")
            process.stdin.flush()
        ended = [process.communicate(timeout=60) for process in (first, second)]
    assert ended == [("72\n", ""), ("72\n", "")]
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize(
    "options",
    [
        {"train_per_class": 0},
        {"test_per_class": 0},
        {"test_per_class": 1.5},
        {"train_per_class": True},
        {"image_size": (15, 16)},
        {"image_size": (16,)},
        {"image_size": "large"},
        {"seed": -1},
        {"seed": 2**32},
    ],
)
def test_options_that_cannot_work(tmp_path, options):
    with pytest.raises(OptionError, match=next(iter(options))):
        synthetic_lesions(tmp_path / "set", **{**SMALL, **options})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((9, 0), {}),
        ((-1, 0), {}),
        ((0, -1), {}),
        ((0.0, 0), {}),
        ((0, 0), {"split": "train"}),
        ((0, 0), {"image_size": (16, 8)}),
        ((0, 0), {"seed": None}),
    ],
)
def test_arguments_that_cannot_work(arguments, options):
    with pytest.raises(OptionError, match="Received"):
        generate(*arguments, **options)
