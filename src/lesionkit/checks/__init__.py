"""Checks: :class:`~lesionkit.data.records.Records` to findings; they change nothing.

``finding`` is what a check returns.

Example:
    >>> from lesionkit.data.survey import survey
    >>> print(lk.checks.get("integrity")(records, survey(records)).summary)
    99 images: no faults. Most are PNG, 48 x 48 pixels (1 sizes).
"""

from lesionkit.checks.finding import Finding, Findings
from lesionkit.registry import Registry

_registry = Registry(
    "checks",
    {
        "integrity": "lesionkit.checks.integrity:integrity",
        "exact_duplicates": "lesionkit.checks.duplicates:exact_duplicates",
        "near_duplicates": "lesionkit.checks.duplicates:near_duplicates",
        "label_conflicts": "lesionkit.checks.label_conflicts:label_conflicts",
        "leakage": "lesionkit.checks.leakage:leakage",
        "metadata_disagreement": "lesionkit.checks.metadata_disagreement:metadata_disagreement",
        "shortcuts": "lesionkit.checks.shortcuts:shortcuts",
        "imbalance": "lesionkit.checks.imbalance:imbalance",
    },
)
register, get, names, origin = _registry.register, _registry.get, _registry.names, _registry.origin

__all__ = ["Finding", "Findings", "get", "names", "origin", "register"]
