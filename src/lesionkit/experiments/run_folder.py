"""The files in the folder of a run."""

from lesionkit.evaluation.files import NAME

#: Report -> its file.
REPORTS = {
    "html": "report.html",
    "json": "report.json",
    "markdown": "report.md",
    "model_card": "card.md",
    "plots": "plots.png",
}

#: What ``save`` writes, the evaluation, and each report's.
FILES = ("model.keras", "card.json", "predictions.csv", NAME, *REPORTS.values())
