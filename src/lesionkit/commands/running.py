"""How a command is run, speaks and ends."""

import argparse
import logging
import os
import shlex
import sys
from collections.abc import Callable, Sequence

from lesionkit.errors import LesionkitError


def described(text: str | None, program: str | None = None) -> argparse.ArgumentParser:
    """Returns a parser without options whose help begins with ``text``, as it is."""
    return argparse.ArgumentParser(
        program, description=text, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )


def typed(program: Sequence[str], arguments: Sequence[str]) -> str:
    """Returns a command line as a shell takes it, for reports."""
    return shlex.join([*program, *arguments])


def say(text: str) -> None:
    """Writes a line to standard output; a reader that has gone away, such as ``head``, is no mistake."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends


def run(job: Callable[[argparse.Namespace], str | int], options: argparse.Namespace) -> int:
    """Runs a command and returns the exit status: 0, 2 after a mistake told in plain words, 130 after Ctrl-C.

    A job returns what is to be printed, or an exit status when it has printed all itself. What goes on with the same
    command has the option ``deterministic``.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("lesionkit").setLevel(logging.WARNING if options.quiet else logging.INFO)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # many models in one process: it takes that for a mistake
    goes_on = "deterministic" in options
    try:
        if goes_on and options.deterministic:
            from lesionkit.reproducibility import deterministic

            deterministic()
        told = job(options)
    except (LesionkitError, ImportError) as error:  # ImportError: what is installed is not enough, or is broken
        hint = "" if isinstance(error, LesionkitError) else " (lesionkit doctor says what is broken)"
        sys.stderr.write(f"error: {error}{hint}\n")
        return 2
    except KeyboardInterrupt as stopped:
        rest = ": the same command goes on from here" if goes_on else ""
        sys.stderr.write(f"{str(stopped) or 'stopped'}{rest}\n")
        return 130
    if isinstance(told, int):
        return told
    say(told)
    return 0
