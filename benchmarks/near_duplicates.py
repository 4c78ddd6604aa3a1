"""Near copies: how many planted ones are found, how many pairs are false, and what 30,000 pictures cost.

    python benchmarks/near_duplicates.py [--data "<folder>" --metadata HAM10000_metadata.csv] [--scale 30000]

For each kind of change a copy of some of the pictures is written as a JPEG of quality 90 (or 40), read as any file is,
and looked for among all pictures; recall is the share that is paired with its original. A pair of untouched pictures
is false where both lesions are known and differ. For scale, pictures are turned and rolled at random and mixed
two by two with noise, until there are enough: as detailed as real ones, and no copies. Without ``--data`` the generated
images are used.
"""

import argparse
import io
from collections.abc import Callable

import numpy as np
from measure import memory, seconds
from PIL import Image, ImageEnhance

import lesionkit as lk
from lesionkit.data import images
from lesionkit.data.near_copies import Pairs, pairs
from lesionkit.data.survey import THUMBNAIL, readable, survey

Turn = Image.Transpose
RNG = np.random.default_rng(0)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with Train/ and Test/ (default: generated images)")
    parser.add_argument("--metadata", help="HAM10000_metadata.csv, for the lesions")
    parser.add_argument("--planted", type=int, default=400)
    parser.add_argument("--scale", type=int, default=30_000)
    options = parser.parse_args()
    synthetic = lk.datasets.get("synthetic_lesions")
    records = lk.datasets.get("isic_folder")(options.data) if options.data else synthetic()
    if options.metadata:
        records = records.join(lk.datasets.metadata(options.metadata))
    records, surveyed = readable(records, survey(records))
    once = np.unique(records.picture_id.astype(str), return_index=True)[1]
    records, thumbnails = records[once], surveyed.thumbnails[once]
    print(f"{len(records)} distinct pictures")
    recall(records, thumbnails, min(options.planted, len(records)))
    false_pairs(records, thumbnails)
    scale(thumbnails, options.scale)


def recall(records: lk.Records, thumbnails: np.ndarray, count: int) -> None:
    """Prints how many planted copies of each kind are paired with their original."""
    chosen = RNG.choice(len(records), count, replace=False)
    for name, (least, change) in changes().items():
        planted = np.stack([change(Image.open(source).convert("RGB")) for source in records.source[chosen]])
        found = pairs(np.concatenate([thumbnails, planted]))
        copies = found.second >= len(thumbnails)
        hits = chosen[found.second[copies] - len(thumbnails)] == found.first[copies]
        print(f"{name:>20}: recall {hits.sum() / count:.4f} of {count}, wanted: {least}", flush=True)


def false_pairs(records: lk.Records, thumbnails: np.ndarray) -> None:
    """Prints how many pairs join two known lesions."""
    found = pairs(thumbnails)
    one, two = records.lesion_id[found.first], records.lesion_id[found.second]
    known = (one != np.array(None)) & (two != np.array(None))
    false = int(np.count_nonzero(known & (one != two)))
    images_known = int(np.count_nonzero(records.lesion_id != np.array(None)))
    if not images_known:
        print(f"{len(found)} pairs; lesions are unknown: give --metadata to tell which are false")
        return
    print(
        f"{len(found)} pairs, {np.count_nonzero(known)} of them of known lesions, {false} of different ones: "
        f"{1000 * false / images_known:.2f} false pairs for 1,000 images, wanted: 1"
    )


def scale(thumbnails: np.ndarray, count: int) -> None:
    """Prints the seconds that the matching of ``count`` pictures takes, and the most memory of this process."""
    many = np.empty((count, *THUMBNAIL, 3), dtype=np.uint8)
    for row in range(count):
        first, second = (moved(one) for one in thumbnails[RNG.choice(len(thumbnails), 2, replace=False)])
        mixed = (first + second) / 2 + RNG.normal(0, 6, first.shape)
        many[row] = np.clip(mixed, 0, 255)
    found: list[Pairs] = []
    took = seconds(lambda: found.append(pairs(many)))
    most = memory() / 2**30
    print(f"{count} pictures: {took:.1f} s (wanted: 60), {most:.2f} GiB at most (wanted: 2), {len(found[0])} pairs")


def moved(thumbnail: np.ndarray) -> np.ndarray:
    """Returns a thumbnail turned and flipped at random and rolled by up to its size, as decimals."""
    turned = np.rot90(thumbnail[:, :: RNG.choice([-1, 1])], RNG.integers(4))
    return np.roll(turned, RNG.integers(THUMBNAIL), axis=(0, 1)).astype(np.float32)


def changes() -> dict[str, tuple[float, Callable[[Image.Image], np.ndarray]]]:
    """Returns name -> (recall wanted, function from an image to its changed copy's thumbnail)."""

    def enhanced(kind: type, factor: float) -> Callable[[Image.Image], np.ndarray]:
        return lambda image: encoded(kind(image).enhance(factor))

    def resized(factor: float) -> Callable[[Image.Image], np.ndarray]:
        return lambda image: encoded(image.resize((int(image.width * factor), int(image.height * factor))))

    turned = {
        "flipped": Turn.FLIP_LEFT_RIGHT,
        "upside down": Turn.FLIP_TOP_BOTTOM,
        "a quarter turn": Turn.ROTATE_90,
        "three quarter turns": Turn.ROTATE_270,
    }
    return {
        "half the size": (0.98, resized(0.5)),
        "3/4 of the size": (0.98, resized(0.75)),
        "JPEG quality 40": (0.98, lambda image: encoded(image, 40)),
        "20% brighter": (0.98, enhanced(ImageEnhance.Brightness, 1.2)),
        "20% darker": (0.98, enhanced(ImageEnhance.Brightness, 0.8)),
        "20% more contrast": (0.98, enhanced(ImageEnhance.Contrast, 1.2)),
        "20% less contrast": (0.98, enhanced(ImageEnhance.Contrast, 0.8)),
        **{name: (0.9, lambda image, turn=turn: encoded(image.transpose(turn))) for name, turn in turned.items()},
        "90% of each side": (0.9, lambda image: encoded(cropped(image, 0.9))),
        "90% of the area": (0.9, lambda image: encoded(cropped(image, 0.9**0.5))),
    }


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Returns a window of ``share`` of each side, at a random place."""
    width, height = (round(side * share) for side in image.size)
    left, top = RNG.integers(image.width - width + 1), RNG.integers(image.height - height + 1)
    return image.crop((left, top, left + width, top + height))


def encoded(image: Image.Image, quality: int = 90) -> np.ndarray:
    """Returns the thumbnail of an image once it was written as a JPEG file."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return images.decode(data.getvalue(), THUMBNAIL)


if __name__ == "__main__":
    main()
