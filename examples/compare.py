"""Are runs different, by how much, and how sure is that?

    python examples/compare.py runs/a runs/b runs/c

The first run is what the others are compared with, on the test images that all of them answered. Runs of one recipe
with several seeds count as one. The output folder holds comparison.json and report.html.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import lesionkit as lk
from lesionkit.commands.compare import add_options
from lesionkit.commands.running import described, run, typed
from lesionkit.experiments.run_comparison_files import write_comparison
from lesionkit.text import as_text


def main(arguments: list[str] | None = None) -> int:
    """Compares the runs; returns the exit status."""
    options = parser().parse_args(arguments)
    options.command = typed(["python", "examples/compare.py"], sys.argv[1:] if arguments is None else arguments)
    return run(compare, options)


def compare(options: argparse.Namespace) -> str:
    """Compares the runs, writes what was found, and returns what to print."""
    found = lk.compare_runs(options.runs)
    folder = write_comparison(found, options.output, command=options.command)
    return f"{found}\nreport: {as_text(Path(folder, 'report.html'))}"


def parser() -> argparse.ArgumentParser:
    """Returns the command line's parser."""
    result = described(__doc__)
    add_options(result)
    return result


if __name__ == "__main__":
    sys.exit(main())
