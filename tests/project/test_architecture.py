"""What an import costs, and which module may import which."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lesionkit

SOURCE = Path(lesionkit.__file__).parent
HOUSE = Path(__file__).parents[1] / "docs" / "architecture.md"
HEAVY = ("tensorflow", "keras", "torch")
EXCEPTION = ("errors", "files")  # the text of an ImageError asks how to show a file's name


def order():
    """The modules and families (ending in ``/``) in the order of the list in docs/architecture.md."""
    listed = HOUSE.read_text(encoding="utf-8").partition("## The house")[2].partition("```text\n")[2]
    return re.findall(r"^(\w+/?) ", listed.partition("```")[0], flags=re.MULTILINE)


def house():
    """The modules and families that there are."""
    return {path.stem for path in SOURCE.glob("*.py") if path.stem != "__init__"} | {
        f"{path.parent.name}/" for path in SOURCE.glob("*/__init__.py")
    }


def part(module):
    """The line of the list on which ``module``, such as ``lesionkit.heads.pooled``, stands."""
    name = module.split(".")[1]
    return f"{name}/" if (SOURCE / name).is_dir() else name


def imports(path):
    """The modules of lesionkit that a file imports, also inside functions and for its types."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("lesionkit"))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            if node.module == "lesionkit":
                yield from (f"lesionkit.{alias.name}" for alias in node.names)
            elif node.module and node.module.startswith("lesionkit."):
                yield node.module


def arrows():
    """(importing part, imported part, file) for each import of one part by another."""
    for path in sorted(SOURCE.rglob("*.py")):
        if path != SOURCE / "__init__.py":
            own = part(".".join(("lesionkit", *path.relative_to(SOURCE).with_suffix("").parts)))
            for module in imports(path):
                assert module != "lesionkit", f"{path} imports the public names"
                if part(module) != own:
                    yield own, part(module), path.relative_to(SOURCE)


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


in_the_house = pytest.mark.skipif(not HOUSE.exists(), reason="docs/architecture.md is not here")


def test_importing_lesionkit_imports_nothing_heavy():
    code = "import json, sys, lesionkit; print(json.dumps(sorted(sys.modules)))"
    found = python(code)
    assert "lesionkit" in found
    assert not {*HEAVY, "numpy", "matplotlib", "PIL", "scipy", "sklearn"} & set(found)


@in_the_house
def test_no_line_down_to_heads_imports_tensorflow():
    lines = order()[: order().index("heads/") + 1]
    names = [f"lesionkit.{line.rstrip('/')}" for line in lines]
    code = (
        f"import importlib, json, sys\nfor name in {names}: importlib.import_module(name)\n"
        f"print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    )
    assert len(names) >= 10
    assert python(code) == []


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


@in_the_house
def test_the_list_names_every_part_once():
    assert len(order()) == len(set(order()))
    assert set(order()) == house()


@in_the_house
def test_a_module_imports_only_from_lines_above_it():
    place = {name: number for number, name in enumerate(order())}
    found = list(arrows())
    assert len(found) > 50  # the imports were found at all
    wrong = [
        f"{path} imports {imported}"
        for own, imported, path in found
        if place[imported] >= place[own] and (own, imported) != EXCEPTION
    ]
    assert wrong == []


def test_two_families_never_import_each_other():
    wrong = [
        f"{path} imports {imported}" for own, imported, path in arrows() if own.endswith("/") and imported.endswith("/")
    ]
    assert wrong == []


def test_the_registry_needs_the_standard_library_alone():
    tree = ast.parse((SOURCE / "registry.py").read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    outside = {name.split(".")[0] for name in modules} - sys.stdlib_module_names
    assert outside == {"lesionkit"}
