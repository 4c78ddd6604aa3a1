"""An audit: planted faults are found, told three ways, and a patch mends what can be mended."""

import importlib
import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lesionkit as lk
from lesionkit.auditing.files import FILES, write_audit
from lesionkit.commands import main
from lesionkit.data.copies import identified
from lesionkit.data.survey import survey
from lesionkit.datasets.isic_folder import isic_folder
from lesionkit.datasets.synthetic_lesions import generate
from lesionkit.errors import UnknownNameError

CLASSES = ("melanoma", "nevus", "seborrheic keratosis")


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Three classes of generated pictures with faults: copies across labels and splits, a flip, a broken file."""
    root = tmp_path_factory.mktemp("planted") / "lesions"
    for split, count in (("Train", 12), ("Test", 4)):
        for label, name in enumerate(CLASSES):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = generate(3 * label, number, split=split, image_size=(96, 96))
                path = root / split / name / f"ISIC_{label}{split == 'Test':d}{number:05d}.png"
                Image.fromarray(pixels).save(path)
    train, test = root / "Train", root / "Test"
    shutil.copy(train / "nevus/ISIC_1000000.png", train / "melanoma/ISIC_9000000.png")
    shutil.copy(test / "melanoma/ISIC_0100001.png", train / "melanoma/ISIC_9000001.png")
    flipped = Image.open(train / "seborrheic keratosis/ISIC_2000003.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    flipped.save(test / "seborrheic keratosis/ISIC_9000002.png")
    (train / "nevus/ISIC_9000003.png").write_bytes(b"no image at all")
    return root


@pytest.fixture(scope="module")
def found(planted):
    return lk.audit(isic_folder(planted))


def kinds(findings):
    return {item.kind for item in findings.found}


def named(findings, kind):
    return [{Path(source).name for source in item.sources} for item in findings.found if item.kind == kind]


def test_a_check_that_cannot_be_imported_stops_no_audit(planted, monkeypatch, caplog):
    registry = lk.checks._registry
    monkeypatch.setitem(registry._builtins, "broken", "a_module_that_is_not_there:broken")
    monkeypatch.setattr(lk.checks, "get", lambda name: registry.get(name) if name != "broken" else refused(name))
    found = lk.audit(isic_folder(planted)[:4])
    assert set(found.findings) == set(lk.checks.names()) - {"broken"}
    assert "left out: 'broken' fails to import" in caplog.text
    with pytest.raises(UnknownNameError, match="fails to import"):
        lk.audit(isic_folder(planted)[:4], only=["broken"])


def refused(name):
    raise UnknownNameError(f"{name!r} fails to import")


def test_every_check_is_run_and_told(found):
    assert set(found.findings) == set(lk.checks.names())
    assert all(name in found.summary() and one.summary for name, one in found.findings.items())
    assert len(found) == sum(len(one.found) for one in found.findings.values()) > 0


def test_the_planted_faults_are_found(found):
    pair = {"ISIC_1000000.png", "ISIC_9000000.png"}
    assert pair in named(found.findings["exact_duplicates"], found.findings["exact_duplicates"].found[0].kind)
    assert pair in named(found.findings["label_conflicts"], "picture_conflict")
    assert any("ISIC_9000001.png" in names for names in named(found.findings["leakage"], "same_bytes"))
    assert any("ISIC_9000002.png" in names for names in named(found.findings["leakage"], "near_copy"))
    unreadable = {Path(source).name for item in found.findings["integrity"].found for source in item.sources}
    assert "ISIC_9000003.png" in unreadable


def test_an_audit_changes_nothing(planted, found):
    again = isic_folder(planted)
    assert list(again.source) == list(found.records.source)
    assert again.picture_id.tolist() == [None] * len(again)


def test_unreadable_images_have_no_identity(found):
    broken = ~found.surveyed.readable
    assert broken.sum() == 1
    assert found.records.picture_id[broken].tolist() == [None]
    assert found.records.copy_id[broken].tolist() == [None]


def test_copies_that_were_known_before_stay_linked(planted):
    records = isic_folder(planted)
    first, second = 0, 5
    table = {"image_id": [records.image_id[first], records.image_id[second]], "copy_id": ["a list", "a list"]}
    known = records.join(table)
    found = identified(known, survey(known))
    assert found.copy_id[first] == found.copy_id[second]
    assert len(set(found.copy_id[:6])) == 5


def test_one_check_can_be_asked_for(planted):
    only = lk.audit(isic_folder(planted), only=["imbalance"])
    assert list(only.findings) == ["imbalance"]
    with pytest.raises(lk.LesionkitError, match="imbalanse"):
        lk.audit(isic_folder(planted), only=["imbalanse"])


def test_it_is_written_for_programs_and_people(found, tmp_path):
    folder = write_audit(found, tmp_path / "audit")
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    told = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    assert told["schema_version"] == 1
    assert set(told["checks"]) == set(found.findings)
    for name, one in found.findings.items():
        assert told["checks"][name]["summary"] == one.summary
        assert len(told["checks"][name]["findings"]) == len(one)
    text = (folder / "audit.md").read_text(encoding="utf-8")
    assert "ISIC\\_9000000.png" in text
    with Image.open(folder / "pairs.png") as sheet:
        assert np.asarray(sheet).std() > 0


def test_the_suggested_patch_mends_what_it_says(found, tmp_path):
    folder = write_audit(found, tmp_path / "audit", policy="prefer_rarer", min_per_class=5)
    patched = lk.apply_patch(found.records, folder / "labels.patch.csv")
    mended = lk.audit(patched, only=["label_conflicts", "leakage"])
    assert "picture_conflict" not in kinds(mended.findings["label_conflicts"])
    assert not {"same_bytes", "near_copy"} & kinds(mended.findings["leakage"])
    assert list(patched.where(split="test").source) == list(found.records.where(split="test").source)


def test_class_and_file_names_cannot_break_the_report(tmp_path):
    for name in ("<script>alert(1)</script>", "na|vus"):
        folder = tmp_path / "in" / name.replace("/", "_")
        folder.mkdir(parents=True)
        Image.fromarray(generate(0, len(name), image_size=(32, 32))).save(folder / "a*b.png")
        shutil.copy(folder / "a*b.png", folder / "copy.png")
    found = lk.audit(isic_folder(tmp_path / "in"))
    text = (write_audit(found, tmp_path / "out") / "audit.md").read_text(encoding="utf-8").partition("\n## ")[2]
    assert "<script>" not in text


@pytest.fixture(autouse=True)
def loudness():
    """Undoes how quiet a command makes the library."""
    logger = logging.getLogger("lesionkit")
    level = logger.level
    yield
    logger.setLevel(level)


def test_the_example_writes_the_audit(planted, tmp_path, capsys):
    importlib.import_module("audit").main(["--data", str(planted), "--output", str(tmp_path / "audit")])
    assert sorted(path.name for path in (tmp_path / "audit").iterdir()) == sorted(FILES)
    assert "leakage" in capsys.readouterr().out


def test_the_command_writes_the_audit(planted, tmp_path, capsys):
    assert main(["audit", "--data", str(planted), "--output", str(tmp_path / "audit"), "--quiet"]) == 0
    assert sorted(path.name for path in (tmp_path / "audit").iterdir()) == sorted(FILES)
    told = capsys.readouterr().out
    assert "leakage" in told
    assert "audit.md" in told


def test_the_command_joins_metadata(planted, tmp_path, capsys):
    table = tmp_path / "HAM10000_metadata.csv"
    table.write_text(
        "lesion_id,image_id,dx,dx_type,age,sex,localization\n"
        "HAM_0000001,ISIC_1000001,nv,histo,50,male,back\n"
        "HAM_0000001,ISIC_1100001,nv,histo,50,male,back\n"
        "HAM_0000002,ISIC_1000002,mel,histo,50,male,back\n"
    )
    output = tmp_path / "audit"
    given = ["--data", str(planted), "--metadata", str(table), "--output", str(output)]
    assert main(["audit", *given, "--quiet"]) == 0
    told = json.loads((output / "audit.json").read_text())
    assert any(item["kind"] == "same_lesion" for item in told["checks"]["leakage"]["findings"])
    assert len(told["checks"]["metadata_disagreement"]["findings"]) == 1
    assert "relabel" in (output / "labels.patch.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--metadata", "none.csv"], "none.csv"),
        (["--min-per-class", "-1"], "min_per_class"),
    ],
)
def test_a_users_mistake_is_a_line_and_leaves_nothing(planted, tmp_path, capsys, arguments, words):
    output = tmp_path / "audit"
    given = arguments if "--data" in arguments else ["--data", str(planted), *arguments]
    assert main(["audit", *given, "--output", str(output), "--quiet"]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_audit_imports_no_tensorflow():
    code = "import sys, lesionkit as lk; lk.audit, lk.apply_patch, lk.suggest_patch; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
