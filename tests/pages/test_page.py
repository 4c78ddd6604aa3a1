"""Pages: any text shows as it is; numbers and intervals for people."""

import jinja2
import pytest
from elements import Page
from hypothesis import given
from hypothesis import strategies as st

from lesionkit.pages import page
from lesionkit.text import as_text


@given(st.text())
def test_pages_show_any_text_as_it_is(name):
    template = page._environment().from_string('<p title="{{ name }}">{{ name }}</p>')
    ((_, attributes, shown),) = Page(template.render(name=name)).elements
    assert shown == attributes["title"] == as_text(name)


def test_pages_refuse_what_they_were_not_told():
    with pytest.raises(jinja2.UndefinedError):
        page.page("report.html", told={})


def test_figures_for_people():
    none, less = page.NOTHING, "\N{MINUS SIGN}"
    assert [page.number(value) for value in (None, 1234, 0.12345, -1.5)] == [none, "1,234", "0.123", f"{less}1.500"]
    assert [page.percent(value) for value in (None, 0.4661, 1, 0)] == [none, "46.6%", "100.0%", "0.0%"]
    assert [page.points(value) for value in (None, 0.1, -0.02)] == [none, "+10.0", f"{less}2.0"]
    assert page.ends((0.391, 0.54)) == "39.1 to 54.0%"
    assert page.between((-0.1, 0.2), "points") == f" ({less}10.0 to +20.0)"
    assert page.between(None) == page.ends(None) == ""
