"""The public interface changes only where tests/public_api.txt and CHANGELOG.md say so."""

import ast
import re

import pytest
from packaging.version import Version
from public_api import ROOT, interface, listed, name_in, updated, version

import lesionkit

REMEDY = (
    "If this is meant, say so in CHANGELOG.md under the present version, run `python tests/public_api.py`, and read "
    "docs/deprecation.md."
)
FIRST = "0.1.0"


def untold(lines, changelog):
    """The names of (version, line) that the changelog does not mention under that version."""
    sections = dict(re.findall(r"^## \[([^\]]+)\][^\n]*\n(.*?)(?=^## |\Z)", changelog, re.DOTALL | re.MULTILINE))
    words = {version: set(re.findall(r"\w+", text)) for version, text in sections.items()}
    return [
        name_in(line)
        for version, line in lines
        if re.split(r"[./]", name_in(line))[-1] not in words.get(version, set())
    ]


@pytest.mark.slow
def test_the_interface_is_as_listed():
    there = {name: line for name, (_, line) in listed().items() if not line.startswith("removed")}
    now = interface()
    assert len(now) > 100  # names were found at all
    gone = [line for name, line in there.items() if now.get(name) != line]
    new = [line for name, line in now.items() if there.get(name) != line]
    assert (gone, new) == ([], []), REMEDY


def test_the_changelog_tells_of_every_name_that_is_new_or_changed():
    lines = [
        (since, line)
        for name, (since, line) in listed().items()
        if since != FIRST or name.isidentifier()  # of what the first version brought, the top names are enough
    ]
    assert untold(lines, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")) == [], REMEDY


PROGRAMS = [path for folder in ("benchmarks", "docs", "examples") for path in sorted(ROOT.glob(f"{folder}/**/*.py"))]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_programs_ask_lk_for_public_names_alone(path):
    """Any module that was imported before is an attribute of the package, too, until it moves."""
    names = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Attribute)]
    asked = {node.attr for node in names if isinstance(node.value, ast.Name) and node.value.id == "lk"}
    assert asked <= set(lesionkit.__all__)


def test_a_version_is_asked_for_its_own_changes():
    changelog = (
        "# Changelog\n\n## [0.2.0] - unreleased\n\n- `split` has `seed`.\n\n## [0.1.0] - 2026\n\n- `folds`, `Part`.\n"
    )
    lines = [("0.2.0", "split(records, seed=0)"), ("0.2.0", "folds(k)"), ("0.1.0", "Part(name)"), ("0.3.0", "Part(x)")]
    assert untold(lines, changelog) == ["folds", "Part"]
    assert untold([("0.2.0", "removed heads/pooled")], changelog) == ["heads/pooled"]


def test_lines_keep_their_version_until_they_change():
    before = {
        "a": ("0.1.0", "a(x)"),
        "b": ("0.1.0", "b(x)"),
        "c": ("0.1.0", "c(x)"),
        "d": ("0.1.0", "removed d"),
        "e": ("0.2.0", "e(x)"),
    }
    now = {"a": "a(x)", "b": "b(x, y=1)", "f": "f()"}
    assert updated(before, now, "0.2.0") == [
        "0.1.0 a(x)",
        "0.2.0 b(x, y=1)",
        "0.2.0 removed c",
        "0.1.0 removed d",
        "0.2.0 f()",
    ]


def test_no_line_is_of_a_version_that_is_still_to_come():
    assert max(Version(since) for since, _ in listed().values()) <= Version(version())
