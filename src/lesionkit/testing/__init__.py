"""The contract of each plugin family as a test: plain functions that any author runs on a member of their own.

Each takes a member as its registry's ``get`` returns it, and the options to call it with; it raises an AssertionError
that says which promise is broken and what was seen, and otherwise returns None. They need no test framework.
Read ``contract`` (how a promise is told) and ``inputs`` (what members are tried on) first; ``data``, ``models``,
``augmenters``, ``backbones``, ``trainers`` and ``reports`` hold the promises of one or two families each.

Example:
    >>> from lesionkit import testing
    >>> testing.check_head(lk.heads.get("pooled"), hidden=[16])
    >>> testing.check_dataset(lk.datasets.get("isic_folder"), Path(records.source[0]).parents[2])
    >>> testing.check_report(lk.reports.get("json"), ".json")

Example:
    >>> from lesionkit.testing import check_head
    >>> check_head(lk.heads.get("pooled"), dropout=0.3)
"""

from lesionkit.testing.augmenters import check_augmenter
from lesionkit.testing.backbones import check_backbone
from lesionkit.testing.data import check_check, check_dataset
from lesionkit.testing.models import check_head, check_preprocessor
from lesionkit.testing.reports import check_report
from lesionkit.testing.trainers import check_trainer

__all__ = [
    "check_augmenter",
    "check_backbone",
    "check_check",
    "check_dataset",
    "check_head",
    "check_preprocessor",
    "check_report",
    "check_trainer",
]
