"""The documentation: its examples run, every public name is in the reference, its code and links can be followed."""

import ast
import doctest
import importlib
import re
import runpy
from pathlib import Path

import pytest
from PIL import Image
from places import ROOT, layout

import lesionkit as lk

DOCS, SOURCE = ROOT / "docs", Path(lk.__file__).parent
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("api/*.md"), *ROOT.glob("*.md")])
FAMILIES = ("augmenters", "backbones", "checks", "datasets", "heads", "preprocessors", "reports", "trainers")
SCRIPTS = sorted((DOCS / "pictures").glob("*.py"))
TRAIN = ("report", "training")  # these take long: `tox -e gallery` runs them, too
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PARSER = doctest.DocTestParser()

pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="the documentation is not here")


def docstrings():
    """Where each docstring with an example stands -> its text; nothing is imported."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        module = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
        nodes = [(module, ast.parse(path.read_text(encoding="utf-8")))]
        for name, node in nodes:
            text = ast.get_docstring(node) or ""
            if ">>>" in text:
                found[name] = text
            nested = (one for one in node.body if isinstance(one, ast.ClassDef | ast.FunctionDef))
            nodes += [(f"{name}.{one.name}", one) for one in nested if not isinstance(node, ast.FunctionDef)]
    return found


def blocks(page, language):
    """The code blocks of a page in a language."""
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def public():
    """Where each public name stands, and each built-in member of a family."""
    found = {
        f"lesionkit.{lk._HOMES[name]}.{name}" if name in lk._HOMES else f"lesionkit.{lk._MODULES[name]}"
        for name in lk.__all__
    }
    for family in FAMILIES:
        members = getattr(lk, family)._registry._builtins.items()
        found |= {target.replace(":", ".") for name, target in members if family != "backbones"}
    return sorted(found)


EXAMPLES = docstrings()
TALKS = [page.name for page in PAGES if blocks(page, "pycon")]


@pytest.fixture(scope="session")
def names(cache):
    """What the examples begin with."""
    made = runpy.run_path(str(DOCS / "example_names.py"))
    return {name: made[name] for name in made["__all__"]}


@pytest.fixture
def runs(names, tmp_path, monkeypatch):
    """A function that runs the examples in a text, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(text, where):
        said = []
        runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
        runner.run(PARSER.get_doctest(text, dict(names), where, None, 0), out=said.append)
        assert not runner.failures, "".join(said)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("where", EXAMPLES)
def test_the_example_of_a_docstring_runs(where, runs):
    runs(EXAMPLES[where], where)


@pytest.mark.slow
@pytest.mark.parametrize("page", TALKS)
def test_the_examples_of_a_page_run(page, runs):
    runs("\n".join(blocks(DOCS / page, "pycon")), page)


@pytest.mark.parametrize("name", public())
def test_a_public_name_has_an_example(name):
    examples = PARSER.get_examples(EXAMPLES.get(name, ""))
    assert examples, f"the docstring of {name} has no example"
    skipped = [one for one in examples if one.options.get(doctest.SKIP)]
    assert not skipped or name == "lesionkit.reproducibility.deterministic"  # it cannot be taken back


def test_every_public_name_is_in_the_reference():
    reference = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.glob("api/*.md"))
    listed = set(re.findall(r"auto(?:class|function|exception|data):: ([\w.]+)", reference))
    for module, options in re.findall(r"automodule:: ([\w.]+)\n((?: +:.*\n)*)", reference):
        listed.add(module)
        if members := re.search(r":members:(.*)", options):
            names = re.findall(r"\w+", members[1]) or vars(importlib.import_module(module))
            listed |= {f"{module}.{name}" for name in names}
    short = {f"lesionkit.{lk._HOMES[name]}.{name}": f"lesionkit.{name}" for name in lk._HOMES}
    missing = [name for name in public() if not {name, short.get(name)} & listed]
    assert missing == []


def test_the_reference_has_a_page_for_each_folder_in_their_order():
    listed = re.findall(r"^api/(\w+)$", (DOCS / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(path.stem for path in DOCS.glob("api/*.md"))
    ground = {path.stem for path in SOURCE.glob("*.py")}
    folders = [
        name.rstrip("/") for name in layout() if name not in {*ground, "pages", "commands"}
    ]  # not to import from
    assert listed == ["ground", *folders]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_on_a_page_can_be_read_and_names_what_is_there(page):
    for code in blocks(page, "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "lk":
                assert node.attr in lk.__all__, f"lk.{node.attr}"
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lesionkit"):
                there = importlib.import_module(node.module)
                assert all(hasattr(there, alias.name) for alias in node.names), ast.unparse(node)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_in_the_project_is_there(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize("script", [one for one in SCRIPTS if one.stem not in TRAIN], ids=lambda script: script.stem)
def test_a_script_draws_what_the_gallery_shows(script, tmp_path):
    runpy.run_path(str(script))["draw"](tmp_path)
    drawn = list(tmp_path.iterdir())
    assert drawn
    for file in drawn:
        with Image.open(file) as made, Image.open(DOCS / "_static" / file.name) as shown:
            assert made.format == shown.format
            assert len(made.convert("RGB").getcolors(2**24)) > 20  # not blank


def test_every_picture_is_used_and_its_script_is_in_the_gallery():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    unused = [
        path.name
        for path in (DOCS / "_static").iterdir()
        if path.suffix != ".css" and f"_static/{path.name}" not in text
    ]
    assert unused == []
    gallery = (DOCS / "gallery.md").read_text(encoding="utf-8")
    assert [script.name for script in SCRIPTS if f"pictures/{script.name}" not in gallery] == []
