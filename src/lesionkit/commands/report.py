"""The command ``report``: the reports of a run written again from its evaluation, without images or model."""

import argparse
from pathlib import Path

from lesionkit import reports
from lesionkit.challenges.submissions import LAYOUTS
from lesionkit.errors import OptionError
from lesionkit.text import as_text


def report(options: argparse.Namespace) -> str:
    """Writes the reports and returns where they are."""
    from lesionkit.evaluation.files import read_evaluation
    from lesionkit.experiments.run_folder import REPORTS

    if options.layout is not None and "submission" not in (options.format or ()):
        raise OptionError("--layout is of a submission: add --format submission")
    evaluation = read_evaluation(options.run)
    own = Path(options.run) if Path(options.run).is_dir() else Path(options.run).parent
    files = {**REPORTS, "submission": "submission.csv"}
    output = None if options.output is None else Path(options.output)
    names = list(dict.fromkeys(options.format or ["html"]))
    is_file = output is not None and bool(output.suffix) and not output.is_dir()
    if is_file and len(names) > 1:
        raise OptionError(f"--output is a folder where there are several formats. Received: {as_text(options.output)}")
    if not is_file and (others := [name for name in names if name not in files]):
        raise OptionError(f"Name the file of {others[0]}, with the suffix of what it writes: --output FILE")
    written = []
    for name in names:
        file = output if is_file else (output or (own if name in REPORTS else Path())) / files[name]
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
        action="append",
        choices=reports.names(),
        metavar="NAME",
        help="one of %(choices)s; may be given again (default: html)",
    )
    add("--layout", choices=LAYOUTS, help="of a submission (default: isic2018)")
    add(
        "--output",
        metavar="PATH",
        help="a folder, or the file of one report (default: the run; for a submission the working folder)",
    )
    add("--quiet", action="store_true", help="print the result only")
