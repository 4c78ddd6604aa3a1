"""Starts the processes of a search or of a training on this machine and stays until they have ended.

    python examples/launch_workers.py --engine search --workers 4 -- python examples/search.py --output runs/search
    python examples/launch_workers.py --engine training --workers 2 -- python my_training.py

The engine says how the processes find each other. ``search``: one chief, which hands out trials, and N workers
(KerasTuner's KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT). ``training``: N workers that train
one model (TF_CONFIG, read by tf.distribute.MultiWorkerMirroredStrategy).

Each line that a process prints gets its name in front. Ctrl-C is passed on to all, a second one kills them. When one
fails the others are stopped, and the status is that of the first that failed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lesionkit.searching.launching import run, search_roles, training_roles


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    options = parser().parse_args(arguments)
    command = options.command[options.command[:1] == ["--"] :]
    if not command or options.workers < 1:
        parser().error("give --workers of at least 1, and the command after --, such as: -- python my_training.py")
    roles = search_roles(options.workers) if options.engine == "search" else training_roles(options.workers)
    return run(command, roles)


def parser() -> argparse.ArgumentParser:
    """Returns the command line's parser."""
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    result.add_argument("--engine", choices=["search", "training"], required=True, help="what the processes do")
    result.add_argument("--workers", type=int, default=2, metavar="N", help="how many (default: %(default)s)")
    result.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what each process runs")
    return result


if __name__ == "__main__":
    sys.exit(main())
