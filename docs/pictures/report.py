"""Trains on generated images and photographs the report in headless Chromium: ``python docs/pictures/report.py``."""

import base64
import dataclasses
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

import lesionkit as lk

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from chromium import Chromium, find

STATIC = Path(__file__).resolve().parents[1] / "_static"
SECTIONS = ("scores", "classes", "calibration", "referral", "unsure", "pictures", "robustness")
WIDTH, LONGEST = 720, 1000


def draw(folder: Path) -> None:
    """Writes report_<section>.png of each of :data:`SECTIONS`."""
    records = lk.datasets.get("synthetic_lesions")()
    recipe = dataclasses.replace(lk.documented_baseline(), backbone=lk.Part("efficientnet_lite0", weights="imagenet"))
    with tempfile.TemporaryDirectory() as place, Chromium(find()) as browser:
        lk.run_recipe(recipe, records, Path(place, "run"))
        browser.open(Path(place, "run", "report.html"), width=WIDTH)
        for name in SECTIONS:
            photograph(browser, name, folder / f"report_{name}.png")


def photograph(browser: Chromium, section: str, file: Path) -> None:
    """Writes a section of the open page, in few colours; of a long one the beginning."""
    top, height = browser.run(f"(box => [box.top + scrollY, box.height])({section}.getBoundingClientRect())")
    clip = {"x": 0, "y": top - 12, "width": WIDTH, "height": min(height + 24, LONGEST), "scale": 1}
    shot = browser("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
    Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB").quantize(128).save(file, optimize=True)


if __name__ == "__main__":
    draw(STATIC)
