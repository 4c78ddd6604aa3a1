"""report.html: what it tells, names of any kind in it, one file that is complete or absent."""

import dataclasses
import errno
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from elements import Page
from evaluations import HOSTILE, PICTURE, SCRIPT, full

from lesionkit import reports
from lesionkit.errors import StorageError
from lesionkit.evaluation.evaluation import Evaluation
from lesionkit.pages.page import points
from lesionkit.reports.json_report import content
from lesionkit.text import as_text


def write(evaluation, folder):
    return reports.get("html")(evaluation, folder / "report.html").read_text(encoding="utf-8")


def bare(names=("a", "b"), n=12):
    """What is known of plain arrays."""
    probabilities = np.random.default_rng(0).dirichlet(np.ones(len(names)), n)
    return Evaluation(tuple(names), probabilities, np.arange(n) % len(names), ("",) * n, ("",) * n)


@pytest.fixture(scope="module")
def evaluation():
    return full()


@pytest.fixture(scope="module")
def small():
    return full(("melanoma", "nevus"), n=24, held_out=24, pictures=1)


@pytest.fixture(scope="module")
def told(evaluation):
    return content(evaluation)


@pytest.fixture(scope="module")
def text(evaluation, tmp_path_factory):
    return write(evaluation, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    return Page(write(full(HOSTILE, n=64, held_out=64), tmp_path_factory.mktemp("hostile")))


def test_it_asks_nothing_of_the_network_and_runs_nothing(page):
    for tag, attributes, _ in page.elements:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form"}
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:image/jpeg;base64,")), attributes
    assert "url(" not in "".join(page.text("style"))
    (policy,) = [a["content"] for _, a, _ in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy


def test_ids_are_unique_and_every_reference_has_one(page):
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    referred = {value[1:] for _, a, _ in page.elements if (value := a.get("href", "")).startswith("#")}
    referred |= {a["aria-labelledby"] for _, a, _ in page.elements if "aria-labelledby" in a}
    referred |= set(re.findall(r"url\(#([^)]+)\)", " ".join(a.get("clip-path", "") for _, a, _ in page.elements)))
    assert referred <= set(ids)
    assert {"scores", "classes", "calibration", "training", "pictures", "robustness", "data", "again"} <= referred


def test_it_can_be_read_without_seeing_it(page):
    assert page.all("html")[0][1]["lang"] == "en"
    levels = [int(tag[1]) for tag, _, _ in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table")) >= 8
    assert all(attributes.get("scope") in {"row", "col"} for _, attributes, _ in page.all("th"))
    assert all(len(attributes["alt"]) > 10 for _, attributes, _ in page.all("img"))
    assert all(a["role"] == "img" and len(a["aria-label"]) > 20 for _, a, _ in page.all("svg"))
    assert len(page.all("img")) == 12
    assert len(page.all("svg")) >= 9 + 8


def test_it_tells_what_report_json_tells(page, told, evaluation):
    assert page.with_id("scores").count("95%") >= 2
    for name in ("as_shipped", "deduplicated", "lesion_clean"):
        one = told["scores"][name]
        low, high = one["intervals"]["accuracy"]
        assert f"{100 * one['accuracy']:.1f}% {100 * low:.1f} to {100 * high:.1f}%" in page.with_id("scores")
    assert f"{points(told['shortcut']['gain']['accuracy'])} points of accuracy" in page.with_id("scores")
    assert not re.search(r"\b(nan|None|inf)\b", " ".join(page.text("td", "p", "figcaption")))
    for name, one in told["classes"].items():
        assert f"{100 * one['auc']:.1f}%" in page.with_id("classes")
        assert name in page.with_id("classes")
    assert f"the temperature {told['calibration']['temperature']:.2f} fits best" in page.with_id("calibration")
    assert f"at least {told['operating_point']['threshold']:.3f}" in page.with_id("referral")
    assert f"{told['operating_point']['per_1000']['referred']['value']:.1f}" in page.with_id("referral")
    assert f"{100 * told['selective']['answered'][-1]['accuracy']:.1f}%" in page.with_id("unsure")
    assert f"{100 * told['conformal']['coverage']['overall']['coverage']:.1f}%" in page.with_id("unsure")
    assert "basal cell carcinoma, melanoma, squamous cell carcinoma" in page.with_id("classes")
    assert told["overfitting"]["diagnosis"] in page.with_id("training")
    assert told["stress"]["worst"] in page.with_id("robustness")
    assert told["command"] in page.with_id("again")
    assert told["data"]["fingerprint"]["train"] in page.with_id("again")
    assert told["hashes"]["model.keras"] in page.with_id("again")
    assert "Not a medical device" in page.text("footer")[0]


def test_what_forbids_belief_stands_before_all_figures(page, told):
    summary, forbidding = told["verdict"]["summary"], told["verdict"]["forbid"]
    header = page.text("header")[0]
    assert summary in header
    (box,) = [one for one in page.all("aside") if "forbid" in one[1]["class"]]
    assert all(sentence in box[2] for sentence in forbidding)
    assert page.elements.index(box) < page.elements.index(page.all("main")[0])


def test_confusion_matrix_and_counts_are_those_of_the_evaluation(page, evaluation):
    rows = page.text("td")
    matrix = evaluation.confusion_matrix.ravel().astype(str).tolist()
    assert " ".join(matrix) in " ".join(rows)


def test_names_appear_as_text(hostile):
    assert not hostile.all("script")
    assert all(a["src"].startswith("data:") for _, a, _ in hostile.all("img"))
    shown = hostile.text("th")
    for name in HOSTILE:
        assert as_text(name) in shown
    assert f"Test/{PICTURE}0" in " ".join(hostile.text("figcaption"))
    assert SCRIPT in hostile.with_id("again")
    assert PICTURE in hostile.with_id("data")


def test_what_is_not_known_is_said(tmp_path):
    found = Page(write(bare(), tmp_path))
    assert "How the model was trained is not known" in found.with_id("training")
    assert "No temperature was fitted: there are no held-out images" in found.with_id("calibration")
    assert "Not told" in found.with_id("referral")
    assert "Not available: there are no held-out images" in found.with_id("unsure")
    assert "recipe is not known" in found.with_id("again")
    assert "deduplicated: not computed" in found.with_id("scores")
    ids = {attributes.get("id") for _, attributes, _ in found.elements}
    assert not {"pictures", "robustness"} & ids


@pytest.mark.parametrize(
    "change",
    [
        {"held_out": None, "shortcut": None, "command": None},
        {"run": None, "stress": None},
        {"data": None, "patch": None},
    ],
    ids=lambda change: ", ".join(change),
)
def test_any_part_can_be_missing(change, small, tmp_path):
    assert not re.search(r"\b(nan|None)\b", Page(write(dataclasses.replace(small, **change), tmp_path)).text("body")[0])


def test_a_run_that_diverged_and_a_class_without_images(small, tmp_path):
    history = {**small.run.history, "loss": (1.0, float("nan"), float("inf"))}
    run = dataclasses.replace(small.run, history=history)
    diverged = dataclasses.replace(small, run=run, labels=small.labels * 0, stress=None)
    assert not re.search(r"\b(nan|None|inf)\b", Page(write(diverged, tmp_path)).text("body")[0])


def test_the_same_evaluation_gives_the_same_bytes(small, tmp_path):
    assert write(small, tmp_path) == write(full(("melanoma", "nevus"), n=24, held_out=24, pictures=1), tmp_path)


@pytest.mark.slow
def test_fifty_classes_and_many_pictures_stay_small(tmp_path):
    names = [*HOSTILE, *(f"class {place}" for place in range(50 - len(HOSTILE)))]
    found = write(full(tuple(names), n=200, pictures=12, side=224), tmp_path)
    assert len(found.encode()) < 5e6
    assert not re.search(r"\.\d{5,}", re.sub(r"base64,[^\"]*", "", found)), "no figure needs so many digits"


def test_it_is_complete_or_absent(evaluation, tmp_path, monkeypatch):
    target = tmp_path / "report.html"

    def full_disk(path, text, **options):
        path.write_bytes(text.encode()[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(StorageError, match="full"):
        reports.get("html")(bare(), target)
    assert not list(tmp_path.iterdir())
