"""What a folder of skin-lesion images hides: copies, conflicting labels, leakage, shortcuts.

    python examples/audit.py                                           generated images, no data needed
    python examples/audit.py --data "<folder>" --output runs/audit     a folder with Train/ and Test/

Nothing of the data is changed. The output folder holds audit.json, audit.md, labels.patch.csv (suggestions to read and
edit, for examples/baseline.py --patch) and pairs.png.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from command_line import records_of

import lesionkit as lk
from lesionkit.audit_files import FILES, write_audit
from lesionkit.files import as_text, whole_folder
from lesionkit.suggestions import POLICIES


def main(arguments: list[str] | None = None) -> int:
    """Runs the audit; returns the exit status."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("lesionkit").setLevel(logging.ERROR if options.quiet else logging.INFO)
    try:
        records = records_of(options)
        with whole_folder(options.output, FILES) as folder:
            found = lk.audit(records)
            write_audit(found, folder, policy=options.policy, min_per_class=options.min_per_class)
    except lk.LesionkitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return 130
    print(f"\n{found.summary()}\nreport: {as_text(Path(options.output, 'audit.md'))}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Returns the command line's parser."""
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = result.add_argument
    add("--data", metavar="FOLDER", help="Train/ and Test/, or one folder for each class (default: generated images)")
    add(
        "--metadata",
        metavar="CSV",
        action="append",
        default=[],
        help="lesions, patients and diagnoses by image id, such as HAM10000_metadata.csv; may be given again",
    )
    add("--output", metavar="FOLDER", default="runs/audit", help="where it is written (default: %(default)s)")
    add(
        "--policy",
        choices=POLICIES,
        default="keep",
        help="for one picture under several labels where nothing says which is right: leave all, drop all, or keep "
        "the rarer class's (default: %(default)s)",
    )
    add(
        "--min-per-class",
        type=int,
        default=10,
        metavar="N",
        help="least training images that the suggestions may leave a class (default: %(default)s)",
    )
    add("--quiet", action="store_true", help="print the result only")
    return result


if __name__ == "__main__":
    sys.exit(main())
