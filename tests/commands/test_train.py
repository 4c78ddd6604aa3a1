"""lesionkit train: every option, and a plain word instead of a traceback."""

import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import lesionkit as lk
from lesionkit import backbones
from lesionkit.commands import main, parser
from lesionkit.commands.train import recipe_from, recipe_in
from lesionkit.errors import OptionError
from lesionkit.trainers import Frozen

OPTIONS = (
    "--data", "--output", "--backbone", "--weights", "--preprocessor", "--image-size", "--epochs", "--batch-size",
    "--learning-rate", "--dropout", "--hidden", "--augmenter", "--fine-tune", "--symmetries", "--validation", "--seed",
    "--recipe", "--distribute", "--sensitivity", "--prevalence", "--stress",
    "--on-unreadable", "--csv-log", "--tensorboard", "--deterministic", "--quiet",
)  # fmt: skip
FILES = [
    "card.json", "card.md", "evaluation.npz", "model.keras", "plots.png", "predictions.csv", "report.html",
    "report.json", "report.md",
]  # fmt: skip


@pytest.fixture(autouse=True)
def around(tiny, monkeypatch, tmp_path):
    """Makes ``tiny`` a name, the working folder a new one, and puts the logger back as it was."""
    monkeypatch.setitem(backbones._registry._registered, "tiny", tiny)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    logger = logging.getLogger("lesionkit")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture
def command(folder, capsys):
    """Runs the command with a small recipe and ``options``; returns (exit status, output, errors)."""

    def run(*options, backbone=("--backbone", "tiny"), data=folder):
        small = ["train", "--data", data, "--image-size", "16", "--epochs", "1", *backbone, *options]
        try:
            status = main(list(map(str, small)))
        except SystemExit as left:
            status = left.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.fixture
