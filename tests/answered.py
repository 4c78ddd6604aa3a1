"""Labels and probabilities that Hypothesis draws, and their scores."""

import numpy as np
from hypothesis import strategies as st

from lesionkit.metrics import classification


@st.composite
def answers(draw):
    """Labels and probabilities of 1 to 25 images in 2 to 5 classes, without ties in a row."""
    classes, count = draw(st.integers(2, 5)), draw(st.integers(1, 25))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count))
    rows = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random((count, classes)) ** 3 + 1e-6
    return np.array(labels, dtype=np.int64), rows / rows.sum(axis=1, keepdims=True)


def overall(labels, probabilities):
    """Accuracy, balanced accuracy and loss."""
    return [
        score(labels, probabilities)
        for score in (classification.accuracy, classification.balanced_accuracy, classification.loss)
    ]
