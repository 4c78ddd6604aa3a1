"""Names and texts as every file, terminal and page shows them."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionkit.text import as_text, with_interval


@given(st.text())
def test_text_that_prints_stays(name):
    kept = "".join(c for c in name if c.isprintable())
    assert as_text(kept) == kept


@given(st.text(st.characters()) | st.binary().map(os.fsdecode))
def test_any_name_becomes_text_that_utf8_holds_on_one_line(name):
    shown = as_text(name)
    assert shown.isprintable()
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert as_text(shown) == shown


def test_what_does_not_print_is_shown_as_python_writes_it():
    assert as_text(os.fsdecode(b"caf\xe9.jpg")) == r"caf\udce9.jpg"
    assert as_text("a\nb\x1b[31m.jpg") == r"a\nb\x1b[31m.jpg"
    assert as_text("Läsion 病変 😀.jpg") == "Läsion 病変 😀.jpg"
    assert as_text(Path("a") / "b") == "a/b"


@pytest.mark.parametrize(
    ("wanted", "arguments"),
    [
        ("0.568", (0.5678,)),
        ("0.568 [0.450, 0.675]", (0.5678, (0.45, 0.675))),
        ("56.78% [45.0%, 67.5%]", (0.5678, (0.45, 0.675), ".2%", ".1%")),
        ("56.8% [45.0, 67.5]", (0.5678, (0.45, 0.675), ".1%", ".1p")),
        ("-4.3 points [-9.0, +0.5]", (-0.043, [-0.09, 0.005], "+.1p", None, " points")),
        ("n/a", (None, (0.1, 0.2))),
    ],
)
def test_a_value_stands_before_its_interval(wanted, arguments):
    assert with_interval(*arguments) == wanted
