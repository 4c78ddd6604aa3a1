"""``lesionkit COMMAND``: what each prints and writes, how it ends, and that the light ones stay light."""

import csv
import importlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from evaluations import evaluation

import lesionkit as lk
from lesionkit import backbones
from lesionkit.auditing.files import FILES
from lesionkit.commands import COMMANDS, cache, doctor, info, main, search
from lesionkit.commands.list import FAMILIES, family, members
from lesionkit.evaluation.files import write_evaluation
from lesionkit.experiments.run_folder import REPORTS


@pytest.fixture(autouse=True)
def around(tiny, monkeypatch, tmp_path):
    """Makes ``tiny`` a name, the working folder a new one, and puts the loggers back as they were."""
    monkeypatch.setitem(backbones._registry._registered, "tiny", tiny)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    levels = {name: logging.getLogger(name).level for name in ("lesionkit", "tensorflow")}
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def command(capsys):
    """Runs a command line; returns (exit status, output, errors)."""

    def run(*arguments):
        try:
            status = main(list(map(str, arguments)))
        except SystemExit as left:
            status = left.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """An empty cache folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("LESIONKIT_CACHE", str(folder))
    return folder


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that installs a package with one entry point, of a module with ``source``."""

    def installed(package, family, name, source="def part(size, *, depth=3):\n    '''Returns nothing.'''\n"):
        home = tmp_path / package
        info = home / f"{package}-1.5.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.5\n")
        (info / "entry_points.txt").write_text(f"[lesionkit.{family}]\n{name} = {package}_module:part\n")
        (home / f"{package}_module.py").write_text(source)
        monkeypatch.syspath_prepend(str(home))
        monkeypatch.delitem(sys.modules, f"{package}_module", raising=False)
        importlib.invalidate_caches()

    return installed


@pytest.fixture
def healthy(own_cache, monkeypatch):
    """Has nothing installed that is broken, whatever is installed here."""
    monkeypatch.setattr(doctor, "requires", lambda name: ["numpy>=1"])


def told(answer, *words):
    """Asserts that a command ended with status 2 and one error that has these words."""
    status, out, err = answer
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert "Traceback" not in err
    assert all(word in err for word in words), err


def lines_of(text, start):
    return [line for line in text.splitlines() if line.strip("! ").startswith(start)]


