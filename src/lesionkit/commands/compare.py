"""The command ``compare``: whether runs are different, by how much, and how sure that is."""

import argparse
from pathlib import Path

from lesionkit.text import as_text


def compare(options: argparse.Namespace) -> str:
    """Compares the runs, writes what was found, and returns what to print."""
    from lesionkit.experiments.run_comparison import compare_runs
    from lesionkit.experiments.run_comparison_files import write_comparison

    found = compare_runs(options.runs)
    folder = write_comparison(found, options.output, command=options.command)
    return f"{found}\nreport: {as_text(Path(folder, 'report.html'))}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a comparison."""
    parser.set_defaults(job=compare)
    add = parser.add_argument
    add("runs", nargs="+", metavar="RUN", help="folders of runs; two or more, the first is what they are compared with")
    add("--output", metavar="FOLDER", default="runs/comparison", help="where it is written (default: %(default)s)")
    add("--quiet", action="store_true", help="print the result only")
