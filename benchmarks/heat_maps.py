"""Which heat maps to believe: each method of ``lesionkit.model.heat_maps`` on generated lesions, whose place is known.

    python benchmarks/heat_maps.py                                   the table, for four heads
    python benchmarks/heat_maps.py --sheet sheet.png --data FOLDER   a picture of four backbones instead

The table: heads trained for a moment on EfficientNet-Lite0, and for the test images' likeliest class
- ``on lesion``: the share of a map's weight on the drawn lesion, beside the lesion's share of the image (``area``);
- ``grid``: the share of a map's weight in the right quarter of four images of different classes set together, for the
  class of that quarter; 25% by chance (Boehle et al. 2021, "Convolutional Dynamic Alignment Networks for Interpretable
  Classifications", arXiv:2104.00032, use this measure; not for ``flatten``, which takes one size alone);
- ``deletion``: the mean probability of the class while the places with the greatest values are replaced by the blurred
  image, from the greatest on, in 10 steps (Petsiuk et al. 2018, "RISE", arXiv:1806.07421): less is better;
- ``insertion``: the same from the blurred image to the image: more is better;
- ``border``: the border share; below the table that of classifiers that can tell two classes by a mark alone, a blue
  frame or a blue corner.
Two maps that see no classifier stand beside them: random places, and the nearness to the image's centre.

The sheet: ImageNet weights where they can be had, else random ones, and the sheet says so.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

import lesionkit as lk
from lesionkit.data.pipeline import Pixels
from lesionkit.datasets.lesion_drawing import _lesion, _skin
from lesionkit.datasets.synthetic_lesions import CLASS_NAMES, VERSION, generate
from lesionkit.model.heat_maps import METHODS, heat_maps
from lesionkit.model.overlays import border_share, sheet
from lesionkit.model.parts import frozen_part, parts

SIZE = (128, 128)
STEPS = 10
HEADS = {
    "avg": lk.Part("pooled"),
    "avg, hidden 64": lk.Part("pooled", hidden=(64,)),
    "max": lk.Part("pooled", pooling="max"),
    "flatten": lk.Part("pooled", pooling="flatten"),
}
SHOWN = {"resnet50": "ResNet50", "efficientnet_lite0": "EfficientNet-Lite0", "densenet121": "DenseNet121"}
SHOWN["convnext_tiny"] = "ConvNeXtTiny"


def main() -> None:
    """Prints the table, or draws the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=int, default=30, help="generated training images of each class")
    parser.add_argument("--test", type=int, default=6, help="generated test images of each class")
    parser.add_argument("--sheet", metavar="PNG", help="draw the four backbones instead")
    parser.add_argument("--data", metavar="FOLDER", help="for the sheet: Train/ and Test/ (default: generated images)")
    parser.add_argument("--rows", type=int, default=6, help="images on the sheet, each of another class")
    options = parser.parse_args()
    draw(options) if options.sheet else table(options)


def table(options: argparse.Namespace) -> None:
    """Prints the figures of each head and method."""
    names = range(len(CLASS_NAMES))
    train, test = (
        (
            np.stack([generate(label, one, split=split, image_size=SIZE) for label in names for one in range(count)]),
            np.repeat(names, count),
        )
        for split, count in (("Train", options.train), ("Test", options.test))
    )
    lesion = np.stack([drawn(label, one) for label in names for one in range(options.test)])
    print(f"{len(test[0])} images, lesions cover {lesion.mean():.0%} of the area", flush=True)
    print(f"{'head':16}{'method':12} on lesion  grid  deletion  insertion  border")
    for name, head in HEADS.items():
        model = fitted(head, *train)
        answers = model.predict(test[0], verbose=0)
        right = float(np.mean(answers.argmax(1) == test[1]))
        found = {method: heat_maps(model, test[0], method=method) for method in METHODS}
        tiles = {} if name == "flatten" else grid(model, head, *test)
        for method, maps in {**found, **blind(len(test[0]))}.items():
            share = f"{tiles[method]:.0%}" if method in tiles else "-"
            deleted, inserted = (faithful(model, test[0], maps, insert=insert) for insert in (False, True))
            print(
                f"{name:16}{method:12} {on(maps, lesion):9.0%}  {share:>4}  {deleted:8.3f}  "
                f"{inserted:9.3f}  {np.nanmean(border_share(maps)):6.0%}",
                flush=True,
            )
        print(f"{name:16}accuracy {right:.0%}, mean probability {answers.max(1).mean():.3f}")
    for mark in ("frame", "corner"):
        shortcut(mark, options)


