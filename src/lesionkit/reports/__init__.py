"""Reports: an :class:`~lesionkit.evaluation.evaluation.Evaluation` to a file that a person or a program reads.

``json_report.content`` is what most others are made of; ``charts`` draws for ``html``.

Example:
    >>> lk.reports.get("markdown")(evaluation, "report.md").name
    'report.md'
"""

from lesionkit.registry import Registry

_registry = Registry(
    "reports",
    {
        "html": "lesionkit.reports.html:html",
        "json": "lesionkit.reports.json_report:json_report",
        "markdown": "lesionkit.reports.markdown:markdown",
        "model_card": "lesionkit.reports.model_card:model_card",
        "plots": "lesionkit.reports.plots:plots",
        "submission": "lesionkit.reports.submission:submission",
    },
)
register, get, names, origin = _registry.register, _registry.get, _registry.names, _registry.origin

__all__ = ["get", "names", "origin", "register"]
