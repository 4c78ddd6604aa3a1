"""A folder with one folder of images for each class, in every shape that it comes in."""

import html
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionkit.data.tables import image_id
from lesionkit.datasets.isic_folder import isic_folder
from lesionkit.errors import DataError

not_utf8 = pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="file names are Unicode here")


@pytest.fixture
def make(tmp_path):
    """A function that makes files of no content at ``paths`` below a new folder, and returns it."""

    def made(*paths):
        root = tmp_path / "lesions"
        for path in paths:
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        return root

    return made


def rows(records):
    return [(row.split, row.label, Path(row.source).name) for row in records]


def test_train_and_test_are_splits(make):
    root = make("Train/b/1.jpg", "Train/a/2.jpg", "Test/a/3.jpg")
    records = isic_folder(root)
    assert rows(records) == [("train", "a", "2.jpg"), ("train", "b", "1.jpg"), ("test", "a", "3.jpg")]
    assert records.class_names == ("a", "b")
    assert list(records.source) == [f"{root}/Train/a/2.jpg", f"{root}/Train/b/1.jpg", f"{root}/Test/a/3.jpg"]


def test_a_folder_of_classes_is_in_no_split(make):
    assert rows(isic_folder(make("b/1.jpg", "a/2.jpg"))) == [("", "a", "2.jpg"), ("", "b", "1.jpg")]


def test_validation_is_a_split(make):
    records = isic_folder(make("Train/a/1", "Train/b/2", "Test/a/3", "Validation/b/4"))
    assert [row.split for row in records] == ["train", "train", "validation", "test"]


@pytest.mark.parametrize("train", ["Train", "train", "TRAIN", "training", "Training"])
@pytest.mark.parametrize(
    ("other", "split"),
    [("test", "test"), ("TESTING", "test"), ("Val", "validation"), ("valid", "validation")],
)
def test_splits_are_told_by_name_in_any_case(make, train, other, split):
    records = isic_folder(make(f"{train}/a/1", f"{train}/b/2", f"{other}/b/3"))
    assert [row.split for row in records] == ["train", "train", split]


def test_nothing_is_known_of_lesions_and_patients(make):
    records = isic_folder(make("a/1", "b/2"))
    assert all(row.picture_id is row.lesion_id is row.patient_id is None for row in records)


def test_pixels_and_suffixes_are_not_looked_at(make):
    root = make("a/1.jpg", "a/2.PNG", "a/notes.txt", "a/none", "b/3.jpg")
    assert len(isic_folder(root)) == 5


def test_hidden_and_system_files_are_ignored(make):
    root = make(
        *("Train/a/1.jpg", "Train/b/2.jpg", "Test/a/3.jpg"),
        *("Train/.DS_Store", "Train/a/.DS_Store", "Train/a/._1.jpg", "Train/a/Thumbs.db", "Train/a/desktop.ini"),
        *("__MACOSX/Train/a/1.jpg", ".git/a/1.jpg", "Train/.hidden/1.jpg", "Train/__MACOSX/1.jpg", "LICENSE"),
        *("Train/readme.txt", "Train/a/deeper/4.jpg"),
    )
    assert [row[2] for row in rows(isic_folder(root))] == ["1.jpg", "2.jpg", "3.jpg"]


@given(st.permutations(["ISIC_0000010.jpg", "ISIC_0000009.jpg", "a.jpg", "B.jpg", "é.jpg", "10.jpg", "9.jpg"]))
def test_the_order_is_that_of_the_names_whatever_the_disk_says(tmp_path_factory, files):
    root = tmp_path_factory.mktemp("lesions")
    for number, label in enumerate(("b", "a", "B")):
        (root / label).mkdir()
        for file in files if number else files[::-1]:
            (root / label / file).touch()
    records = isic_folder(root)
    assert records.class_names == ("B", "a", "b")
    assert [row.label for row in records] == ["B"] * 7 + ["a"] * 7 + ["b"] * 7
    for start in (0, 7, 14):
        assert [Path(source).name for source in records.source[start : start + 7]] == sorted(files)


def test_the_classes_are_numbered_in_the_order_given(make):
    root = make("Train/a/1", "Train/b/2", "Train/c/3", "Test/b/4")
    records = isic_folder(root, class_names=["c", "a", "b"])
    assert records.class_names == ("c", "a", "b")
    assert list(records.label) == [1, 2, 0, 2]
    assert rows(records) == rows(isic_folder(root))


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["a"], "two or more distinct"),
        (["a", "a", "b"], "two or more distinct"),
        (["a", "x"], r"each of the folder's classes once \(a, b\).*'x'"),
        (["a", "b", "x"], r"each of the folder's classes once \(a, b\).*'x'"),
    ],
)
def test_class_names_are_the_folders_names(make, asked, told):
    with pytest.raises(DataError, match=told):
        isic_folder(make("a/1", "b/2"), class_names=asked)


def test_a_name_is_the_folders_or_what_is_given(make, monkeypatch):
    root = make("a/1", "b/2")
    assert isic_folder(root).name == "lesions"
    assert isic_folder(f"{root}/").name == "lesions"
    assert isic_folder(root, name="mine").name == "mine"
    monkeypatch.chdir(root)
    assert isic_folder(".").name == "lesions"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("ISIC_0025509.jpg", "ISIC_0025509"),
        ("ISIC_0025509(1).jpg", "ISIC_0025509"),
        ("isic_0025509.JPG", "ISIC_0025509"),
        ("ISIC_0025509_downsampled.jpg", "ISIC_0025509"),
        ("copy of ISIC_0025509.tar.gz", "ISIC_0025509"),
        ("ISIC_00255091.jpg", "ISIC_00255091"),
        ("ISIC_123.jpg", "ISIC_123"),
        ("mole.one.jpg", "mole.one"),
        ("mole", "mole"),
        ("caf\udce9.jpg", "caf\udce9"),
    ],
)
def test_the_image_id_is_the_isic_identifier_or_the_stem(file, name):
    assert image_id(f"ISIC_7777777/{file}") == name


