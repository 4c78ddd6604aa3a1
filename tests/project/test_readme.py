"""The README's first Python block runs as it stands, on generated images and with weights that are at hand."""

import dataclasses
import re
import shutil
from pathlib import Path

from places import ROOT

import lesionkit as lk
from lesionkit.datasets.synthetic_lesions import synthetic_lesions

README = ROOT / "README.md"


def first_block():
    return re.search(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE).group(1)


def test_the_first_block_runs(tmp_path, monkeypatch):
    block = first_block()
    records = synthetic_lesions(tmp_path / "images", train_per_class=4, test_per_class=1, image_size=(48, 48))
    (folder,) = re.findall(r'get\("isic_folder"\)\("([^"]+)"\)', block)
    for written, put_in in {
        f'"{folder}"': repr(str(tmp_path / "images")),
        'backbone="resnet50"': 'backbone="efficientnet_lite0"',
        "lk.documented_baseline()": "documented",
    }.items():
        assert block.count(written) == 1
        block = block.replace(written, put_in)
    documented = dataclasses.replace(
        lk.documented_baseline(), backbone=lk.Part("efficientnet_lite0", weights="imagenet")
    )
    monkeypatch.chdir(tmp_path)
    shutil.copy(records.source[0], "mole.jpg")
    names = {"documented": documented}
    exec(compile(block, str(README), "exec"), names)
    assert len(names["evaluation"]) == 9
    assert names["run"].epochs == 10
    assert sorted(path.name for path in Path("runs/baseline").iterdir()) == [
        "card.json", "card.md", "evaluation.npz", "model.keras", "plots.png", "predictions.csv", "report.html",
        "report.json", "report.md",
    ]  # fmt: skip
    assert lk.Recipe.from_dict(lk.load("runs/baseline").card["recipe"]) == documented
