"""The Python blocks of docs/deployment.md run as they stand, and give the classifier's own answers."""

import re
import shutil
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image
from places import ROOT

import lesionkit as lk
from lesionkit.data import images

PAGE = ROOT / "docs" / "deployment.md"
EXTRA = ("ai_edge_litert", "onnx", "onnxruntime", "tf2onnx")

pytestmark = [
    pytest.mark.skipif(not PAGE.exists(), reason="docs/deployment.md is not here"),
    pytest.mark.skipif(not all(map(find_spec, EXTRA)), reason="needs the extra export"),
]


def test_every_block_runs(folder, held_out, tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = ("melanoma", "nevus", "pigmented benign keratosis")
    model = lk.build_classifier(names, image_size=(12, 10), backbone=tiny, seed=2)
    lk.save(model, "runs/baseline")
    shutil.copy(held_out.source[0], "mole.png")
    Image.open("mole.png").save("mole.jpg", quality=95)
    expected = model.predict(images.load("mole.jpg", (12, 10))[None], verbose=0)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    known = {
        "lk": lk, "p": expected, "temperature": 2.0, "operating_point": {"threshold": 0.5},
        "class_names": list(names), "malignant_classes": ["melanoma"],
    }  # fmt: skip
    for block in blocks:
        before = set(known)
        code = block.replace("<folder>", str(folder))
        exec(compile(code, str(PAGE), "exec"), known)
        if "answer" in set(known) - before:
            np.testing.assert_allclose(known["answer"]["probabilities"], expected, atol=1e-6)
        found = known.pop("probabilities", None)
        if found is not None:
            np.testing.assert_allclose(found, expected, atol=1e-2)
    assert {"answer", "session", "serve", "calibrated", "malignant", "referred", "pixels"} <= set(known)
    printed = capsys.readouterr().out
    assert names[expected.argmax()] in printed
    assert known["malignant"] == pytest.approx(expected[:, 0])
    np.testing.assert_array_equal(known["pixels"]("mole.jpg", (12, 10))[0], images.load("mole.jpg", (12, 10)))
    assert known["calibrated"].sum() == pytest.approx(1)
