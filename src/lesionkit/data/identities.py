"""Rows that share an identity, and rows linked through others: what groups, duplicates and conflicts are made of."""

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt


def alike(column: npt.NDArray[Any]) -> list[list[int]]:
    """Returns the rows of each known value of ``column`` that two or more rows share, in the order of the rows."""
    rows = defaultdict(list)
    for row, value in enumerate(column):
        if value is not None:
            rows[value].append(row)
    return [same for same in rows.values() if len(same) > 1]


def linked(count: int, first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Returns (count,) the number of each node's connected component, from 0.

    Args:
        count: nodes.
        first: (m,) one end of each link, from 0 to count - 1.
        second: (m,) the other end.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def linked_by(*columns: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Returns (n,) group numbers: rows share one where any of the ``columns`` (n,), None where unknown, links them.

    A group is a connected component: A and B by one column, B and C by another, make one group.
    """
    rows, nodes, offset = [], [], len(columns[0])
    for column in columns:
        known = np.flatnonzero(column != np.array(None))
        values, inverse = np.unique(column[known].astype(str), return_inverse=True)
        rows.append(known)
        nodes.append(inverse + offset)
        offset += len(values)
    return linked(offset, np.concatenate(rows), np.concatenate(nodes))[: len(columns[0])]
