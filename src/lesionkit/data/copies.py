"""Records with the identity of each picture: equal bytes, and near duplicates of it."""

import dataclasses

import numpy as np

from lesionkit.data.identities import linked, linked_by
from lesionkit.data.near_copies import pairs
from lesionkit.data.records import Column, Records, as_column
from lesionkit.data.survey import Survey
from lesionkit.errors import OptionError


def copy_ids(records: Records, surveyed: Survey) -> Column:
    """Returns (n,) text: the same for images of equal bytes and of one picture, and for what these link; else its own.

    It is the smallest ``picture_id`` among them, and None for images that cannot be read.

    Args:
        records: the images.
        surveyed: what :func:`~lesionkit.data.survey.survey` returned for them, row by row.

    Raises:
        OptionError: the survey is not of as many images.
    """
    if len(records) != len(surveyed):
        raise OptionError(f"The survey has {len(surveyed)} rows where the records have {len(records)}.")
    ids = as_column([None] * len(records))
    rows = np.flatnonzero(surveyed.readable)
    if not len(rows):
        return ids
    pictures, firsts, inverse = np.unique(
        surveyed.column("picture_id")[rows].astype(str), return_index=True, return_inverse=True
    )
    found = pairs(surveyed.thumbnails[rows[firsts]])
    group = linked(len(pictures), found.first, found.second)
    smallest = pictures[np.unique(group, return_index=True)[1]]  # pictures are sorted
    ids[rows] = smallest[group][inverse]
    return ids


def identified(records: Records, surveyed: Survey) -> Records:
    """Returns the records with ``picture_id`` and ``copy_id`` as the survey tells them, None for unreadable images.

    A ``copy_id`` that was known (a published list of duplicates) links its images as well.
    """
    pictures = as_column([None if one.error else one.picture_id for one in surveyed.looks])
    found = dataclasses.replace(records, picture_id=pictures, copy_id=copy_ids(records, surveyed))
    if np.any(records.copy_id != np.array(None)):
        groups = linked_by(records.copy_id, found.copy_id)
        names = [None if one is None else f"copies {group}" for one, group in zip(pictures, groups, strict=True)]
        found = dataclasses.replace(found, copy_id=as_column(names))
    return found


def pictures_of(records: Records) -> Column:
    """Returns (n,) the picture that each image shows: its ``copy_id``, or its ``picture_id`` where that is unknown."""
    return np.where(records.copy_id == np.array(None), records.picture_id, records.copy_id)
