"""What a classifier is wanted for: the numbers that some figures of an evaluation are told for."""

from collections.abc import Mapping
from dataclasses import dataclass

from lesionkit.errors import OptionError

#: The default: about the mean sensitivity of 58 dermatologists for melanoma who saw dermoscopic and clinical images and
#: the history, 88.9% at a specificity of 75.7% (Haenssle et al. 2018, "Man against machine", Annals of Oncology 29(8)).
SENSITIVITY = 0.89

_SHARES = ("sensitivity", "prevalence", "coverage")


@dataclass(frozen=True)
class Aims:
    """What the classifier is wanted for; the figures that depend on it are told for this.

    Attributes:
        sensitivity: the share of malignant lesions that is to be referred.
        prevalence: the share of malignant lesions among those of the people it is used on; 0.05 stands for nobody's.
        costs: ``missed`` and ``referral`` of :func:`~lesionkit.metrics.operating_points.threshold_for_costs`, in place
            of ``sensitivity``.
        coverage: the share of images whose set of possible classes is to hold their class.

    Example:
        >>> lk.Aims(sensitivity=0.95, prevalence=0.02)
        Aims(sensitivity=0.95, prevalence=0.02, costs=None, coverage=0.95)
    """

    sensitivity: float = SENSITIVITY
    prevalence: float = 0.05
    costs: Mapping[str, float] | None = None
    coverage: float = 0.95

    def __post_init__(self) -> None:
        """Checks the shares.

        Raises:
            OptionError: one is not between 0 and 1.
        """
        for name in _SHARES:
            if not 0 < getattr(self, name) < 1:
                raise OptionError(f"{name} is a share above 0 and below 1. Received: {getattr(self, name)!r}")


AIMS = Aims()
