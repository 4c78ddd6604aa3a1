"""An evaluation on disk: what comes back is what was written, and what cannot be read is refused in words."""

import dataclasses

import numpy as np
import pytest
from evaluations import answers, evaluation, summary

from lesionkit import reports
from lesionkit.data.records import Skipped
from lesionkit.errors import BundleError
from lesionkit.evaluation.evaluation import Picture
from lesionkit.evaluation.files import NAME, read_evaluation, write_evaluation
from lesionkit.metrics.aims import Aims
from lesionkit.metrics.robustness import Stress, Stressed
from lesionkit.reports.json_report import content


def stressed(**options):
    row = Stressed("hair", 1, 0.5, 0.4, -0.1, -0.1, 0.2, {"flip_rate": (0.1, 0.3)}, (-0.2, 0.1), "cannot tell")
    return Stress(120, 120, 120, 0, 0.6, 0.5, (row, dataclasses.replace(row, intervals=None, adjusted=None)), **options)


def full():
    """With everything that an evaluation can have."""
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    pictures = [
        Picture(3, "mistake", pixels, np.eye(4, dtype=np.float32), 0.5),
        Picture(4, "least certain hit", pixels + 1, np.zeros((4, 4), np.float32), None),
        Picture(5, "sample", pixels + 2),
    ]
    found = evaluation(
        data=summary({"test": 40}, skipped=(Skipped("caf\udce9.jpg", "is empty"),), licences=(("CC-0", None, 3),)),
        shortcut=answers(np.arange(120) % 3, 3, 0.5),
        patch={"file": "labels.csv", "actions": {"drop": 3}},
        substitutions=("A for B.",),
        views=8,
        stress=stressed(reason="why"),
        pictures=tuple(pictures),
        aims=Aims(sensitivity=0.95, prevalence=0.1),
        command="python examples/baseline.py --seed 3",
        findings={"leakage": "None."},
        hashes={"model.keras": "0" * 64},
    )
    return dataclasses.replace(found, held_out=dataclasses.replace(found.held_out, chosen="early stopping"))


def test_what_is_read_is_what_was_written(tmp_path):
    one = full()
    again = read_evaluation(write_evaluation(one, tmp_path / NAME))
    for item in dataclasses.fields(one):
        ours, theirs = getattr(one, item.name), getattr(again, item.name)
        if isinstance(ours, np.ndarray):
            assert np.array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
        elif item.name not in ("run", "relation", "held_out", "pictures", "data"):
            assert ours == theirs, item.name
    assert again.data == one.data
    assert again.run.recipe == one.run.recipe
    assert again.held_out.chosen == "early stopping"
    for ours, theirs in zip(one.pictures, again.pictures, strict=True):
        assert (ours.place, ours.kind, ours.border_share) == (theirs.place, theirs.kind, theirs.border_share)
        assert np.array_equal(ours.pixels, theirs.pixels)
        assert np.array_equal(ours.heat_map, theirs.heat_map)


@pytest.mark.parametrize("make", [full, evaluation, lambda: evaluation(run=None, data=None, held_out=30)])
def test_reports_of_what_is_read_tell_the_same(make, tmp_path):
    one = make()
    write_evaluation(one, tmp_path / NAME)
    assert content(read_evaluation(tmp_path)) == content(one)  # of a folder, too


def test_a_report_is_the_same_file(tmp_path):
    one = full()
    again = read_evaluation(write_evaluation(one, tmp_path / NAME))
    texts = [
        reports.get("markdown")(each, tmp_path / f"{number}.md").read_bytes()
        for number, each in enumerate((one, again))
    ]
    assert texts[0] == texts[1]


def test_what_is_no_evaluation_is_refused(tmp_path):
    path = write_evaluation(evaluation(), tmp_path / NAME)
    whole = path.read_bytes()
    flipped = whole[:3000] + bytes([whole[3000] ^ 255]) + whole[3001:]
    for damaged in (b"", b"no archive", whole[: len(whole) // 2], whole[:-40], flipped):
        path.write_bytes(damaged)
        with pytest.raises(BundleError, match="cannot be read as an evaluation"):
            read_evaluation(path)
    with pytest.raises(BundleError, match="nowhere"):
        read_evaluation(tmp_path / "nowhere")
    np.savez(path, labels=np.arange(3))
    with pytest.raises(BundleError, match="cannot be read"):
        read_evaluation(path)


def test_an_evaluation_of_a_newer_version_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("lesionkit.evaluation.files.SCHEMA_VERSION", 2)
    path = write_evaluation(evaluation(), tmp_path / NAME)
    monkeypatch.undo()
    with pytest.raises(BundleError, match="Upgrade lesionkit"):
        read_evaluation(path)
