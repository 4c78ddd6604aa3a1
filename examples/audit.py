"""What a folder of skin-lesion images hides: copies, conflicting labels, leakage, shortcuts.

    python examples/audit.py                                           generated images, no data needed
    python examples/audit.py --data "<folder>" --output runs/audit     a folder with Train/ and Test/

Nothing of the data is changed. The output folder holds audit.json, audit.md, labels.patch.csv (suggestions to read and
edit, for examples/baseline.py --patch) and pairs.png.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import lesionkit as lk
from lesionkit.auditing.files import FILES, write_audit
from lesionkit.commands.audit import add_options
from lesionkit.commands.options import records_from
from lesionkit.commands.running import described, run
from lesionkit.files import whole_folder
from lesionkit.text import as_text


def main(arguments: list[str] | None = None) -> int:
    """Runs the audit; returns the exit status."""
    return run(audit, parser().parse_args(arguments))


def audit(options: argparse.Namespace) -> str:
    """Runs every check, writes what was found, and returns what to print."""
    records = records_from(options)
    with whole_folder(options.output, FILES) as folder:  # there when all of it is complete
        found = lk.audit(records)
        write_audit(found, folder, policy=options.policy, min_per_class=options.min_per_class)
    return f"\n{found.summary()}\nreport: {as_text(Path(options.output, 'audit.md'))}"


def parser() -> argparse.ArgumentParser:
    """Returns the command line's parser."""
    result = described(__doc__)
    add_options(result)
    return result


if __name__ == "__main__":
    sys.exit(main())
