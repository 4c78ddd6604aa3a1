"""Are runs different, by how much, and how sure is that?

    python examples/compare.py runs/a runs/b runs/c

The first run is what the others are compared with, on the test images that all of them have. Runs of one recipe with
several seeds count as one. `lesionkit compare` does the same.
"""

import argparse

import lesionkit as lk
from lesionkit.experiments.run_comparison_files import write_comparison

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("runs", metavar="RUN", nargs="+", help="folders of two or more runs")
parser.add_argument("--output", metavar="FOLDER", default="runs/comparison", help="(default: %(default)s)")


def main(arguments: list[str] | None = None) -> None:
    """Compares the runs, writes the comparison and prints it in short."""
    options = parser.parse_args(arguments)
    comparison = lk.compare_runs(options.runs)
    folder = write_comparison(comparison, options.output)
    print(f"{comparison}\nreport: {folder / 'report.html'}")


if __name__ == "__main__":
    try:
        main()
    except lk.LesionkitError as error:
        parser.error(str(error))
