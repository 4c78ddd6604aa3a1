"""Draws the pictures of docs/preprocessors.md from generated images: ``python docs/pictures/preprocessors.py``."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt

from lesionkit import preprocessors
from lesionkit.datasets.synthetic_lesions import generate

STATIC = Path(__file__).resolve().parents[1] / "_static"
SIZE = (256, 256)
AS_IS = {"name": "rescale", "options": {"scale": 1.0}}
LIGHTS = {"yellow light": (1.1, 1.0, 0.65), "blue light": (0.72, 0.85, 1.12)}


def draw(folder: Path) -> None:
    """Writes shades_of_gray.png and hair_removal.png: images in the first row, what is made of them in the second."""
    nevus, melanoma = generate(4, 3, image_size=SIZE, seed=2), generate(3, 1, image_size=SIZE, seed=2)
    lit = {"as generated": nevus} | {
        name: np.clip(nevus * np.array(gains), 0, 255).astype(np.uint8) for name, gains in LIGHTS.items()
    }
    beside(folder / "shades_of_gray.png", "shades_of_gray", lit)
    keratosis = generate(6, 2, image_size=SIZE, seed=2)
    beside(
        folder / "hair_removal.png",
        "hair_removal",
        {
            "few hairs": hairs(keratosis, 7, 0),
            "many hairs": hairs(melanoma, 18, 1),
            "none": melanoma,
            "a network": nevus,
        },
    )


def beside(file: Path, name: str, images: dict[str, Any]) -> None:
    """Writes the images in one row, below each what the preprocessor ``name`` makes of it."""
    cleaned = preprocessors.get(name)(SIZE, then=AS_IS).predict(np.stack(list(images.values())), verbose=0)
    figure, axes = plt.subplots(2, len(images), figsize=(2 * len(images), 4.2), layout="constrained")
    for column, (title, image) in enumerate(images.items()):
        for row, shown in enumerate((image, np.clip(cleaned[column] + 0.5, 0, 255).astype(np.uint8))):
            axes[row, column].imshow(shown)
            axes[row, column].set(xticks=[], yticks=[])
        axes[0, column].set_title(title, fontsize=9)
    axes[0, 0].set_ylabel("before", fontsize=9)
    axes[1, 0].set_ylabel("after", fontsize=9)
    figure.savefig(file, dpi=90, metadata={"Software": None})
    plt.close(figure)


def hairs(image: Any, count: int, seed: int) -> Any:
    """Returns the image with ``count`` bent dark hairs over it."""
    rng = np.random.default_rng(seed)
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width] - np.array([height / 2, width / 2])[:, None, None]
    drawn = image.astype(float)
    for turn, place, bend, thickness in rng.uniform(-1, 1, (count, 4)):
        way = 0.7 + 0.9 * turn
        along, across = x * np.cos(way) + y * np.sin(way), y * np.cos(way) - x * np.sin(way)
        away = np.abs(across - 0.45 * height * place - 0.5 * bend * along**2 / width)
        share = np.clip(1.6 + 0.7 * thickness - away, 0, 1)[..., None]
        drawn += (np.array([46, 34, 30]) - drawn) * (0.9 * share)
    return drawn.astype(np.uint8)


if __name__ == "__main__":
    draw(STATIC)
