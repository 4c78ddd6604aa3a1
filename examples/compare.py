"""Are runs different, by how much, and how sure is that?

    python examples/compare.py runs/a runs/b runs/c

The first run is what the others are compared with, on the test images that all of them answered. Runs of one recipe
with several seeds count as one. The output folder holds comparison.json and report.html.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from command_line import run, typed

from lesionkit.files import as_text


def main(arguments: list[str] | None = None) -> int:
    """Compares the runs; returns the exit status."""
    options = parser().parse_args(arguments)
    options.command = typed(__file__, arguments)
    return run(compare, options)


def compare(options: argparse.Namespace) -> str:
    """Compares the runs, writes what was found, and returns what to print."""
    from lesionkit.comparison_files import write_comparison
    from lesionkit.run_comparison import compare_runs

    found = compare_runs(options.runs)
    folder = write_comparison(found, options.output, command=options.command)
    return f"{found}\nreport: {as_text(Path(folder, 'report.html'))}"


def parser() -> argparse.ArgumentParser:
    """Returns the command line's parser."""
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = result.add_argument
    add("runs", nargs="+", metavar="RUN", help="folders of runs, such as of examples/baseline.py; two or more")
    add("--output", metavar="FOLDER", default="runs/comparison", help="where it is written (default: %(default)s)")
    add("--quiet", action="store_true", help="print the result only")
    result.set_defaults(deterministic=False)
    return result


if __name__ == "__main__":
    sys.exit(main())
