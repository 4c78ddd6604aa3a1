"""Every built-in member keeps the contract of its family, and each contract can be broken."""

import csv

import h5py
import numpy as np
import pytest

from lesionkit import augmenters, backbones, checks, datasets, heads, preprocessors, reports, trainers
from lesionkit.datasets.synthetic_lesions import synthetic_lesions
from lesionkit.recipe import Part
from lesionkit.testing import (
    check_augmenter,
    check_backbone,
    check_check,
    check_dataset,
    check_head,
    check_preprocessor,
    check_report,
    check_trainer,
)

slow = pytest.mark.slow


def marked(names, heavy):
    return [pytest.param(name, marks=slow) if name in heavy else name for name in names]


IDS = [f"ISIC_{number:07d}" for number in range(4)]


@pytest.fixture
def sample(tmp_path):
    """A function that writes a table of four images, and their files, and returns the paths of both."""

    def written(header, *rows, container=False):
        table, images = tmp_path / "table.csv", tmp_path / ("images.hdf5" if container else "images")
        with open(table, "w", newline="") as file:
            csv.writer(file).writerows(
                [header.split(","), *([one, *row.split(",")] for one, row in zip(IDS, rows, strict=True))]
            )
        if container:
            with h5py.File(images, "w") as file:
                file.update({one: np.bytes_(b"jpeg") for one in IDS})
        else:
            images.mkdir()
            for one in IDS:
                (images / f"{one}.jpg").write_bytes(b"no image")
        return table, images

    return written


def a_sample(name, sample, folder, tmp_path):
    """What a dataset is called with: positional arguments and options."""
    if name == "isic_folder":
        return (folder,), {}
    if name == "synthetic_lesions":
        options = {"train_per_class": 1, "test_per_class": 1, "image_size": (16, 16)}
        synthetic_lesions(tmp_path / "made", **options)
        return (tmp_path / "made",), options
    if name == "ham10000":
        return sample("image_id,lesion_id,dx,dx_type", "a,mel,histo", "a,mel,histo", "b,nv,histo", "c,nv,histo"), {}
    if name == "isic2020":
        header = "image_name,patient_id,diagnosis,benign_malignant,target"
        benign, malignant = "p,nevus,benign,0", "p,melanoma,malignant,1"
        return sample(header, benign, malignant, benign, malignant), {}
    if name == "isic2024":
        return sample("isic_id,target,patient_id", "0,p", "1,p", "0,q", "1,r", container=True), {}
    if name == "isic_archive":
        return sample("isic_id,diagnosis_1", "Benign", "Malignant", "Benign", "Malignant"), {}
    assert name == "ground_truth_csv", f"{name} needs a sample"
    header = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC"
    return sample(header, *["1,0,0,0,0,0,0", "0,1,0,0,0,0,0"] * 2), {"split": "train"}


@pytest.mark.parametrize("name", datasets.names())
def test_datasets(name, sample, folder, tmp_path):
    arguments, options = a_sample(name, sample, folder, tmp_path)
    check_dataset(datasets.get(name), *arguments, **options)


@pytest.mark.parametrize("name", checks.names())
def test_checks(name):
    check_check(checks.get(name))


@pytest.mark.parametrize("name", marked(preprocessors.names(), ["hair_removal"]))
def test_preprocessors(name):
    options = {"native": {"of": Part("imagenet_caffe")}, "rescale": {"scale": 2.0, "offset": [1.0, 2.0, 3.0]}}
    check_preprocessor(preprocessors.get(name), **options.get(name, {}))


@pytest.mark.parametrize("name", marked(augmenters.names(), ["randaugment"]))
def test_augmenters(name):
    check_augmenter(augmenters.get(name))


def smallest():
    """The smallest backbone of each paper, up to 10 million parameters: its others are built by the same lines."""
    members = sorted(map(backbones.get, backbones.names()), key=lambda one: -one.parameters)
    return sorted({one.source: one.name for one in members if one.parameters < 10_000_000}.values())


def every_backbone():
    """Every backbone; all but the smallest of each paper are for ``tox -e large``."""
    small = smallest()
    for name in backbones.names():
        marks = () if name == "mobilenet_v3_small" else (slow,) if name in small else (slow, pytest.mark.large)
        yield pytest.param(name, marks=marks)


@pytest.mark.parametrize("name", list(every_backbone()))
def test_backbones(name):
    check_backbone(backbones.get(name))


@pytest.mark.parametrize("options", [{}, {"hidden": (8,), "dropout": 0.5}, {"pooling": "flatten"}])
@pytest.mark.parametrize("name", heads.names())
def test_heads(name, options):
    check_head(heads.get(name), **options)


@slow
@pytest.mark.parametrize("name", trainers.names())
def test_trainers(name):
    options = {"FineTune": {"unfreeze": "high", "first": trainers.Frozen(epochs=1)}}
    check_trainer(trainers.get(name), epochs=3, learning_rate=0.01, **options.get(name, {}))


SUFFIXES = {"html": ".html", "json": ".json", "markdown": ".md", "model_card": ".md", "plots": ".png"}


@pytest.mark.parametrize("name", marked(reports.names(), ["html", "plots"]))
def test_reports(name):
    options = {"submission": {"layout": "isic2019"}}
    check_report(reports.get(name), SUFFIXES.get(name, ".csv"), **options.get(name, {}))