def shortcut(mark: str, options: argparse.Namespace) -> None:
    """Prints the border share of a classifier that can tell two classes by a mark alone: half of the nevi have it."""
    size, edge = (224, 224), 24
    train, test = (
        np.stack([generate(4, one, split=split, image_size=size) for one in range(4 * count)])
        for split, count in (("Train", options.train // 3), ("Test", options.test))
    )
    for images in (train, test):
        marked = images[::2]
        inner = marked[:, edge:-edge, edge:-edge].copy() if mark == "frame" else None
        where = (slice(None), slice(None), slice(None)) if mark == "frame" else (slice(None), slice(40), slice(40))
        marked[where] = (60, 90, 200)
        if inner is not None:
            marked[:, edge:-edge, edge:-edge] = inner
    model = fitted(lk.Part("pooled"), train, 1 - np.arange(len(train)) % 2, size)
    marked = test[::2]
    right = float((model.predict(marked, verbose=0).argmax(1) == 1).mean())
    maps = heat_maps(model, marked, np.ones(len(marked), int))
    corner = float(maps[:, :56, :56].sum() / maps.sum())
    print(
        f"nevi with and without a {mark}, told apart by it: {right:.0%} of the marked right, border "
        f"{np.nanmean(border_share(maps)):.0%}, the upper left sixteenth {corner:.0%}",
        flush=True,
    )


def fitted(
    head: lk.Part, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], size: tuple[int, int] = SIZE
) -> keras.Model:
    """Returns a classifier whose head was trained on the images."""
    model = lk.build_classifier(
        CLASS_NAMES, image_size=size, preprocessor="native", backbone="efficientnet_lite0", head=head
    )
    body, top = frozen_part(model), parts(model).head
    top.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    top.fit(body.predict(images, verbose=0), labels, epochs=20, verbose=0)
    return model


def drawn(label: int, index: int) -> npt.NDArray[np.bool_]:
    """Returns (H, W) where the lesion of a generated test image is: where it changes the skin it is drawn on."""
    rng = np.random.default_rng([VERSION, 0, 1, label, index])
    x = ((np.arange(SIZE[1]) + 0.5) / SIZE[1] * 2 - 1)[None, :]
    skin = _skin(rng, x, x.T)
    return np.abs(_lesion(rng, x, x.T, skin, label) - skin).mean(axis=0) > 8


def blind(count: int) -> dict[str, npt.NDArray[np.float32]]:
    """Returns maps of nothing but chance, and of the nearness to the centre."""
    chance = np.random.default_rng(0).random((count, 4, 4, 1)).astype(np.float32)
    side = np.linspace(-1, 1, SIZE[0])
    centre = np.exp(-(side[:, None] ** 2 + side**2) / 0.5).astype(np.float32)
    random = np.asarray(keras.ops.image.resize(chance, SIZE))[..., 0]
    return {"(random)": random, "(centre)": np.broadcast_to(centre, random.shape)}


def on(maps: npt.NDArray[np.float32], lesion: npt.NDArray[np.bool_]) -> float:
    """Returns the mean share of the maps' weight on the lesion."""
    kept = maps.max(axis=(1, 2)) > 0
    return float(np.mean((maps * lesion).sum(axis=(1, 2))[kept] / maps.sum(axis=(1, 2))[kept]))


def grid(
    model: keras.Model, head: lk.Part, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]
) -> dict[str, float]:
    """Returns method -> the mean share of the maps' weight in the quarter that shows the class."""
    large = lk.build_classifier(
        CLASS_NAMES, image_size=(256, 256), preprocessor="native", backbone="efficientnet_lite0", head=head
    )
    large.set_weights(model.get_weights())
    rng = np.random.default_rng(0)
    quarter = rng.integers(4, size=len(images))
    mosaics = np.empty((len(images), 2, SIZE[0], 2, SIZE[1], 3), np.uint8)
    for row, own in enumerate(quarter):
        others = iter(rng.choice(np.setdiff1d(np.unique(labels), labels[row]), 3, replace=False))
        for place in range(4):
            shown = row if place == own else rng.choice(np.flatnonzero(labels == next(others)))
            mosaics[row, place // 2, :, place % 2] = images[shown]
    found = {}
    for method in METHODS:
        maps = heat_maps(large, mosaics.reshape(-1, 256, 256, 3), labels, method=method)
        kept = maps.max(axis=(1, 2)) > 0
        weight = maps.reshape(-1, 2, SIZE[0], 2, SIZE[1]).sum(axis=(2, 4)).reshape(-1, 4)[kept]
        found[method] = float(np.mean(weight[np.arange(len(weight)), quarter[kept]] / weight.sum(axis=1)))
    return found


def faithful(
    model: keras.Model, images: npt.NDArray[np.uint8], maps: npt.NDArray[np.float32], *, insert: bool
) -> float:
    """Returns the mean probability of the likeliest class while the image is blurred away, or comes out of the blur."""
    blurred = np.stack([gaussian_filter(image.astype(np.float32), (20, 20, 0)) for image in images])
    chosen = model.predict(images, verbose=0).argmax(1)
    rank = np.argsort(np.argsort(-maps.reshape(len(maps), -1), axis=1, kind="stable"), axis=1).reshape(maps.shape)
    seen = []
    for share in np.linspace(0, 1, STEPS + 1):
        first = (rank < share * rank[0].size)[..., None]
        pixels = np.where(first == insert, images, blurred)
        seen.append(model.predict(pixels, verbose=0)[np.arange(len(images)), chosen])
    return float(np.trapezoid(seen, dx=1 / STEPS, axis=0).mean())


def draw(options: argparse.Namespace) -> None:
    """Draws maps of one image of each of some classes in four backbones whose heads were trained for a moment."""
    records = lk.datasets.get("isic_folder")(options.data) if options.data else lk.datasets.get("synthetic_lesions")()
    train, test = records.where(split="train"), records.where(split="test")
    chance = np.random.default_rng(1)
    train = train[np.sort(chance.permutation(len(train))[:400])]
    rows = np.array([chance.choice(np.flatnonzero(test.label == label)) for label in range(options.rows)])
    columns, notes = {}, {}
    for name, shown in SHOWN.items():
        try:
            lk.backbones.get(name).build((64, 64, 3), weights="imagenet")
            weights = "imagenet"
        except lk.WeightsUnavailableError:
            weights = None
        size = (224, 224)
        backbone = lk.Part(name, weights=weights)
        model = lk.build_classifier(records.class_names, image_size=size, preprocessor="native", backbone=backbone)
        lk.trainers.Frozen(epochs=20, learning_rate=2e-3).fit(model, train)
        images = Pixels(test[rows].source, size)[np.arange(len(rows))]
        answers = model.predict(images, verbose=0)
        columns[shown if weights else f"{shown}\n(random weights)"] = heat_maps(model, images, answers.argmax(1))
        notes[list(columns)[-1]] = [f"{records.class_names[one.argmax()]} {one.max():.0%}" for one in answers]
    labels = [records.class_names[place] for place in test.label[rows]]
    sheet(options.sheet, images, columns, rows=labels, notes=notes, title="What speaks for the likeliest class")


if __name__ == "__main__":
    main()
