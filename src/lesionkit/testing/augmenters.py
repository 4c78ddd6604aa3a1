"""The contract of augmenters."""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from lesionkit.model.views import Augmentation, mixes
from lesionkit.testing.contract import Contract
from lesionkit.testing.inputs import global_randomness, noise
from lesionkit.testing.models import most

_DRAWS = "it draws by keras.random.SeedGenerator attributes, as Keras's layers do"


def check_augmenter(augmenter: Callable[..., keras.layers.Layer], **options: Any) -> None:
    """Holds an augmenter to its contract, on noise of two sizes.

    Args:
        augmenter: as ``augmenters.get`` returns it.
        options: what it is called with besides ``seed``; images have to change with them.

    Raises:
        AssertionError: a promise is broken: (B, H, W, 3) in [0, 255] to the same, identity when not training, made
            again by its configuration. One that mixes a batch takes and returns ``{"images", "labels"}``, whose rows
            of labels sum to 1. Of any other, what an image gets is a function of the seed, the view and the image.
    """
    contract = Contract.of("augmenters", augmenter)
    contract.are_options(options)
    promise = "it takes a seed: randomness comes from one that the caller gives"
    contract.holds("seed" in inspect.signature(augmenter).parameters, promise, inspect.signature(augmenter))
    with contract.keeps("it is called with its options and a seed"):
        layer, other = (augmenter(**options, seed=seed) for seed in (0, 1))
    contract.holds(isinstance(layer, keras.layers.Layer), "it returns a Keras layer", type(layer))
    with contract.keeps("its configuration makes it again: get_config and from_config"):
        again = type(other).from_config(other.get_config())
        named = [Augmentation(one, 0).name for one in (layer, again)]
    contract.holds(named[0] == named[1], "its configuration makes it again", again.get_config())
    (_check_mixer if mixes(layer) else _check_views)(contract, layer, other, again)


def _check_views(contract: Contract, layer: Any, other: Any, again: Any) -> None:
    before = global_randomness()
    for size in ((16, 16), (24, 16)):
        images = noise(8, size)
        with contract.keeps(f"it takes (B, height, width, 3), here {images.shape}"):
            still, drawn = (np.asarray(layer(images, training=training)) for training in (False, True))
        contract.holds(np.array_equal(still, images), "it is the identity when not training", most(still, images))
        contract.holds(drawn.shape == images.shape, "it keeps the shape", drawn.shape)
        _check_range(contract, drawn)
    ids = [str(place) for place in range(len(images))]
    with contract.keeps(_DRAWS):
        augmentation, remade, reseeded = Augmentation(layer, 3), Augmentation(again, 3), Augmentation(other, 4)
        found = augmentation.view(1)(images, ids)
    _check_range(contract, found)
    contract.holds(not np.array_equal(found, images), "training images change", "the same images")
    for promise, view, order in (
        ("the same seed, view and image give the same", augmentation.view(1), 1),
        ("what an image gets does not depend on the others", augmentation.view(1), -1),
        ("its configuration makes it again, and in a view its own seed does not matter", remade.view(1), 1),
    ):
        seen = view(images[::order], ids[::order])[::order]
        contract.holds(np.array_equal(seen, found), f"{promise}; {_DRAWS}", most(seen, found))
    for what, view in (("view", augmentation.view(2)), ("seed", reseeded.view(1))):
        changed = not np.array_equal(view(images, ids), found)
        contract.holds(changed, f"another {what} gives other images; {_DRAWS}", "the same images")
    kept = global_randomness() == before
    contract.holds(kept, "the global random state of Python and NumPy stays as it is", "another")


def _check_mixer(contract: Contract, layer: Any, other: Any, again: Any) -> None:
    fresh = type(layer).from_config(layer.get_config())
    images, labels = noise(8, (24, 16)), np.eye(4, dtype=np.float32)[np.arange(8) % 4]
    with contract.keeps('it takes and returns {"images", "labels"}'):
        still, drawn, made, others = (
            {key: np.asarray(value) for key, value in result.items() if key in ("images", "labels")}
            for result in (
                one({"images": images, "labels": labels}, training=training)
                for one, training in ((fresh, False), (other, True), (again, True), (layer, True))
            )
        )
        same = np.array_equal(still["images"], images) and np.array_equal(still["labels"], labels)
        contract.holds(same, "it is the identity when not training", most(still["images"], images))
        shapes = drawn["images"].shape, drawn["labels"].shape
        contract.holds(shapes == (images.shape, labels.shape), "it keeps the shapes", shapes)
        _check_range(contract, drawn["images"])
        sums = drawn["labels"].sum(axis=1)
        contract.holds(np.allclose(sums, 1, atol=1e-5), "rows of labels sum to 1", sums)
        contract.holds(np.array_equal(made["images"], drawn["images"]), "equal seeds draw the same", "others")
        contract.holds(not np.array_equal(others["images"], drawn["images"]), "other seeds draw others", "the same")


def _check_range(contract: Contract, images: npt.NDArray[Any]) -> None:
    lowest, highest = images.min(), images.max()
    contract.holds(lowest >= -1e-3 and highest <= 255 + 1e-3, "values stay in [0, 255]", (lowest, highest))
