"""Temperature scaling: the one number that makes probabilities mean better what they say.

``labels`` are (n,), ``probabilities`` (n, C) with rows that sum to 1.
"""

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from lesionkit.errors import OptionError
from lesionkit.metrics.classification import Labels, Probabilities, checked, loss

#: Temperatures are looked for between the powers of e with these exponents, 0.05 to 20: a choice, far beyond use.
_EXPONENTS = np.linspace(-3, 3, 61)

#: Softmax in float32 makes 0 of what is smaller.
_LEAST = float(np.finfo(np.float32).smallest_subnormal)


def fit_temperature(labels: Labels, probabilities: Probabilities) -> float:
    """Returns the temperature, in [0.05, 20], at which (n, C) ``probabilities`` have the least cross-entropy.

    Temperature scaling of Guo et al. 2017, "On calibration of modern neural networks", section 4.2: above 1 softens
    probabilities, below 1 sharpens them. It is 1 where no other has a smaller
    :func:`~lesionkit.metrics.classification.loss`. When all images are right, or nearly all, it can run to the end of
    the range, which says that there are too few of them.

    Raises:
        DataError: arrays that are no labels and probabilities.
    """
    labels, probabilities = checked(labels, probabilities)

    def at(exponent: float) -> float:
        return loss(labels, at_temperature(probabilities, float(np.exp(exponent))))

    near = int(np.argmin([at(exponent) for exponent in _EXPONENTS]))
    bounds = _EXPONENTS[max(near - 1, 0)], _EXPONENTS[min(near + 1, len(_EXPONENTS) - 1)]
    found = float(minimize_scalar(at, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x)
    return float(np.exp(min([0.0, float(_EXPONENTS[near]), found], key=at)))


def at_temperature(probabilities: Probabilities, temperature: float) -> npt.NDArray[np.float64]:
    """Returns (n, C) softmax(log p / ``temperature``): rows sum to 1, the classes of a row keep their order.

    Since softmax knows no constant, log probabilities serve as the logits of Guo et al. 2017. What is below the least
    positive float32, such as the 0 that a softmax in float32 gives, is taken for it: about 1e-45.

    Raises:
        OptionError: a temperature that is not a positive number.
    """
    if not np.isfinite(temperature) or temperature <= 0:
        raise OptionError(f"temperature is a positive number; 1 changes nothing. Received: {temperature!r}")
    logs = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), _LEAST))
    return np.asarray(softmax(logs / temperature, axis=1), dtype=np.float64)
