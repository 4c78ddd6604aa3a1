"""The verdict: what forbids belief, what limits it, and that it says nothing against a sound evaluation."""

import dataclasses
import re

import numpy as np
import pytest
from evaluations import answers, clean, evaluation, summary

from lesionkit import reports
from lesionkit.data.records import Skipped
from lesionkit.data.relation import Relation
from lesionkit.evaluation.evaluation import HeldOut
from lesionkit.evaluation.verdict import FEWEST, verdict
from lesionkit.text import as_markdown


def related(kind, n=120):
    """The first images are of this kind."""
    relation = clean(n)
    relation.kind[:7] = kind
    return relation


def test_nothing_is_said_against_a_sound_evaluation():
    found = verdict(evaluation())
    assert found.forbid == found.caution == found.next == ()
    assert "Nothing in the data or the run forbids to believe" in found.summary


def test_the_summary_says_what_was_trained_on_what_and_how_it_did():
    summary_ = verdict(evaluation()).summary
    assert "resnet50 with ImageNet weights, frozen, at 128 x 128 pixels" in summary_
    assert "150 images, watched on 90 more (lesions), and scored on 120 test images of 3 classes" in summary_
    for name in ("as shipped", "deduplicated", "lesion-clean"):
        assert re.search(rf"{evaluation().accuracy:.1%} \[[\d., ]+\] {name}", summary_)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"relation": related("copy")}, "of 120 test images 7 are copies of images in training"),
        ({"relation": related("lesion")}, "7 show a lesion that is in training"),
        ({"relation": related("patient")}, "7 are of a patient who is in training"),
        ({"substitutions": ("lite0 for resnet50.",)}, "lite0 for resnet50."),
        ({"data": summary({"test": 40}, skipped=(Skipped("x.jpg", "is empty"),))}, "1 file."),
        ({"n": 3 * (FEWEST - 1), "relation": None}, f"Fewer than {FEWEST} test images in 3 of 3 classes"),
        ({"shortcut": answers(np.arange(120) % 3, 3, 2.0, seed=5)}, "A model that sees no lesion"),
    ],
)
def test_each_reason_against_belief_is_named(options, says):
    found = verdict(evaluation(**options))
    assert any(says in why for why in found.forbid), found.forbid
    assert "Do not quote these figures" in found.summary


def test_images_that_are_enough_and_a_weak_shortcut_forbid_nothing():
    weak = answers(np.arange(120) % 3, 3, 0.0)
    assert verdict(evaluation(n=3 * FEWEST, relation=clean(3 * FEWEST))).forbid == ()
    assert verdict(evaluation(shortcut=weak)).forbid == ()


def test_what_is_not_known_is_said():
    unknown = Relation(np.full(120, None, dtype=object), np.arange(120), np.ones(120, dtype=bool), {
        "deduplicated": "no pictures", "lesion_clean": "no lesions",
    }, ())  # fmt: skip
    found = verdict(evaluation(relation=unknown))
    assert any("not known: no pictures" in why for why in found.forbid)
    assert any("lesions or patients that are in training is not known" in why for why in found.caution)
    assert "The lesion-clean scores are not known: no lesions." in found.summary
    assert verdict(evaluation(run=None)).caution[0] == "How the model was trained is not known."


def test_overfitting_and_a_patch_are_told():
    one = evaluation(patch={"file": "labels.csv"})
    history = {**one.run.history, "val_accuracy": (0.4, 0.5, 0.5)}
    found = verdict(dataclasses.replace(one, run=dataclasses.replace(one.run, history=history)))
    assert any("40 points above" in why for why in found.caution)
    assert any("label patch was applied" in why for why in found.caution)
    assert found.forbid == ()
    history = {name: values for name, values in history.items() if not name.startswith("val_")}
    found = verdict(dataclasses.replace(one, run=dataclasses.replace(one.run, history=history)))
    assert any("whether it overfits is not known" in why for why in found.caution)


def test_thresholds_that_do_not_hold_on_the_test_images_are_told():
    easy = np.arange(300) % 3
    known = HeldOut(easy, answers(easy, 3, 6.0), np.arange(300))
    found = verdict(evaluation(n=300, relation=clean(300), skill=0.5, held_out=known))
    assert any("sensitivity of 89% on held-out images gives" in why for why in found.caution)
    assert any("hold the class of 95% of new images" in why for why in found.caution)
    alike = HeldOut(easy, answers(easy, 3, 0.5, seed=9), np.arange(300))
    assert verdict(evaluation(n=300, relation=clean(300), skill=0.5, held_out=alike)).caution == ()


def test_the_report_in_markdown_says_it_first(tmp_path):
    one = evaluation(relation=related("copy"), patch={"file": "labels.csv"})
    told = reports.get("markdown")(one, tmp_path / "report.md").read_text(encoding="utf-8")
    first = told.partition("## Scores")[0]
    for line in (*verdict(one).forbid, *verdict(one).caution, *verdict(one).next):
        assert f"- {as_markdown(line)}" in first
    assert as_markdown(verdict(one).summary) in first
    assert "Against it" not in reports.get("markdown")(evaluation(), tmp_path / "b.md").read_text(encoding="utf-8")
