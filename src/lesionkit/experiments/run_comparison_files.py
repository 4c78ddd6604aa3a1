"""A comparison of runs as files: one for people, one for programs."""

import os
from pathlib import Path

from lesionkit.experiments.differences import differences
from lesionkit.experiments.run_comparison import RunComparison
from lesionkit.files import write_json, write_text
from lesionkit.metrics.score_table import SCORES
from lesionkit.metrics.three_scores import NAMES
from lesionkit.pages.page import page
from lesionkit.reproducibility import environment

SCHEMA_VERSION = 1

#: The files of a comparison of runs.
FILES = ("comparison.json", "report.html")


def write_comparison(comparison: RunComparison, folder: str | os.PathLike[str], *, command: str | None = None) -> Path:
    """Writes :data:`FILES` into ``folder`` and returns it.

    Args:
        comparison: what was found.
        folder: made if it is not there; files of these names in it are replaced.
        command: the command line, for the report.

    Raises:
        StorageError: a file cannot be written.
    """
    facts = {"environment": environment(), "command": command}
    charts = {
        kind: differences([(one.name, one.scores["balanced_accuracy"]) for one in duels], name=f"differences-{kind}")
        for kind, duels in comparison.duels.items()
    }
    html = page("comparison.html", told=comparison, names=NAMES, kinds=list(SCORES.values()), charts=charts, **facts)
    write_json(Path(folder) / "comparison.json", {"schema_version": SCHEMA_VERSION, **comparison.to_dict(), **facts})
    write_text(Path(folder) / "report.html", html)
    return Path(folder)
