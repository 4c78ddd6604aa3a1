"""Names to factories: what is built in, registered here or installed, and what is said when it goes wrong."""

import importlib
import json
import logging
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionkit.errors import OptionError, UnknownNameError
from lesionkit.registry import Registry

BUILTINS = {"sqrt": "math:sqrt", "floor": "math:floor"}
FAMILIES = ("datasets", "preprocessors", "backbones", "heads", "trainers", "reports")
new_names = st.text(min_size=1).filter(lambda name: name not in BUILTINS)


@pytest.fixture
def registry():
    return Registry("shapes", BUILTINS)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that installs a package with one entry point among the shapes."""

    def installed(package, name, *, source="def factory(): return 'made'\n", group="lesionkit.shapes"):
        home = tmp_path / package
        info = home / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {package}_module:factory\n")
        (home / f"{package}_module.py").write_text(source)
        monkeypatch.syspath_prepend(str(home))
        monkeypatch.delitem(sys.modules, f"{package}_module", raising=False)
        importlib.invalidate_caches()
        return f"{package}_module"

    return installed


def test_a_built_in_is_the_attribute_that_its_text_names(registry):
    import math

    assert registry.get("sqrt") is math.sqrt
    assert registry.names() == ["floor", "sqrt"]


@pytest.mark.parametrize("name", ["isic_folder", "synthetic_lesions"])
def test_a_dataset_is_found_under_its_functions_name(name):
    from lesionkit import datasets

    assert datasets.get(name).__name__ == name


@given(st.dictionaries(new_names, st.integers()))
def test_what_is_registered_is_got_back(members):
    registry = Registry("shapes", BUILTINS)
    factories = {name: lambda number=number: number for name, number in members.items()}
    for name, factory in factories.items():
        assert registry.register(name, factory) is factory
    assert all(registry.get(name) is factory for name, factory in factories.items())
    assert registry.names() == sorted({*BUILTINS, *members})


def test_register_is_a_decorator_too(registry):
    @registry.register("circle")
    def circle():
        return "round"

    assert circle() == "round"
    assert registry.get("circle") is circle


def test_registries_share_nothing(registry):
    registry.register("circle", print)
    assert "circle" not in Registry("shapes", BUILTINS).names()


def test_the_same_factory_may_be_registered_again(registry):
    registry.register("circle", print)
    registry.register("circle", print)
    assert registry.get("circle") is print


def test_a_built_ins_name_is_taken(registry):
    with pytest.raises(UnknownNameError, match="'sqrt' is built in among the shapes"):
        registry.register("sqrt", print)
    assert registry.get("sqrt") is not print


def test_another_factorys_name_is_taken(registry):
    registry.register("circle", print)
    with pytest.raises(UnknownNameError, match="'circle' is registered already"):
        registry.register("circle", len)
    assert registry.get("circle") is print


@pytest.mark.parametrize("name", ["", None, 3, ("a", "b")])
def test_a_name_is_a_text(registry, name):
    with pytest.raises(OptionError, match="name among the shapes is a text"):
        registry.register(name, print)
    assert registry.names() == sorted(BUILTINS)


def test_an_unknown_name_is_told_what_is_near_what_there_is_and_how_more_is_added(registry):
    registry.register("circle", print)
    with pytest.raises(UnknownNameError) as raised:
        registry.get("sqr")
    message = str(raised.value)
    assert "No 'sqr' among the shapes. Did you mean 'sqrt'?" in message
    assert "There are: circle, floor, sqrt." in message
    assert "lesionkit.shapes.register(name, factory)" in message
    assert '"lesionkit.shapes"' in message


def test_nothing_is_proposed_for_a_name_unlike_all_others(registry):
    with pytest.raises(UnknownNameError) as raised:
        registry.get("zzzzzz")
    assert "Did you mean" not in str(raised.value)


def test_an_installed_package_brings_a_member(registry, install):
    module = install("acme", "square")
    assert registry.get("square")() == "made"
    assert registry.get("square") is sys.modules[module].factory


def test_listing_imports_no_installed_package(registry, install):
    module = install("acme", "square", source="raise RuntimeError('imported')\n")
    assert registry.names() == ["floor", "sqrt", "square"]
    assert registry.get("sqrt")(4) == 2
    assert module not in sys.modules


def test_a_package_adds_to_its_own_family_only(registry, install):
    install("acme", "square", group="lesionkit.colours")
    assert "square" not in registry.names()


def test_a_member_is_known_to_be_of_what_brings_it(registry, install):
    module = install("acme", "square")
    install("zenith", "cube")
    install("acme_too", "cube")
    assert registry.origin("sqrt") == "built in"
    assert registry.origin("square") == "acme 1.0"
    assert set(registry.origin("cube").split(" and ")) == {"acme_too 1.0", "zenith 1.0"}
    registry.register("square", abs)  # what is registered goes before what is installed
    assert registry.origin("square") == "registered in this process"
    with pytest.raises(UnknownNameError, match=r"No 'sqare' .* 'square'"):
        registry.origin("sqare")
    assert module not in sys.modules


def test_two_packages_with_one_name_are_an_error_naming_both(registry, install):
    install("acme", "square")
    install("zenith", "square")
    assert registry.names().count("square") == 1
    with pytest.raises(UnknownNameError, match="'square' among the shapes is claimed by") as raised:
        registry.get("square")
    assert "acme 1.0" in str(raised.value)
    assert "zenith 1.0" in str(raised.value)


def test_a_package_that_stands_on_the_path_twice_is_one_package(registry, install, monkeypatch):
    install("acme", "square")
    monkeypatch.syspath_prepend(sys.path[0])
    assert registry.get("square")() == "made"


def test_a_package_cannot_shadow_a_built_in(registry, install, caplog):
    import math

    module = install("acme", "sqrt")
    with caplog.at_level(logging.WARNING, logger="lesionkit"):
        assert registry.names() == sorted(BUILTINS)
        registry.names()
    assert [record.getMessage() for record in caplog.records] == [
        "acme 1.0 brings 'sqrt' to the shapes, which is built in: the built-in stays."
    ]
    assert registry.get("sqrt") is math.sqrt
    assert module not in sys.modules


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import a_module_that_is_not_there\n", "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
        ("raise RuntimeError('needs a licence')\n", "RuntimeError: needs a licence"),
        ("x = 1\n", "AttributeError"),
        ("x = = 1\n", "SyntaxError"),
    ],
)
def test_a_package_that_fails_to_import_says_whose_it_is_and_why(registry, install, source, why):
    module = install("acme", "square", source=source)
    with pytest.raises(UnknownNameError) as raised:
        registry.get("square")
    message = str(raised.value)
    assert "acme 1.0" in message
    assert f"{module}:factory" in message
    assert why in message
    assert raised.value.__cause__ is not None


def test_listing_every_family_imports_no_tensorflow():
    code = (
        "import importlib, json, sys\n"
        f"names = {{family: importlib.import_module('lesionkit.' + family).names() for family in {FAMILIES}}}\n"
        "print(json.dumps([names, [name for name in ('tensorflow', 'keras', 'torch') if name in sys.modules]]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    listed, imported = json.loads(done.stdout)
    assert imported == []
    assert {"isic_folder", "synthetic_lesions"} <= set(listed["datasets"])
    assert {"unit_range", "imagenet_caffe", "imagenet_torch", "symmetric_range", "native"} <= set(
        listed["preprocessors"]
    )
    assert {"resnet50", "efficientnet_lite0"} <= set(listed["backbones"])
    assert "pooled" in listed["heads"]
    assert "Frozen" in listed["trainers"]
    assert {"json", "markdown", "plots"} <= set(listed["reports"])
