"""A frozen network as a faster function: its batch normalisation folded into the convolutions."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lesionkit.reproducibility import random_kept

#: Most bytes of any one tensor while a frozen network runs. Larger ones leave the processor's caches, and are mapped
#: anew by the C library at each use (glibc: above 32 MiB), which costs a page fault for every 4 KiB.
TENSOR_BYTES = 16 * 2**20

#: Runs of the network side by side: while one waits for memory or Python, the other computes.
STREAMS = 2


def frozen_function(model: keras.Model) -> Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]]:
    """Returns ``model`` in inference mode as a function of (n, height, width, 3), uint8 or float, n >= 1.

    It runs a few images at a time (:func:`images_at_once`) and pads the last of them, so that one computation serves
    all and the same image gives the same bits whichever others it is given with. The values equal
    ``model.predict`` up to rounding, and the weights are those at the time of the call.
    """
    folded = fold(model)
    size = images_at_once(folded)
    shape = (size, *model.input.shape[1:])
    signature = [tf.TensorSpec(shape, tf.float32)]
    forward = tf.function(lambda images: folded(images, training=False), input_signature=signature)

    def some(images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        batch = np.zeros(shape, dtype=np.float32)
        batch[: len(images)] = images
        return np.asarray(forward(tf.constant(batch)))[: len(images)]

    def run(images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        with ThreadPoolExecutor(STREAMS) as streams:
            parts = [images[start : start + size] for start in range(0, len(images), size)]
            return np.concatenate(list(streams.map(some, parts)))

    return run


def images_at_once(model: keras.Model) -> int:
    """Returns how many images keep every tensor of ``model`` within :data:`TENSOR_BYTES`: a power of two up to 32."""
    fit = TENSOR_BYTES // (4 * _largest_tensor(model))
    return max(size for size in (1, 2, 4, 8, 16, 32) if size <= max(fit, 1))


def _largest_tensor(model: keras.Model) -> int:
    """Returns the most numbers that any tensor of ``model`` holds for one image, nested models included."""
    return max(
        _largest_tensor(operation) if isinstance(operation, keras.Model) else math.prod(tensor.shape[1:])
        for operation in model.operations
        for tensor in keras.tree.flatten(operation.output)
    )


def fold(model: keras.Model) -> keras.Model:
    """Returns a functional model that computes the same as ``model`` in inference mode, with fewer steps.

    A batch normalisation whose only input is a linear convolution that feeds nothing else becomes part of it:
    with scale s = gamma / sqrt(variance + epsilon), the kernel becomes s * kernel and the bias
    s * (bias - mean) + beta (Jacob et al. 2018, doi:10.1109/CVPR.2018.00286, section 3.2). Nested models are
    folded too. The weights are copies. Python's random state stays as it was.
    """
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs, model.outputs)
    pairs = _foldable(model)
    convolutions = {convolution.name for convolution in pairs.values()}

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.Model):
            return fold(layer)
        more = {"use_bias": True} if layer.name in convolutions else {}
        return layer.__class__.from_config({**layer.get_config(), **more})

    def call(layer: keras.layers.Layer, *inputs: Any, **options: Any) -> Any:
        return inputs[0] if layer.name in pairs else layer(*inputs, **options)

    with random_kept():  # initializers without a seed draw from it
        folded = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for layer in model.layers:
        if layer.name in pairs:
            convolution = pairs[layer.name]
            folded.get_layer(convolution.name).set_weights(_folded_weights(convolution, layer))
        elif layer.weights and layer.name not in convolutions and not isinstance(layer, keras.Model):
            folded.get_layer(layer.name).set_weights(layer.get_weights())
    return folded


def _foldable(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Returns name of a batch normalisation -> the convolution that takes it in; subclasses may compute otherwise."""
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
    outputs = {id(tensor) for tensor in model.outputs}
    found = {}
    for layer in model.layers:
        if type(layer) is not keras.layers.BatchNormalization or len(layer._inbound_nodes) != 1:  # noqa: SLF001
            continue
        before = layer.input._keras_history.operation  # noqa: SLF001
        if (
            type(before) in kinds
            and before.activation is keras.activations.linear
            and layer.axis in (-1, 3)
            and len(before._outbound_nodes) == len(before._inbound_nodes) == 1  # noqa: SLF001
            and id(before.output) not in outputs
        ):
            found[layer.name] = before
    return found


def _folded_weights(
    convolution: keras.layers.Layer, normalisation: keras.layers.BatchNormalization
) -> list[npt.NDArray[np.float32]]:
    mean, variance = (np.asarray(w, np.float64) for w in (normalisation.moving_mean, normalisation.moving_variance))
    scale = 1 / np.sqrt(variance + normalisation.epsilon)
    scale = scale * np.asarray(normalisation.gamma, np.float64) if normalisation.scale else scale
    beta = np.asarray(normalisation.beta, np.float64) if normalisation.center else np.zeros_like(mean)
    weights = convolution.get_weights() + ([] if convolution.use_bias else [np.zeros_like(mean)])
    *earlier, kernel, bias = weights
    depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
    spread = scale.reshape(kernel.shape[2:]) if depthwise else scale
    return [*earlier, (kernel * spread).astype(np.float32), (scale * (bias - mean) + beta).astype(np.float32)]
