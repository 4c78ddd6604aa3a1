"""Figures as SVG in a page."""

import re

from elements import Page

from lesionkit.pages import svg


def draw(figure):
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], "o-", color=svg.OURS, label="日本 $x$ <b>&")
    axis.legend()


def test_a_figure_is_text_in_the_colours_of_its_page():
    drawn = svg.svg(draw, name="one", label='<"x">', height=100)
    found = Page(drawn)
    assert "日本 $x$ <b>&" in found.text("text")
    assert found.elements[0][1]["aria-label"] == '<"x">'
    assert "var(--ours)" in drawn
    assert not re.search(r"(fill|stroke): ?#", drawn)
    assert "font-family" not in drawn
    ids = [attributes["id"] for _, attributes, _ in found.elements if "id" in attributes]
    assert ids
    assert all(one.startswith("one-") for one in ids)
    assert drawn == svg.svg(draw, name="one", label='<"x">', height=100)
