"""Draws the picture of docs/stress.md from a generated image: ``python docs/pictures/stress.py``."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt

from lesionkit.datasets.synthetic_lesions import generate
from lesionkit.evaluation.artefacts import ARTEFACTS, STRENGTHS, add

STATIC = Path(__file__).resolve().parents[1] / "_static"


def draw(folder: Path) -> None:
    """Writes stress.png: a column for each artefact, a row for each strength."""
    image = generate(3, 0, image_size=(256, 256), seed=2)
    figure, axes = plt.subplots(len(STRENGTHS), len(ARTEFACTS), figsize=(1.5 * len(ARTEFACTS), 4.8))
    for strength, line in zip(STRENGTHS, axes, strict=True):
        for name, axis in zip(ARTEFACTS, line, strict=True):
            axis.imshow(add(image, name, strength))
            axis.set_axis_off()
            if strength == 1:
                axis.set_title(name.replace("_", " "), fontsize=10)
        line[0].text(-0.08, 0.5, str(strength), transform=line[0].transAxes, ha="right", va="center")
    figure.subplots_adjust(left=0.025, right=1, bottom=0, top=0.94, wspace=0.03, hspace=0.03)
    figure.savefig(folder / "stress.png", dpi=80)
    plt.close(figure)


if __name__ == "__main__":
    draw(STATIC)
