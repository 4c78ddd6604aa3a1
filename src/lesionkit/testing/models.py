"""The contracts of preprocessors and heads, and what the contracts of all models share."""

import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from lesionkit.reproducibility import random_kept
from lesionkit.testing.contract import Contract
from lesionkit.testing.inputs import noise

_ALONE = "saved, it loads with Keras alone: stock layers and keras.ops, no Lambda"


def check_preprocessor(preprocessor: Callable[..., keras.Model], **options: Any) -> None:
    """Holds a preprocessor to its contract, on noise and on images of one grey, of several sizes and batches.

    Args:
        preprocessor: as ``preprocessors.get`` returns it.
        options: what it is called with besides ``image_size``.

    Raises:
        AssertionError: a promise is broken: (B, H, W, 3) RGB in [0, 255], as bytes or floats, to finite float32 of the
            same shape; each image on its own; the same at every call; nothing that learns; saved, it loads with Keras
            alone and computes the same.
    """
    contract = Contract.of("preprocessors", preprocessor)
    contract.are_options(options)
    for size in ((24, 16), (33, 33)):
        with contract.keeps(f"it is called with image_size, here {size}"):
            model = preprocessor(size, **options)
        shape = (None, *size, 3)
        check_shapes(contract, model, shape, shape)
        contract.holds(not model.trainable_weights, "nothing in it learns: no trainer would fit it", model.weights)
        grey = np.repeat([0.0, 127.0, 255.0], 3 * size[0] * size[1]).reshape(3, *size, 3).astype(np.float32)
        for images in (noise(4, size), grey):
            found = answers(contract, model, images)
            as_bytes = np.asarray(model(images.astype(np.uint8), training=False))
            contract.holds(np.array_equal(as_bytes, found), "bytes and floats give the same", most(as_bytes, found))
        _check_loads_alone(contract, model, noise(4, size))


def check_head(head: Callable[..., keras.Model], **options: Any) -> None:
    """Holds a head to its contract, on feature maps of several shapes.

    Args:
        head: as ``heads.get`` returns it.
        options: what it is called with besides the feature map's shape and the number of classes.

    Raises:
        AssertionError: a promise is broken: a functional model from (B, h, w, C) to (B, num_classes) float32
            probabilities, under any dtype policy and for large features; each row on its own; the same at every call;
            weights by the seed, some of which learn; saved, it loads with Keras alone and computes the same.
    """
    contract = Contract.of("heads", head)
    contract.are_options(options)
    for shape, classes in (((3, 2, 5), 2), ((1, 1, 8), 9), ((4, 4, 6), 3)):
        with contract.keeps(f"it is called with feature_shape and num_classes, here {shape} and {classes}"):
            with random_kept(0):
                model = head(shape, classes, **options)
            with random_kept(0):
                again = head(shape, classes, **options)
        check_shapes(contract, model, (None, *shape), (None, classes))
        contract.holds(model.trainable_weights, "some of it learns", "no trainable weights")
        contract.holds(equal(model, again), "equal seeds give equal weights", "others")
        features = np.random.default_rng(0).normal(0, 3, (4, *shape)).astype(np.float32)
        found = answers(contract, model, features)
        contract.holds(len(np.unique(found, axis=0)) == 4, "its answer depends on the features", found)
        for scale in (1.0, 1000.0):
            _check_probabilities(contract, np.asarray(model(scale * features, training=False)), "")
        _check_loads_alone(contract, model, features)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = head((3, 2, 5), 4, **options)
    finally:
        keras.config.set_dtype_policy(before)
    features = np.random.default_rng(0).normal(0, 3, (4, 3, 2, 5)).astype(np.float32)
    _check_probabilities(contract, np.asarray(mixed(features, training=False)), " under mixed_float16")


def check_shapes(contract: Contract, model: Any, given: tuple[Any, ...], returned: tuple[Any, ...] | None) -> None:
    """Holds that ``model`` is functional, with one input and one output of these shapes; None: of any."""
    functional = isinstance(model, keras.Model) and isinstance(getattr(model, "input", None), keras.KerasTensor)
    contract.holds(functional, "it is a functional keras.Model with one input", type(model))
    contract.holds(isinstance(model.output, keras.KerasTensor), "it has one output", model.output)
    contract.holds(tuple(model.input.shape) == given, f"it takes {given}", model.input.shape)
    contract.holds(returned in (None, tuple(model.output.shape)), f"it returns {returned}", model.output.shape)


def answers(contract: Contract, model: keras.Model, values: npt.NDArray[Any], *, alone: bool = True) -> Any:
    """Returns what a model makes of ``values``: finite float32, the same again, and for each alone."""
    with contract.keeps(f"it takes a batch of {len(values)}"):
        found, again = (np.asarray(model(values, training=False)) for _ in range(2))
    contract.holds(found.dtype == np.float32, "it returns float32", found.dtype)
    contract.holds(np.isfinite(found).all(), "what it returns is finite", found[~np.isfinite(found)][:3])
    contract.holds(np.array_equal(found, again), "it computes the same at every call", most(found, again))
    if alone:
        each = np.concatenate([np.asarray(model(one[None], training=False)) for one in values])
        contract.holds(_close(each, found), "what it makes of one does not depend on the others", most(each, found))
    return found


def _check_probabilities(contract: Contract, found: npt.NDArray[Any], where: str) -> None:
    contract.holds(found.dtype == np.float32, f"probabilities are float32{where}", found.dtype)
    sums = found.sum(axis=1)
    right = np.all((found >= 0) & (found <= 1)) and np.allclose(sums, 1, atol=1e-5)
    contract.holds(right, f"rows are probabilities that sum to 1{where}", found)


def _check_loads_alone(contract: Contract, model: keras.Model, values: npt.NDArray[Any]) -> None:
    expected = np.asarray(model(values, training=False))
    with tempfile.TemporaryDirectory() as folder, contract.keeps(_ALONE):
        path = Path(folder, "model.keras")
        model.save(path)
        with zipfile.ZipFile(path) as file:
            modules = set(_modules(json.loads(file.read("config.json"))))
        foreign = sorted(module for module in modules if module.partition(".")[0] not in ("keras", "builtins"))
        contract.holds(not foreign, _ALONE, f"objects of {', '.join(foreign)}")
        loaded = keras.saving.load_model(path)
    found = np.asarray(loaded(values, training=False))
    contract.holds(np.array_equal(found, expected), "saved and loaded it computes the same", most(found, expected))


def _modules(config: Any) -> Iterator[str]:
    """Yields the modules of all objects that a saved configuration names."""
    if isinstance(config, dict):
        if config.get("class_name") == "function" and config.get("module") == "builtins":
            yield str(config["config"]).partition(">")[0]  # a registered function of somebody's: "package>name"
        elif isinstance(config.get("module"), str):
            yield config["module"]
        elif config.get("registered_name"):
            yield str(config["registered_name"])
    for value in config.values() if isinstance(config, dict) else config if isinstance(config, list) else ():
        yield from _modules(value)


def equal(one: keras.Model, other: keras.Model) -> bool:
    """Returns whether two models have the same weights."""
    pairs = zip(one.get_weights(), other.get_weights(), strict=False)
    return len(one.weights) == len(other.weights) and all(np.array_equal(first, second) for first, second in pairs)


def _close(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> bool:
    return found.shape == expected.shape and np.allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def most(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> str:
    """Returns how far two arrays differ, in words."""
    if found.shape != expected.shape:
        return f"{found.shape} where {expected.shape} was expected"
    return f"a difference of up to {np.abs(found.astype(np.float64) - expected).max():.3g}"
