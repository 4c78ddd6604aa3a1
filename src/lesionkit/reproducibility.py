"""The versions that a result depends on."""

import platform
from importlib.metadata import version

_PACKAGES = ("lesionkit", "keras", "tensorflow", "numpy", "pillow", "scikit-learn")


def environment() -> dict[str, str]:
    """Returns the versions of Python, the platform and the packages that a result depends on."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: version(name) for name in _PACKAGES},
    }
