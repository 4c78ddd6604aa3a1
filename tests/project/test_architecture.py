"""What an import costs, and the rules of docs/architecture.md: which file may import which."""

import ast
import functools
import graphlib
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT, layout

import lesionkit

SOURCE = Path(lesionkit.__file__).parent
PAGE = ROOT / "docs" / "architecture.md"
HEAVY = ("tensorflow", "keras", "torch")
MOST_FILES = 16
#: (file, member of a family that it imports): why.
EXCEPTIONS = {
    ("lesionkit.commands.doctor", "lesionkit.backbones.weights"): "the doctor looks where Keras keeps weights",
}


def ground():
    return {path.stem for path in SOURCE.glob("*.py")} - {"__init__", "__main__"}


def families():
    """The folders whose ``__init__`` makes a Registry."""
    return {
        path.parent.name
        for path in SOURCE.glob("*/__init__.py")
        if re.search(r"^_registry\b.*= Registry\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }


def floors():
    return {path.parent.name for path in SOURCE.glob("*/__init__.py")} - families()


def part(module):
    """The name in the list under which ``module``, such as ``lesionkit.heads.pooled``, stands."""
    name = module.split(".")[1]
    return f"{name}/" if name in families() else name


@functools.cache
def files():
    """Module -> its file, of all but the root's ``__init__`` and ``__main__``."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        module = ".".join(("lesionkit", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
        if module not in {"lesionkit", "lesionkit.__main__"}:
            found[module] = path
    return found


def imports(path):
    """The modules of lesionkit that a file imports, also inside functions and for its types."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "lesionkit")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            if node.module and node.module.split(".")[0] == "lesionkit":
                inside = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from (name if name in files() else node.module for name in inside)


@functools.cache
def arrows():
    """(importing module, imported module), files alone."""
    return [(module, imported) for module, path in files().items() for imported in imports(path)]


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


in_the_project = pytest.mark.skipif(not PAGE.exists(), reason="docs/architecture.md is not here")


def test_importing_lesionkit_imports_nothing_heavy():
    code = "import json, sys, lesionkit; print(json.dumps(sorted(sys.modules)))"
    found = python(code)
    assert "lesionkit" in found
    assert not {*HEAVY, "numpy", "matplotlib", "PIL", "scipy", "sklearn"} & set(found)


def light():
    """The modules that import no TensorFlow: rule 5."""
    lines = layout()
    whole = {name.rstrip("/") for name in lines[: lines.index("auditing") + 1]} | {"features", "reports", "commands"}
    return [
        module
        for module in files()
        if (module.split(".")[1] in whole and module != "lesionkit.features.folding")
        or module.removeprefix("lesionkit.") in families()
    ]


@in_the_project
def test_what_is_light_imports_no_tensorflow():
    names = light()
    code = (
        f"import importlib, json, sys\nfor name in {names}:\n    importlib.import_module(name)\n"
        f"    heavy = [other for other in {HEAVY} if other in sys.modules]\n"
        "    if heavy: break\nprint(json.dumps([name, heavy]))"
    )
    assert len(names) > 80
    assert python(code) == [names[-1], []]


@pytest.mark.slow
def test_every_public_name_is_there():
    code = (
        "import json, lesionkit\n"
        "found = {name: type(getattr(lesionkit, name)).__name__ for name in lesionkit.__all__}\n"
        "print(json.dumps([found, sorted(set(lesionkit.__all__) - set(dir(lesionkit)))]))"
    )
    found, hidden = python(code)
    assert set(found) == set(lesionkit.__all__)
    assert hidden == []


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'lesionkit' has no attribute 'melanoma'"):
        _ = lesionkit.melanoma


@in_the_project
def test_the_list_names_every_part_once():
    assert len(layout()) == len(set(layout()))
    assert set(layout()) == ground() | floors() | {f"{name}/" for name in families()}


@in_the_project
def test_the_drawing_shows_what_the_list_names():
    drawn = (ROOT / "docs" / "_static" / "floors.svg").read_text(encoding="utf-8")
    boxes = re.findall(r"<text[^>]*>(\w+/?)</text>", drawn.partition('text-anchor="middle"')[2].partition("</g>")[0])
    assert set(boxes) == set(layout())
    assert len(boxes) == len(layout())


@in_the_project
def test_a_file_imports_only_from_its_own_folder_and_from_what_stands_before_it():
    place = {name: number for number, name in enumerate(layout())}
    wrong = [
        f"{module} imports {imported}"
        for module, imported in arrows()
        if imported == "lesionkit" or (part(module) != part(imported) and place[part(imported)] > place[part(module)])
    ]
    assert len(arrows()) > 500  # the imports were found at all
    assert wrong == []


def test_no_two_files_import_each_other_in_a_circle():
    graph = {module: set() for module in files()}
    for module, imported in arrows():
        graph[module].add(imported)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")


def test_two_families_never_import_each_other():
    wrong = [
        f"{module} imports {imported}"
        for module, imported in arrows()
        if part(module) != part(imported) and part(module).endswith("/") and part(imported).endswith("/")
    ]
    assert wrong == []


def test_no_floor_imports_a_member_of_a_family():
    found = {
        (module, imported)
        for module, imported in arrows()
        if part(imported).endswith("/") and part(module) != part(imported) and imported.count(".") > 1
    }
    assert found == set(EXCEPTIONS)


def test_the_ground_is_eight_files_that_shadow_no_public_name():
    assert len(ground()) == 8
    modules = set(lesionkit._MODULES)
    assert not (ground() | floors() | families()) & (set(lesionkit.__all__) - modules)
    for name in modules & (ground() | floors() | families()):
        assert lesionkit._MODULES[name] == name


def test_a_floor_holds_files_and_its_docstring_alone():
    for name in floors() - {"commands", "testing"}:
        for path in SOURCE.glob(f"{name}/**/__init__.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            assert len(tree.body) == 1, path
            told = set(re.findall(r"``(\w+)/?``", ast.get_docstring(tree)))
            there = {other.stem for other in path.parent.glob("*.py")} - {"__init__"}
            there |= {other.name for other in path.parent.iterdir() if other.is_dir() and other.name != "__pycache__"}
            assert there == told, f"{path} names {told - there}, and not {there - told}"


def test_a_family_says_which_of_its_files_are_no_members():
    for name in families():
        family = importlib.import_module(f"lesionkit.{name}")
        members = {target.partition(":")[0].rpartition(".")[2] for target in family._registry._builtins.values()}
        others = {path.stem for path in SOURCE.glob(f"{name}/*.py")} - members - {"__init__"}
        told = set(re.findall(r"``(\w+)", family.__doc__))
        assert others <= told, f"lesionkit.{name} does not name {others - told}"


def test_a_folder_holds_few_files():
    counts = {path.parent: len(list(path.parent.glob("*.py"))) for path in files().values()}
    free = {SOURCE / name for name in {*families(), "commands"}}
    assert {path: count for path, count in counts.items() if count > MOST_FILES and path not in free} == {}


@in_the_project
def test_the_tests_mirror_the_packages():
    packages = {path.parent.relative_to(SOURCE) for path in SOURCE.glob("**/__init__.py")} - {Path()}
    folders = {path.parent.relative_to(ROOT / "tests") for path in ROOT.glob("tests/**/test_*.py")}
    assert folders - {Path(), Path("project")} <= packages
    assert {path for path in packages if path not in folders} == set()


def test_the_registry_needs_the_standard_library_alone():
    tree = ast.parse((SOURCE / "registry.py").read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    outside = {name.split(".")[0] for name in modules} - sys.stdlib_module_names
    assert outside == {"lesionkit"}
