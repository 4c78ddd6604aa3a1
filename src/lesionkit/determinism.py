"""The switch that makes a run repeat bit for bit on one machine."""

import os

_SWITCH = "TF_DETERMINISTIC_OPS"


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
