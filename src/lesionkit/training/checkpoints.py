"""What training needs to go on where it was: one file for each phase, whole or absent."""

import json
import logging
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.files import whole_file
from lesionkit.text import as_text

logger = logging.getLogger(__name__)

Arrays = Sequence[npt.NDArray[Any]]


@dataclass(frozen=True)
class State:
    """Where training was after an epoch.

    Attributes:
        epoch: epochs that are finished.
        history: score -> one value for each of them.
        weights: of what learns.
        optimizer: its variables, its step among them.
        best: the weights of the best epoch so far, where training looks for it.
        stopped: whether training has ended, though epochs are left.
    """

    epoch: int
    history: Mapping[str, Sequence[float]]
    weights: Arrays = field(repr=False)
    optimizer: Arrays = field(repr=False)
    best: Arrays = field(default=(), repr=False)
    stopped: bool = False


def write_state(path: Path, state: State) -> None:
    """Writes ``state``; what stood at ``path`` goes when the new file is complete.

    Raises:
        StorageError: the file cannot be written.
    """
    told = {"epoch": state.epoch, "history": dict(state.history), "stopped": state.stopped}
    arrays = {"state": np.array(json.dumps(told))}
    for name in ("weights", "optimizer", "best"):
        arrays |= {f"{name}/{number}": array for number, array in enumerate(getattr(state, name))}
    with whole_file(path) as beside, beside.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_state(path: Path) -> State | None:
    """Returns what :func:`write_state` wrote; None where nothing is, or, with a warning, where it is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:  # closed whatever is wrong with it
            told = json.loads(str(found["state"]))
            arrays = {
                name: [found[f"{name}/{number}"] for number in range(sum(key.startswith(f"{name}/") for key in found))]
                for name in ("weights", "optimizer", "best")
            }
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        logger.warning("%s is damaged (%s): training starts from the beginning", as_text(path), error)
        return None
    return State(told["epoch"], told["history"], stopped=told["stopped"], **arrays)