@given(st.integers(0, 9_999_999), st.sampled_from(["", "(1)", " copy", "_mask", "-2"]))
def test_every_isic_identifier_is_found(number, suffix):
    assert image_id(f"/a folder/ISIC_{number:07d}{suffix}.jpg") == f"ISIC_{number:07d}"


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>".replace("/", "\N{FRACTION SLASH}"),
        "a & b",
        "病変",
        "Läsion é",
        " two  spaces ",
        "'\"",
    ],
)
def test_a_class_may_have_any_name(make, name):
    records = isic_folder(make(f"Train/{name}/an image.jpg", "Train/nevus/1.jpg", f"Test/{name}/2.jpg"))
    assert set(records.class_names) == {name, "nevus"}
    assert records.counts()["train"][name] == records.counts()["test"][name] == 1
    assert all(Path(source).is_file() for source in records.source)
    assert f"<td>{html.escape(name)}</td>" in records._repr_html_()


@not_utf8
def test_names_that_are_not_utf8_are_kept_and_shown_escaped(tmp_path):
    root = os.path.join(os.fsencode(tmp_path), b"r\xe9sum\xe9")
    for folder, file in ((b"na\xe9vus", b"caf\xe9.jpg"), (b"melanoma", b"1.jpg")):
        os.makedirs(os.path.join(root, folder))
        with open(os.path.join(root, folder, file), "wb"):
            pass
    records = isic_folder(os.fsdecode(root))
    assert [os.fsencode(name) for name in records.class_names] == [b"melanoma", b"na\xe9vus"]
    assert os.fsencode(records.source[1]) == os.path.join(root, b"na\xe9vus", b"caf\xe9.jpg")
    assert all(Path(source).is_file() for source in records.source)
    assert r"na\udce9vus: no split 1" in repr(records)
    assert r"r\udce9sum\udce9" in repr(records)
    repr(records).encode("utf-8")


@not_utf8
def test_an_error_shows_names_that_are_not_utf8_escaped(tmp_path):
    with pytest.raises(DataError, match=r"caf\\udce9 cannot be listed") as raised:
        isic_folder(tmp_path / os.fsdecode(b"caf\xe9"))
    str(raised.value).encode("utf-8")


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(DataError, match=r"nowhere cannot be listed \(No such file.*Give the folder that holds Train/"):
        isic_folder(tmp_path / "nowhere")


def test_a_file_is_no_folder(make):
    with pytest.raises(DataError, match=r"image\.jpg cannot be listed \(Not a directory\)"):
        isic_folder(make("image.jpg") / "image.jpg")


@pytest.mark.parametrize("paths", [["1.jpg", "2.jpg"], [".hidden/1.jpg"], ["Train/1.jpg", "Test/a/2.jpg"]])
def test_a_folder_without_classes_is_told(make, paths):
    with pytest.raises(DataError, match="holds no class folders"):
        isic_folder(make(*paths))


def test_one_class_is_too_few(make):
    with pytest.raises(DataError, match="two or more"):
        isic_folder(make("Train/a/1", "Test/a/2"))


@pytest.mark.parametrize("left", [".DS_Store", "Thumbs.db", "deeper/1.jpg"])
@pytest.mark.parametrize("split", ["Train", "Test"])
def test_an_empty_class_is_named(make, split, left):
    root = make("Train/a/1", "Train/b/2", "Test/a/3", f"{split}/c/{left}", "Train/c2/4")
    with pytest.raises(DataError, match=f"{split}/c is an empty class folder"):
        isic_folder(root)


@pytest.mark.parametrize(("folder", "split"), [("Test", "test"), ("Val", "validation")])
def test_a_class_that_train_lacks_is_named(make, folder, split):
    root = make("Train/a/1", "Train/b/2", f"{folder}/a/3", f"{folder}/Melanoma/4")
    with pytest.raises(DataError, match=rf"classes that Train lacks \({split}: Melanoma\)"):
        isic_folder(root)
    with pytest.raises(DataError):
        isic_folder(root, class_names=["a", "b", "Melanoma"])


def test_a_class_without_test_images_counts_none(make):
    assert isic_folder(make("Train/a/1", "Train/b/2", "Test/a/3")).counts()["test"] == {"a": 1, "b": 0}


@pytest.mark.parametrize("second", ["training", "TRAINING"])
def test_two_folders_for_one_split_are_refused(make, second):
    root = make("Train/a/1", "Train/b/2", f"{second}/a/3")
    with pytest.raises(DataError, match="holds two folders for train"):
        isic_folder(root)


def test_a_test_folder_alone_is_refused(make):
    with pytest.raises(DataError, match="holds a folder for test but none called Train"):
        isic_folder(make("Test/a/1", "Test/b/2"))


def test_the_real_folder(nine_class_folder):
    records = isic_folder(nine_class_folder)
    assert len(records.class_names) == 9
    assert len(records.where(split="train")) == 2239 + 2  # two more than its authors count
    assert len(records.where(split="test")) == 118
    assert records.class_names[:3] == ("actinic keratosis", "basal cell carcinoma", "dermatofibroma")
    assert all(name.startswith("ISIC_") and len(name) == 12 for name in records.image_id)
