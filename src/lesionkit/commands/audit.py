"""The command ``audit``: what a folder of images hides, as files for programs and people."""

import argparse
from pathlib import Path

from lesionkit.auditing.audit import audit as audited
from lesionkit.auditing.files import FILES, write_audit
from lesionkit.auditing.suggestions import POLICIES
from lesionkit.commands.options import add_data_options, records_from
from lesionkit.files import whole_folder
from lesionkit.text import as_text


def audit(options: argparse.Namespace) -> str:
    """Runs every check, writes what was found, and returns what to print."""
    records = records_from(options)
    with whole_folder(options.output, FILES) as folder:
        found = audited(records)
        write_audit(found, folder, policy=options.policy, min_per_class=options.min_per_class)
    return f"\n{found.summary()}\nreport: {as_text(Path(options.output, 'audit.md'))}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of an audit."""
    parser.set_defaults(job=audit)
    add_data_options(parser, "runs/audit")
    parser.add_argument(
        "--policy",
        choices=POLICIES,
        default="keep",
        help="for one picture under several labels where nothing says which is right: leave all, drop all, or keep "
        "the rarer class's (default: %(default)s)",
    )
    parser.add_argument(
        "--min-per-class",
        type=int,
        default=10,
        metavar="N",
        help="least training images that the suggestions may leave a class (default: %(default)s)",
    )