def untrained(monkeypatch):
    """Fails the test when a trainer is called."""
    monkeypatch.setattr(Frozen, "fit", lambda *args, **options: pytest.fail("training was reached"))


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Leaves Keras an empty cache and a network on which nothing answers."""
    from keras.src.backend import config

    home = tmp_path / "keras"
    home.mkdir()
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(home))
    monkeypatch.setattr(config, "_KERAS_DIR", str(home))


def told(answer, *words):
    """Asserts that the command ended with status 2 and one line of error that has these words."""
    status, out, err = answer
    assert status == 2
    assert all("Downloading data from" in line for line in out.splitlines())  # Keras says so
    assert "Traceback" not in err
    lines = err.splitlines()
    assert "error: " in lines[-1]
    if not lines[0].startswith("usage:"):
        assert err.startswith("error: ")
        assert len(lines) == 1
    assert all(word in lines[-1] for word in words), lines[-1]
    assert not list(Path().glob("runs/*"))
    return lines[-1]


def report(output="runs/baseline"):
    return json.loads(Path(output, "report.json").read_text(encoding="utf-8"))


def test_help_names_every_option_and_imports_no_tensorflow():
    code = (
        "import sys\nfrom lesionkit.commands import main\n"
        "try:\n"
        "    main(['train', '--help'])\n"
        "finally:\n"
        "    print('heavy:', sorted({'tensorflow', 'keras', 'sklearn'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "heavy: []" in done.stdout
    assert all(f"{option} " in done.stdout for option in OPTIONS[:-1])
    assert "--quiet" in done.stdout
    assert "our choice" in done.stdout


def recipe(*options):
    return recipe_from(parser("train").parse_args(["train", *options]))


def test_defaults_are_the_documented_recipe():
    assert recipe() == lk.documented_baseline()


def test_every_option_reaches_the_recipe():
    arguments = (
        "--backbone mobilenet_v2 --weights none --preprocessor native --image-size 64x96 --epochs 3 --batch-size 5 "
        "--learning-rate 0.01 --dropout 0.5 --hidden 7,9 --validation 0.1 --seed 4"
    )
    assert recipe(*arguments.split()) == lk.Recipe(
        preprocessor="native",
        backbone=lk.Part("mobilenet_v2", weights=None),
        head=lk.Part("pooled", hidden=(7, 9), dropout=0.5, pooling="avg"),
        image_size=(64, 96),
        trainer=lk.Part("Frozen", epochs=3, learning_rate=0.01, batch_size=5),
        validation=0.1,
        seed=4,
    )


def test_weights_and_hidden_layers_are_spelled_as_documented():
    assert recipe("--weights", "imagenet").backbone.options["weights"] == "imagenet"
    assert recipe("--weights", "None").backbone.options["weights"] == "None"  # a file of that name
    assert recipe("--weights", "w.h5").backbone.options["weights"] == "w.h5"
    assert recipe("--hidden", "none").head.options["hidden"] == ()
    assert recipe("--image-size", "64").image_size == (64, 64)


def test_a_run_writes_everything_and_says_where(command):
    status, out, _ = command("--output", "out", "--seed", "3")
    assert status == 0
    assert "accuracy" in out
    assert "report: out/report.html" in out.splitlines()[-1]
    assert sorted(os.listdir("out")) == FILES
    found = report("out")
    assert found["recipe"]["seed"] == 3
    assert found["recipe"]["trainer"]["options"]["epochs"] == 1
    assert found["substitutions"] == []


def test_an_output_with_a_name_that_is_not_utf8_is_told(command):
    name = os.fsdecode(b"caf\xe9")
    status, out, _ = command("--output", name)
    assert status == 0
    assert "report: caf\\udce9/report.html" in out
    assert sorted(os.listdir(name)) == FILES


def test_quiet_prints_the_result_only(command, caplog):
    status, out, err = command("--quiet", "--output", "out")
    assert (status, err) == (0, "")
    assert not [record for record in caplog.records if record.name.startswith("lesionkit")]
    scores, report_line = out.splitlines()[:-1], out.splitlines()[-1]
    assert [line.split(":")[0] for line in scores][1:3] == ["  as shipped", "  deduplicated"]
    assert report_line == "report: out/report.html"


def test_random_weights_of_a_real_backbone(command):
    status, _, _ = command("--weights", "none", "--image-size", "32", backbone=("--backbone", "mobilenet_v2"))
    assert status == 0
    assert report()["recipe"]["backbone"] == {"name": "mobilenet_v2", "options": {"weights": None}}


def test_a_folder_of_classes_without_test_works(command, folder):
    assert command(data=folder / "Train")[0] == 0
    assert report()["test"]["n"] == 6


def test_skip_goes_on_without_broken_images(command, copy):
    (copy / "Train/red/red1.png").write_bytes(b"")
    assert command("--on-unreadable", "skip", data=copy)[0] == 0
    assert [item["path"] for item in report()["data"]["skipped"]] == [str(copy / "Train/red/red1.png")]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--epochs 0", ["epochs", "0"]),
        ("--epochs many", ["--epochs"]),
        ("--batch-size 0", ["batch_size", "0"]),
        ("--image-size 0", ["image_size"]),
        ("--image-size 7", ["7", "at least 8"]),
        ("--image-size 8 --backbone resnet50", ["resnet50", "32", "8"]),
        ("--image-size 1x2x3", ["--image-size"]),
        ("--image-size wide", ["--image-size"]),
        ("--validation 1.5", ["validation", "1.5"]),
        ("--validation -0.1", ["validation"]),
        ("--validation nan", ["validation", "nan"]),
        ("--dropout 2", ["dropout", "2"]),
        ("--dropout nan", ["dropout", "nan"]),
        ("--learning-rate 0", ["learning_rate", "0"]),
        ("--learning-rate -1", ["learning_rate", "-1"]),
        ("--learning-rate nan", ["learning_rate", "nan"]),
        ("--learning-rate inf", ["learning_rate", "inf"]),
        ("--seed -1", ["seed", "-1"]),
        ("--seed 4294967296", ["seed", "4294967296"]),
        ("--hidden 0", ["hidden", "0"]),
        ("--hidden few", ["--hidden"]),
        ("--backbone resnet51", ["--backbone", "resnet51", "resnet50"]),
        ("--preprocessor rescale", ["--preprocessor", "unit_range"]),
        ("--on-unreadable maybe", ["--on-unreadable", "skip"]),
        ("--epoch 3", ["--epoch"]),
        ("--backbone mobilenet_v2 --image-size 32 --weights gone.h5", ["gone.h5", "not an existing file"]),
        ("--backbone mobilenet_v2 --image-size 32 --weights None", ["None", "not an existing file"]),
    ],
)
def test_absurd_options_end_in_one_line(command, untrained, options, words):
    told(command(*options.split()), *words)


def remove(root):
    shutil.rmtree(root)


def no_classes(root):
    shutil.rmtree(root / "Train")
    shutil.rmtree(root / "Test")


def empty_class(root):
    for image in (root / "Train/red").iterdir():
        image.unlink()


def class_that_train_lacks(root):
    (root / "Test/red").rename(root / "Test/rosy")


def one_class(root):
    for label in ("red", "violet"):
        shutil.rmtree(root / "Train" / label)
        shutil.rmtree(root / "Test" / label)


def no_train(root):
    shutil.rmtree(root / "Train")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (remove, ["cannot be listed", "Train/"]),
        (no_classes, ["no class folders"]),
        (empty_class, ["Train/red", "empty"]),
        (class_that_train_lacks, ["rosy", "Train lacks"]),
        (one_class, ["two or more"]),
        (no_train, ["Train"]),
    ],
)
def test_a_folder_that_cannot_be_used_ends_in_one_line(command, copy, untrained, change, words):
    change(copy)
    told(command(data=copy), str(copy), *words)


def test_all_broken_images_are_listed(command, copy, untrained):
    broken = [copy / "Test/red/red0.png", copy / "Train/brown/brown1.png", copy / "Train/red/red2.png"]
    broken[0].write_bytes(b"")
    broken[1].write_bytes(b"no image")
    broken[2].write_bytes(broken[2].read_bytes()[:50])
    status, out, err = command(data=copy)
    assert (status, out) == (2, "")
    assert err.startswith("error: 3 images cannot be read:\n")
    assert "Traceback" not in err
    assert all(f"  {path}: " in err for path in broken)
    assert "--on-unreadable skip" in err.splitlines()[-1]
    assert not list(Path().glob("runs/*"))


def test_an_output_that_is_a_file_is_refused(command, untrained):
    Path("out").write_text("mine")
    told(command("--output", "out"), "out", "is a file")
    told(command("--output", "out/below"), "out")
    assert Path("out").read_text() == "mine"


def test_an_output_with_foreign_files_is_refused(command, untrained):
    Path("out").mkdir()
    Path("out/thesis.docx").write_text("mine")
    told(command("--output", "out"), "thesis.docx")
    assert Path("out/thesis.docx").read_text() == "mine"
    assert os.listdir("out") == ["thesis.docx"]


def test_an_impossible_output_ends_in_one_line(command, untrained):
    told(command("--output", "x" * 300), "shorter")
    told(command("--output", "."), "folder")


def test_what_an_option_names_is_looked_at_before_the_work(command, untrained):
    Path("logs").mkdir()
    Path("mine.json").write_text('{"schema_version": 1, "colour": "blue"}')
    told(command("--csv-log", "logs"), "Cannot write logs")
    with pytest.raises(OptionError, match=r"mine\.json cannot be read as a recipe: .*colour"):
        recipe_in("mine.json")


def test_the_improvements_are_switches(command):
    switches = ["--fine-tune", "all", "--augmenter", "flip_rotate_shift", "--symmetries", "--dropout", "0.2"]
    status, _, err = command(*switches, "--csv-log", "logs/epochs.csv")
    assert status == 0, err
    used = report()["recipe"]
    assert used["augmenter"]["name"] == "flip_rotate_shift"
    assert used["trainer"]["options"]["unfreeze"] == "all"
    assert used["trainer"]["options"]["first"]["epochs"] == 1
    assert report()["test"]["views"] == 8
    assert len(report()["history"]["loss"]) == 2
    assert len(Path("logs/epochs.csv").read_text().splitlines()) == 3  # a head and an epoch of each phase


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is not None, reason="tensorboard is installed")
def test_without_tensorboard_its_log_is_refused_before_training(command, untrained):
    told(command("--tensorboard", "logs"), "pip install tensorboard")


def test_an_interrupted_run_says_so(command, monkeypatch):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("lesionkit.experiments.workflow.run_recipe", interrupt)
    status, out, err = command()
    assert (status, out) == (130, "")
    assert err.startswith("stopped")
    assert len(err.splitlines()) == 1


def test_without_resnet50s_weights_the_substitute_runs_and_every_report_says_so(command, offline, monkeypatch):
    titles = []
    monkeypatch.setattr(Figure, "suptitle", lambda self, text, **options: titles.append(text))
    status, _, err = command("--image-size", "32", backbone=())
    assert status == 0
    (note,) = err.splitlines()
    assert "ResNet50" in note
    assert "efficientnet_lite0" in note
    assert report()["substitutions"] == [note]
    assert report()["recipe"]["backbone"]["name"] == "efficientnet_lite0"
    lines = [line for line in Path("runs/baseline/report.md").read_text(encoding="utf-8").splitlines() if line]
    assert lines[1].startswith("> ")
    assert note.replace("_", "\\_") in lines[1]
    assert titles == [note]
    assert lk.load("runs/baseline").card["substitutions"] == [note]


@pytest.mark.parametrize("asked", [("--backbone", "resnet50"), ("--weights", "imagenet")])
def test_resnet50_asked_for_is_never_replaced(command, offline, untrained, asked):
    line = told(command("--image-size", "32", backbone=asked), "resnet50")
    ways = ("(1) a local file", "(2) Keras's cache", "(3) another backbone")
    assert all(way in line for way in ways)


def test_another_backbone_is_never_replaced(command, offline, untrained):
    told(command("--image-size", "32", backbone=("--backbone", "mobilenet_v2")), "mobilenet_v2", "another backbone")


def test_without_the_offline_package_nothing_is_put_in(command, offline, untrained, monkeypatch):
    monkeypatch.setattr("lesionkit.commands.options.find_spec", lambda name: None)
    told(command("--image-size", "32", backbone=()), "resnet50", "lesionkit[offline]")


@pytest.mark.slow
def test_the_command_itself(folder, tmp_path):
    dead = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = {**os.environ, **dead, "KERAS_HOME": str(tmp_path / "keras")}
    environment = {name: value for name, value in environment.items() if name.lower() != "no_proxy"}

    def run(*options):
        command = [sys.executable, "-m", "lesionkit", "train", "--data", str(folder), "--image-size", "32", *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=tmp_path)

    done = run("--epochs", "1")
    assert done.returncode == 0, done.stderr
    assert "runs/baseline/report.html" in done.stdout
    assert sorted(os.listdir(tmp_path / "runs/baseline")) == FILES
    before, note, after = done.stderr.partition("ResNet50's ImageNet weights cannot be had here")
    assert note
    assert "features: " not in before  # the work has not begun
    assert "epoch 1 of 1" in after
    failed = run("--epochs", "0", "--output", "other")
    assert failed.returncode == 2
    assert failed.stderr.splitlines()[-1].startswith("error: epochs")
    assert "Traceback" not in failed.stderr
    assert not (tmp_path / "other").exists()
