"""What a result depends on besides the recipe and the images: versions, the deterministic switch, digests."""

import contextlib
import hashlib
import json
import os
import platform
import random
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.options import checked_seed

_PACKAGES = ("lesionkit", "keras", "tensorflow", "numpy", "pillow", "scikit-learn")
_SWITCH = "TF_DETERMINISTIC_OPS"


def environment() -> dict[str, str]:
    """Returns the versions of Python, the platform and the packages that a result depends on."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: version(name) for name in _PACKAGES},
    }


def deterministic() -> None:
    """Makes TensorFlow give the same bits for the same work on the same machine, at some cost of speed.

    It holds for the whole process and cannot be taken back (``tf.config.experimental.enable_op_determinism``). With it
    and a seed, a run that was killed and resumed ends with the weights of one that was not.

    Example:
        >>> lk.deterministic()  # doctest: +SKIP
    """
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    os.environ[_SWITCH] = "1"


def is_deterministic() -> bool:
    """Returns whether :func:`deterministic` was called, or its environment variable ``TF_DETERMINISTIC_OPS`` set."""
    return os.environ.get(_SWITCH, "") in {"1", "true", "True"}


@contextlib.contextmanager
def random_kept(seed: int | None = None) -> Iterator[None]:
    """Leaves Python's global random state as it was before the block; with a seed the block starts from it.

    Keras draws the seed of every initializer and dropout layer that was given none from Python's ``random``.

    Raises:
        OptionError: the seed is not a whole number from 0 to 2**32 - 1.
    """
    state = random.getstate()
    if seed is not None:
        random.seed(checked_seed(seed))
    try:
        yield
    finally:
        random.setstate(state)


def identity(told: Any, *arrays: npt.NDArray[Any]) -> str:
    """Returns 32 hexadecimal digits that differ where ``told`` (what JSON can hold) or the arrays do."""
    digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode("utf-8", "backslashreplace"))
    for array in arrays:
        values = np.ascontiguousarray(array)
        digest.update(f"{values.dtype} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()[:32]
