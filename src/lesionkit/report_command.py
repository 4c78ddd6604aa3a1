"""The command ``report``: the reports of a run written again from its evaluation, without images or model."""

import argparse
from pathlib import Path

from lesionkit import reports
from lesionkit.errors import OptionError
from lesionkit.files import as_text
from lesionkit.submissions import LAYOUTS


def report(options: argparse.Namespace) -> str:
    """Writes the reports and returns where they are."""
    from lesionkit.evaluation_files import read_evaluation
    from lesionkit.workflow import REPORTS

    if options.layout is not None and "submission" not in options.format:
        raise OptionError("--layout is of a submission: add --format submission")
    evaluation = read_evaluation(options.run)
    own = Path(options.run) if Path(options.run).is_dir() else Path(options.run).parent
    written = []
    for name in dict.fromkeys(options.format or ["html"]):
        folder = Path(options.output or (own if name in REPORTS else "."))
        file = folder / REPORTS.get(name, "submission.csv" if name == "submission" else f"report.{name}")
        more = {"layout": options.layout} if name == "submission" and options.layout else {}
        written.append(f"{name}: {as_text(reports.get(name)(evaluation, file, **more))}")
    return "\n".join(written)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of reports that are written again."""
    parser.set_defaults(job=report)
    add = parser.add_argument
    add("run", metavar="RUN", help="the folder of a run, or its evaluation.npz")
    add(
        "--format",
        nargs="+",
        choices=reports.names(),
        default=[],
        metavar="NAME",
        help="one or more of %(choices)s (default: html)",
    )
    add("--layout", choices=LAYOUTS, help="of a submission (default: isic2018)")
    add(
        "--output",
        metavar="FOLDER",
        help="where they are written (default: into the run; what a run does not hold, such as a submission, here)",
    )
    add("--quiet", action="store_true", help="print the result only")