class TestMain:
    def test_help_names_every_command_and_what_it_does(self, command):
        status, out, _ = command("--help")
        assert status == 0
        text = " ".join(out.split())
        assert all(f"{name} {summary}" in text for name, summary in COMMANDS.items())

    @pytest.mark.parametrize("name", COMMANDS)
    def test_every_command_has_a_help_of_its_own(self, command, name):
        status, out, err = command(name, "--help")
        assert (status, err) == (0, "")
        assert out.startswith(f"usage: lesionkit {name}")

    def test_version(self, command):
        assert command("--version") == (0, f"lesionkit {importlib.metadata.version('lesionkit')}\n", "")

    @pytest.mark.parametrize("line", ["", "trian", "list lists", "cache", "train --epoch 3", "compare", "report"])
    def test_a_command_line_that_is_none_says_how_it_is_used(self, command, line):
        status, out, err = command(*line.split())
        assert (status, out) == (2, "")
        assert err.startswith("usage: lesionkit")

    def test_the_light_commands_import_no_tensorflow(self, own_cache):
        lines = ["list", "list heads", "info resnet50", "info isic_folder", "cache info", "cache clear --yes"]
        lines += [f"{name} --help" for name in COMMANDS]
        code = (
            "import contextlib, json, sys\nfrom lesionkit.commands import main\n"
            f"for line in {lines}:\n"
            "    with contextlib.suppress(SystemExit):\n        assert main(line.split()) == 0, line\n"
            "print(sorted({'tensorflow', 'keras', 'sklearn', 'scipy'} & sys.modules.keys()))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "[]"

    def test_a_reader_that_has_gone_away_is_no_mistake(self):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([sys.executable, "-m", "lesionkit", "list"], stdout=writer, stderr=subprocess.PIPE)
        os.close(writer)
        assert (done.returncode, done.stderr) == (0, b"")

    def test_what_cannot_be_imported_is_told_in_words(self, command, monkeypatch):
        def broken(_):
            raise ImportError("libsomething.so.1: cannot open shared object file")

        monkeypatch.setattr("lesionkit.commands.list.listed_family", broken)
        told(command("list"), "libsomething.so.1", "lesionkit doctor")


class TestListAndInfo:
    def test_all_families_and_members_are_listed(self, command):
        status, out, err = command("list")
        assert (status, err) == (0, "")
        words = out.replace(",", " ").split()
        for name in FAMILIES:
            assert f"{name.capitalize()}:" in out
            assert set(family(name).names()) <= set(words)
        assert "registered in this process: tiny" in out

    def test_the_families_are_all_there_are(self):
        source = Path(lk.__file__).parent
        makes = {path.parent.name: path.read_text(encoding="utf-8") for path in source.glob("*/__init__.py")}
        assert set(FAMILIES) == {name for name, text in makes.items() if "_registry = Registry(" in text}

    def test_one_family_is_listed(self, command):
        assert command("list", "heads") == (0, "Heads: a feature map to probabilities.\n  built in: pooled\n", "")

    def test_a_member_of_a_package_is_told_with_the_package(self, command, install):
        install("kit_a", "heads", "linear")
        assert "  kit_a 1.5: linear" in command("list", "heads")[1].splitlines()
        status, out, _ = command("info", "linear")
        assert status == 0
        assert out.splitlines() == ["linear: heads, kit_a 1.5", "", "linear(size, *, depth=3)", "", "Returns nothing."]
        install("kit_b", "heads", "linear")
        assert "kit_b 1.5" in command("list", "heads")[1]
        told(command("info", "linear"), "claimed by", "kit_a", "kit_b")

    def test_a_backbone_is_told_before_it_is_built(self, command):
        status, out, _ = command("info", "resnet50")
        assert status == 0
        record = backbones.get("resnet50")
        for text in (f"{record.parameters:,}", "32 x 32", "imagenet_caffe", "conv1, conv2, conv3, conv4, conv5"):
            assert text in out
        assert "rescale, scale=0.0078125" in command("info", "efficientnet_lite0")[1]

    def test_a_function_is_told_with_its_options_and_their_defaults(self, command):
        status, out, _ = command("info", "pooled")
        assert status == 0
        assert "pooled(feature_shape, num_classes, *, hidden=(), dropout=0.0, pooling='avg')" in out
        (line,) = lines_of(out, "dropout=0.0")
        assert "share of the values dropped" in line

    def test_a_trainer_is_told_with_what_it_inherits_and_a_default_that_is_made(self, command):
        out = command("info", "FineTune")[1]
        assert "<factory>" not in out
        for name in ("epochs=10", "unfreeze", "first=Frozen()"):
            assert lines_of(out, name), name

    def test_every_member_can_be_told(self):
        for name in FAMILIES:
            for member in members(name):
                text = info.described(member)
                assert text.startswith(f"{member.name}: {name}, {member.origin}\n")
                assert len(text.splitlines()) >= 5
                assert "`" not in text.replace("`lesionkit", "")

    def test_an_unknown_name_is_told_with_those_near_it(self, command):
        told(command("info", "resnet51"), "resnet50", "lesionkit list")


class TestCache:
    @pytest.fixture
    def kept(self, own_cache, store):
        """A shard of 5 feature maps, a damaged one, an unfinished run and generated images."""
        rows = np.zeros(5, dtype=[("picture_id", "S64"), ("features", "<f4", (2, 2, 3))])
        for folder in ("features/abc", "unfinished/def", "synthetic/lesions"):
            (own_cache / folder).mkdir(parents=True)
        np.save(own_cache / "features/abc/one.npy", rows)
        (own_cache / "features/abc/two.npy").write_bytes(b"damaged")
        (own_cache / "unfinished/def/state.h5").write_bytes(b"x" * 1500)
        (own_cache / "synthetic/lesions/a.png").write_bytes(b"x" * 2_000_000)
        return own_cache

    def test_what_is_kept_is_told(self, command, kept):
        status, out, err = command("cache", "info")
        assert (status, err) == (0, "")
        features, unfinished, generated, limit = out.splitlines()
        size = sum(path.stat().st_size for path in (kept / "features/abc").iterdir())
        assert features == f"5 feature maps, {cache.in_bytes(size)}, in {kept}/features"
        assert unfinished == f"1 unfinished runs, 1.5 kB, in {kept}/unfinished"
        assert generated == f"1 sets of generated images, 2.0 MB, in {kept}/synthetic"
        assert limit.startswith("at most 20.0 GB")

    def test_an_empty_cache_is_none_of_a_problem(self, command, own_cache):
        assert "0 feature maps, 0 bytes" in command("cache", "info")[1]
        assert command("cache", "clear", "--yes") == (0, "0 bytes freed\n", "")
        assert not own_cache.exists()

    def test_nothing_is_removed_before_it_is_meant(self, command, kept):
        before = sorted(kept.rglob("*"))
        told(command("cache", "clear"), "5 feature maps", "1 unfinished runs", "--yes")
        told(command("cache", "clear", "pictures", "--yes"), "features, unfinished, generated", "pictures")
        assert sorted(kept.rglob("*")) == before

    def test_one_kind_is_removed_and_the_others_stay(self, command, kept):
        assert command("cache", "clear", "unfinished", "--yes") == (0, "1.5 kB freed\n", "")
        assert [one.count for one in cache.kept()] == [5, 0, 1]

    def test_all_is_removed(self, command, kept):
        size = sum(path.stat().st_size for path in kept.rglob("*") if path.is_file())
        assert command("cache", "clear", "--yes") == (0, f"{cache.in_bytes(size)} freed\n", "")
        assert [(one.count, one.size) for one in cache.kept()] == [(0, 0)] * 3

    @pytest.mark.parametrize(
        ("size", "text"),
        [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"),
         (1.5e9, "1.5 GB"), (2e13, "20000.0 GB")],
    )  # fmt: skip
    def test_sizes_are_told_as_people_say_them(self, size, text):
        assert cache.in_bytes(size) == text


class TestDoctor:
    def test_nothing_broken_is_status_0(self, command, healthy, own_cache):
        status, out, _ = command("doctor")
        assert status == 0, out
        assert out.splitlines()[-1] == "Nothing is broken."
        assert not [line for line in out.splitlines() if line.startswith("!")]
        for heading in ("Versions", "Extras", "Devices", "Cache", "ImageNet weights at hand", "Plugins"):
            assert heading in out.splitlines()
        assert str(own_cache) in out
        assert "CPU" in out

    def test_versions_that_cannot_work_are_broken(self, healthy, monkeypatch):
        wanted = ["numpy>=99", "pillow>=1", "no-such-package>=2", 'nothing>=1; extra == "more"']
        monkeypatch.setattr(doctor, "requires", lambda name: wanted)
        monkeypatch.setattr(doctor, "metadata", lambda name: Extras())
        found = doctor.diagnosis()
        assert [fact.name for fact in found.broken] == ["numpy", "no-such-package"]
        assert "pip install 'no-such-package>=2'" in str(found)
        assert str(found).endswith("Broken: 2, marked with ! above.")
        (extra,) = found.sections["Extras"]
        assert not extra.broken
        assert 'pip install "lesionkit[more]"' in extra.text

    def test_a_cache_that_cannot_be_written_is_broken(self, command, healthy, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("mine")
        monkeypatch.setenv("LESIONKIT_CACHE", str(tmp_path / "file"))
        status, out, _ = command("doctor")
        assert status == 1
        (line,) = [line for line in out.splitlines() if line.startswith("!")]
        assert "choose another place" in line

    def test_a_limit_that_is_none_is_broken(self, healthy, monkeypatch):
        monkeypatch.setenv("LESIONKIT_CACHE_LIMIT", "much")
        assert ["LESIONKIT_CACHE_LIMIT" in fact.text for fact in doctor.diagnosis().broken] == [True]

    def test_without_tensorflow_the_reason_is_told(self, healthy, monkeypatch):
        monkeypatch.setitem(sys.modules, "tensorflow", None)
        (fact,) = doctor.diagnosis().broken
        assert (fact.name, "cannot be used" in fact.text) == ("TensorFlow", True)

    def test_keras_on_another_backend_is_broken(self, healthy, monkeypatch):
        import keras

        monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
        (fact,) = doctor.diagnosis().broken
        assert "KERAS_BACKEND=tensorflow" in fact.text

    def test_plugins_are_told_and_those_that_fail_are_broken(self, command, healthy, install):
        install("kit_good", "heads", "linear")
        install("kit_bad", "trainers", "Slow", "import no_such_module\n")
        install("kit_late", "backbones", "resnet50")
        status, out, _ = command("doctor")
        assert status == 1
        assert lines_of(out, "heads: linear")[0].endswith("kit_good 1.5")
        (bad,) = [line for line in out.splitlines() if line.startswith("!")]
        assert "trainers: Slow" in bad
        assert "kit_bad" in bad
        assert "no_such_module" in bad
        assert "the built-in of this name stays" in lines_of(out, "backbones: resnet50")[0]

    @pytest.mark.parametrize(
        ("file", "backbone"),
        [
            ("resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", "resnet50"),
            ("resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5", "resnet50_v2"),
            ("resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5", "resnet101"),
            ("efficientnetb0_notop.h5", "efficientnet_b0"),
            ("efficientnetv2-b0_notop.h5", "efficientnet_v2_b0"),
            ("efficientnetv2-s_notop.h5", "efficientnet_v2_s"),
            ("mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5", "mobilenet_v2"),
            ("weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5", "mobilenet_v3_small"),
            ("densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5", "densenet121"),
            ("convnext_xlarge_notop.h5", "convnext_xlarge"),
            ("xception_weights_tf_dim_ordering_tf_kernels_notop.h5", "xception"),
            ("inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5", "inception_v3"),
            ("inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5", "inception_resnet_v2"),
            ("vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", None),
        ],
    )
    def test_keras_files_are_known_by_their_names(self, file, backbone):
        assert doctor.backbone_of(file) == backbone

    def test_weights_in_keras_cache_are_told(self, healthy, tmp_path, monkeypatch):
        models = tmp_path / "keras" / "models"
        models.mkdir(parents=True)
        (models / "efficientnetb0_notop.h5").write_bytes(b"x" * 2000)
        (models / "efficientnetb1.h5").write_bytes(b"with its top")
        monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
        facts = doctor.diagnosis().sections["ImageNet weights at hand"]
        found = {fact.name: fact.text for fact in facts}
        assert found["Keras's cache"] == str(models)
        assert found["efficientnet_b0"].startswith("efficientnetb0_notop.h5, 2.0 kB")
        assert "efficientnet_b1" not in found


class Extras:
    """Metadata with one extra."""

    def get_all(self, name):
        return ["more", "docs"]


class TestReport:
    @pytest.fixture
    def run(self, tmp_path):
        """A folder with an evaluation, as a run holds it."""
        (tmp_path / "run").mkdir()
        write_evaluation(evaluation(), tmp_path / "run" / "evaluation.npz")
        return tmp_path / "run"

    def test_reports_of_a_run_are_written_into_it(self, command, run):
        status, out, err = command("report", "--format", "markdown", "--format", "json", run)
        assert (status, err) == (0, "")
        assert out.splitlines() == [f"markdown: {run}/report.md", f"json: {run}/report.json"]
        read = lk.read_evaluation(run)
        lk.reports.get("markdown")(read, "wanted.md")
        assert (run / "report.md").read_text() == Path("wanted.md").read_text()
        assert json.loads((run / "report.json").read_text())["scores"]["as_shipped"]["n"] == len(read)

    def test_it_imports_no_tensorflow(self, run):
        line = ["report", str(run), *(word for name in REPORTS for word in ("--format", name))]
        code = (
            f"import sys\nfrom lesionkit.commands import main\nassert main({line}) == 0\n"
            "print(sorted({'tensorflow', 'keras'} & sys.modules.keys()))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "[]"

    def test_without_a_format_it_is_the_page(self, command, run):
        status, out, _ = command("report", run / "evaluation.npz")
        assert (status, out) == (0, f"html: {run}/report.html\n")
        assert sorted(os.listdir(run)) == ["evaluation.npz", "report.html"]

    def test_a_submission_is_not_put_among_the_files_of_the_run(self, command, run):
        status, out, _ = command("report", run, "--format", "submission", "--layout", "isic2019")
        assert (status, out) == (0, "submission: submission.csv\n")
        with open("submission.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 120
        assert "SCC" in rows[0]
        assert os.listdir(run) == ["evaluation.npz"]

    def test_they_go_where_they_are_wanted(self, command, run):
        assert command("report", run, "--format", "json", "--format", "submission", "--output", "out")[0] == 0
        assert sorted(os.listdir("out")) == ["report.json", "submission.csv"]
        assert command("report", run, "--format", "plots", "--output", "out/scores.pdf")[1] == "plots: out/scores.pdf\n"
        assert Path("out/scores.pdf").read_bytes().startswith(b"%PDF")

    def test_somebodys_report_is_written_to_the_file_that_is_named(self, command, run, monkeypatch):
        def count(evaluation, path):
            return Path(path).write_text(str(len(evaluation))) and Path(path)

        monkeypatch.setitem(lk.reports._registry._registered, "count", count)
        told(command("report", run, "--format", "count"), "file of count", "--output FILE")
        assert command("report", run, "--format", "count", "--output", "n.txt")[1] == "count: n.txt\n"
        assert Path("n.txt").read_text() == "120"
        told(command("report", run, "--format", "count", "--format", "json", "--output", "n.txt"), "a folder", "n.txt")

    def test_a_users_mistake_is_told(self, command, run):
        told(command("report", "nowhere"), "nowhere", "folder of a run")
        told(command("report", run, "--layout", "isic2019"), "--format submission")
        (run / "file").write_text("mine")
        told(command("report", run, "--output", run / "file"), "file")


def test_ctrl_c_is_130_and_says_what_is_left(command, folder, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("lesionkit.experiments.workflow.run_recipe", stopped)
    monkeypatch.setattr("lesionkit.commands.audit.audited", stopped)
    line = ("--data", folder)
    assert command("train", *line, "--backbone", "tiny") == (130, "", "stopped: the same command goes on from here\n")
    assert command("audit", *line) == (130, "", "stopped\n")
    assert not list(Path("runs").iterdir())


def test_a_search_with_workers_starts_itself_in_them(command, monkeypatch):
    started = {}
    monkeypatch.setattr(search, "run", lambda line, roles: started.update(line=line, roles=roles) or 3)
    monkeypatch.delenv("KERASTUNER_ORACLE_IP", raising=False)
    assert command("search", "--workers", "2", "--trials", "4") == (3, "", "")
    assert started["line"] == [sys.executable, "-m", "lesionkit", "search", "--workers", "2", "--trials", "4"]
    assert list(started["roles"]) == ["chief", "tuner0", "tuner1"]


def test_an_audit_is_written(command, folder):
    status, out, err = command("audit", "--data", folder, "--output", "out", "--quiet")
    assert (status, err) == (0, "")
    assert "report: out/audit.md" in out
    assert sorted(os.listdir("out")) == sorted(FILES)


@pytest.fixture(scope="module")
def runs(folder, tiny, tmp_path_factory):
    """Two runs that ``train`` made, and what it printed of the first."""
    root = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backbones._registry._registered, "tiny", tiny)
        for name, side in (("a", "16"), ("b", "12")):
            line = ["train", "--data", str(folder), "--backbone", "tiny", "--weights", "none", "--epochs", "1"]
            line += ["--image-size", side, "--stress", "0", "--quiet", "--output", str(root / name)]
            assert main(line) == 0
    return root / "a", root / "b"


@pytest.mark.slow
class TestFromImagesToAnswers:
    def test_a_run_is_that_of_the_recipe_and_tells_the_command(self, runs):
        told = json.loads((runs[0] / "report.json").read_text(encoding="utf-8"))
        assert told["recipe"]["image_size"] == [16, 16]
        assert lk.read_evaluation(runs[0]).command.startswith("lesionkit train --data ")

    def test_its_page_is_written_again_as_it_was(self, command, runs, tmp_path):
        formats = [word for name in ("html", "markdown", "model_card") for word in ("--format", name)]
        status, _, err = command("report", runs[0], *formats, "--output", "again")
        assert (status, err) == (0, "")
        for name in ("report.html", "report.md", "card.md"):
            assert Path("again", name).read_bytes() == (runs[0] / name).read_bytes(), name

    def test_it_answers_images(self, command, runs, folder):
        status, out, err = command("predict", "--model", runs[0], folder / "Test", "--explain", "--quiet")
        assert (status, err) == (0, "")
        assert out.startswith("9 images: ")
        assert len(list(Path("predictions_explained").glob("*.png"))) == 9
        with open("predictions.csv", newline="") as file:
            assert len(list(csv.DictReader(file))) == 9

    def test_it_is_compared(self, command, runs):
        status, out, err = command("compare", *runs, "--output", "out")
        assert status == 0, err
        assert "report: out/report.html" in out
        told = json.loads(Path("out/comparison.json").read_text(encoding="utf-8"))
        assert told["command"].startswith("lesionkit compare ")

    def test_a_search_ends_with_a_run(self, command, folder):
        line = ("--backbone", "tiny", "--weights", "none", "--epochs", "1", "--trials", "2", "--strategy", "random")
        status, out, err = command("search", "--data", folder, *line, "--output", "out")
        assert status == 0, err
        assert "leaderboard: out/leaderboard.csv" in out
        assert Path("out/best/report.html").exists()

    def test_a_mistake_ends_in_a_line(self, command, folder):
        told(command("train", "--data", "nowhere", "--backbone", "tiny"), "nowhere")
        told(command("train", "--data", folder, "--backbone", "tiny", "--epochs", "0"), "epochs")
        told(command("predict", "--model", "nowhere", folder), "nowhere")
