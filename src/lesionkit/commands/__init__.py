"""The command line: ``lesionkit COMMAND ...``, and ``python -m lesionkit COMMAND ...``.

A command is a file of its name with ``add_options(parser)``, which sets the default ``job``, the function that does it,
and either adds ``--quiet`` or sets ``quiet=True``; what is heavy is imported inside the job. Its line stands in
``COMMANDS``. Shared are ``running`` (how a command runs and ends) and ``options``.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from lesionkit.commands.running import described, run, typed

#: Command -> what it does; its file is imported for it alone.
COMMANDS = {
    "list": "the families of parts, their members, and where each comes from",
    "info": "what a member of a family is, and its options",
    "doctor": "what is installed and at hand, and whether something is broken",
    "cache": "what the cache holds, and giving it up",
    "audit": "what a folder of images hides: copies, wrong labels, leakage, shortcuts",
    "train": "images to a trained classifier and its report",
    "search": "a better recipe for the images of a folder",
    "improvements": "what each improvement of the baseline is worth, and how sure that is",
    "predict": "what a trained classifier answers for images",
    "report": "the reports of a run, written again",
    "compare": "whether runs are different, and how sure that is",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line, that of this process if none is given; returns the exit status.

    0: done; 1: ``doctor`` found something broken; 2: a mistake, told in plain words; 130: stopped by Ctrl-C.
    """
    given = [*(sys.argv[1:] if arguments is None else arguments)]  # list is a command here
    options = parser(given[0] if given else None).parse_args(given)
    options.given, options.command = given[1:], typed(["lesionkit"], given)
    return run(options.job, options)


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """Returns the parser; of ``command`` alone it knows the options."""
    result = described(
        "Skin-lesion image classification on Keras, with numbers that say how far to believe them.", "lesionkit"
    )
    result.add_argument("--version", action="version", version=f"lesionkit {version('lesionkit')}")
    below = result.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for name, summary in COMMANDS.items():
        subparser = below.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        if name == command:
            import_module(f"lesionkit.commands.{name}").add_options(subparser)
    return result
