"""Which process of a search this is: by itself, the chief that hands out trials, or a worker that tries them.

KerasTuner's processes find each other by three environment variables, which whoever starts them sets.
"""

import os

#: What each process is called; a name that holds "chief" is the chief's.
NAME = "KERASTUNER_TUNER_ID"

#: Where the chief listens.
ADDRESS, PORT = "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"


def in_many_processes() -> bool:
    """Returns whether this process is one of a search in many."""
    return ADDRESS in os.environ


def is_chief() -> bool:
    """Returns whether this process hands out the trials of a search in many processes."""
    return in_many_processes() and "chief" in os.environ.get(NAME, "")


def is_worker() -> bool:
    """Returns whether this process tries what the chief of a search hands out."""
    return in_many_processes() and not is_chief()
