"""The command line: ``lesionkit COMMAND ...``, and ``python -m lesionkit COMMAND ...``.

A command is a file with ``add_options(parser)``, which sets the default ``job``, the function that does it, and either
adds ``--quiet`` or sets ``quiet=True``; what is heavy is imported inside the job. ``audit``, ``train``, ``search``,
``predict``, ``report`` and ``compare`` are one each, ``inspection`` holds ``list``, ``info``, ``doctor`` and ``cache``.
Shared are ``running`` (how a command runs and ends), ``options``, ``launching`` (several processes), ``members``,
``doctor`` and ``caches``.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from lesionkit.commands.running import described, run, typed

#: Command -> what it does, and the function that adds its options, imported for that command alone.
COMMANDS = {
    "list": (
        "the families of parts, their members, and where each comes from",
        "lesionkit.commands.inspection:add_list_options",
    ),
    "info": ("what a member of a family is, and its options", "lesionkit.commands.inspection:add_info_options"),
    "doctor": (
        "what is installed and at hand, and whether something is broken",
        "lesionkit.commands.inspection:add_doctor_options",
    ),
    "cache": ("what the cache holds, and giving it up", "lesionkit.commands.inspection:add_cache_options"),
    "audit": (
        "what a folder of images hides: copies, wrong labels, leakage, shortcuts",
        "lesionkit.commands.audit:add_options",
    ),
    "train": ("images to a trained classifier and its report", "lesionkit.commands.train:add_options"),
    "search": ("a better recipe for the images of a folder", "lesionkit.commands.search:add_options"),
    "predict": ("what a trained classifier answers for images", "lesionkit.commands.predict:add_options"),
    "report": ("the reports of a run, written again", "lesionkit.commands.report:add_options"),
    "compare": ("whether runs are different, and how sure that is", "lesionkit.commands.compare:add_options"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line, that of this process if none is given; returns the exit status.

    0: done; 1: ``doctor`` found something broken; 2: a mistake, told in plain words; 130: stopped by Ctrl-C.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
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
    for name, (summary, options) in COMMANDS.items():
        one = below.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        if name == command:
            module, _, function = options.partition(":")
            getattr(import_module(module), function)(one)
    return result
