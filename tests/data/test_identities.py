"""Rows that share an identity, and rows linked through others."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lesionkit.data.identities import alike, linked, linked_by
from lesionkit.data.records import as_column

IDS = st.none() | st.sampled_from("abc")


def components(count, links):
    """Node -> the least node that it is linked to, by joining again and again."""
    least = list(range(count))
    for _ in range(count):
        for a, b in links:
            least[a] = least[b] = min(least[a], least[b])
    return least


@given(st.lists(IDS, max_size=12))
def test_alike_are_the_rows_of_each_known_value_that_is_shared(values):
    expected = [[row for row, other in enumerate(values) if other == value] for value in dict.fromkeys(values)]
    known = [rows for rows in expected if len(rows) > 1 and values[rows[0]] is not None]
    assert alike(as_column(values)) == known


@given(st.data())
def test_linked_are_connected_components(data):
    count = data.draw(st.integers(1, 8))
    node = st.integers(0, count - 1)
    links = data.draw(st.lists(st.tuples(node, node), max_size=10))
    first, second = np.array(links, dtype=np.int64).reshape(-1, 2).T
    found, least = linked(count, first, second), components(count, links)
    assert all((found[a] == found[b]) == (least[a] == least[b]) for a in range(count) for b in range(count))


@given(st.lists(st.tuples(IDS, IDS), min_size=1, max_size=8))
def test_rows_are_linked_by_any_column_and_through_others(rows):
    links = [
        (a, b)
        for a in range(len(rows))
        for b in range(a)
        if any(one is not None and one == other for one, other in zip(rows[a], rows[b], strict=True))
    ]
    found = linked_by(*(as_column(column) for column in zip(*rows, strict=True)))
    least = components(len(rows), links)
    assert all((found[a] == found[b]) == (least[a] == least[b]) for a in range(len(rows)) for b in range(len(rows)))
