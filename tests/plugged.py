"""What the package examples/lesionkit-tiny adds is found beside the wheel; ``tox -e plugin`` runs it."""

from importlib.metadata import entry_points
from pathlib import Path

import lesionkit as lk

FAMILIES = ("augmenters", "backbones", "checks", "datasets", "heads", "preprocessors", "reports", "trainers")


def main() -> None:
    """Raises an AssertionError where a family has no member of the package, or it cannot be had by its name."""
    assert "site-packages" in Path(lk.__file__).parts, f"{lk.__file__} is not an installed package"
    for family in FAMILIES:
        added = [
            point.name for point in entry_points(group=f"lesionkit.{family}") if point.dist.name == "lesionkit-tiny"
        ]
        assert added, f"lesionkit-tiny adds nothing to the {family}"
        for name in added:
            assert name in getattr(lk, family).names()
            getattr(lk, family).get(name)


if __name__ == "__main__":
    main()
