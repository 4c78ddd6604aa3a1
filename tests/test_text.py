"""Names and texts as every file, terminal and page shows them."""

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lesionkit.text import as_text


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
