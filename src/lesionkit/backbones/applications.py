"""Backbones of keras.applications: a preprocessed image to a feature map, with ImageNet or other weights.

Offered are the three depths of ResNet in both versions (ResNet50 is the default); EfficientNet, on which the
winners of the ISIC challenges of 2019 and 2020 built, and EfficientNetV2, in every size; DenseNet; ConvNeXt;
MobileNetV2 and V3 for small machines; Xception and the two Inceptions. Left out are VGG16 and VGG19 (about four
times the arithmetic of ResNet50 for less accuracy), NASNet (it cannot be cut into stages: each cell reads the two
before it) and MobileNet v1 (V2 is smaller and better).

Normalisation is never inside: where Keras hard-wires it, it is left out or cut off, so that the preprocessor is
the only place that decides on it. ``native`` is the one that the ImageNet weights were trained with.
"""

import dataclasses
import functools
from dataclasses import dataclass, field
from typing import Any

from lesionkit.backbones.backbone import Backbone, Stage
from lesionkit.backbones.weights import checked_weights, load_file, load_published
from lesionkit.errors import OptionError
from lesionkit.options import checked_image_size
from lesionkit.recipe import Part


@dataclass(frozen=True)
class _Family:
    """What the sizes of one network have in common; ``{name}`` in a stage stands for the member's name.

    ``first`` is the first layer after a hard-wired normalisation, ``options`` are of the Keras function.
    """

    source: str
    native: Part
    stages: tuple[Stage, ...]
    min_size: int = 32
    first: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


def _befores(*pairs: tuple[str, str]) -> tuple[Stage, ...]:
    return tuple(Stage(name, before=layer) for name, layer in pairs)


def _efficientnet_stages(blocks: int) -> tuple[Stage, ...]:
    later = [(f"block{n}", f"block{n}a_expand_conv") for n in range(2, blocks + 1)]
    return (Stage("stem"), Stage("block1", after="stem_activation"), *_befores(*later, ("top", "top_conv")))


def _mobilenet_v3_stages(first: str, *blocks: int) -> tuple[Stage, ...]:
    later = [(f"block{n}", f"expanded_conv_{block}_expand") for n, block in enumerate(blocks, start=2)]
    return (Stage("stem"), *_befores(("block1", first), *later, ("top", "conv_1")))


_SYMMETRIC, _TORCH = Part("symmetric_range"), Part("imagenet_torch")
_WITHOUT = {"include_preprocessing": False}

_RESNET = _Family(
    "He et al. 2015, Deep Residual Learning for Image Recognition, arXiv:1512.03385",
    Part("imagenet_caffe"),
    (
        Stage("conv1"),
        Stage("conv2", after="pool1_pool"),
        *_befores(*((f"conv{n}", f"conv{n}_block1_1_conv") for n in (3, 4, 5))),
    ),
)
_RESNET_V2 = _Family(
    "He et al. 2016, Identity Mappings in Deep Residual Networks, arXiv:1603.05027",
    _SYMMETRIC,
    (
        Stage("conv1"),
        Stage("conv2", after="pool1_pool"),
        *_befores(*((f"conv{n}", f"conv{n}_block1_preact_bn") for n in (3, 4, 5))),
    ),
)
# Keras's own normalisation comes to this: its file holds the standard deviations in place of the variances, and
# with ImageNet weights Keras divides by their square roots once more.
_EFFICIENTNET = _Family(
    "Tan and Le 2019, EfficientNet, arXiv:1905.11946", _TORCH, _efficientnet_stages(7), first="stem_conv_pad"
)
_EFFICIENTNET_V2_B = _Family(
    "Tan and Le 2021, EfficientNetV2, arXiv:2104.00298", _TORCH, _efficientnet_stages(6), options=_WITHOUT
)
_EFFICIENTNET_V2_S = dataclasses.replace(_EFFICIENTNET_V2_B, native=Part("rescale", scale=1 / 128, offset=-1.0))
_EFFICIENTNET_V2_ML = dataclasses.replace(_EFFICIENTNET_V2_S, stages=_efficientnet_stages(7))
_MOBILENET_V2 = _Family(
    "Sandler et al. 2018, MobileNetV2, arXiv:1801.04381",
    _SYMMETRIC,
    (
        Stage("stem"),
        Stage("block1", after="Conv1_relu"),
        *_befores(*((f"block{n}", f"block_{first}_expand") for n, first in enumerate((1, 3, 6, 10, 13, 16), start=2))),
        Stage("top", before="Conv_1"),
    ),
)
_MOBILENET_V3_SMALL = _Family(
    "Howard et al. 2019, Searching for MobileNetV3, arXiv:1905.02244",
    _SYMMETRIC,
    _mobilenet_v3_stages("expanded_conv_depthwise_pad", 1, 3, 6, 8),
    options=_WITHOUT,
)
_MOBILENET_V3_LARGE = dataclasses.replace(
    _MOBILENET_V3_SMALL, stages=_mobilenet_v3_stages("expanded_conv_depthwise", 1, 3, 6, 10, 12)
)
_DENSENET = _Family(
    "Huang et al. 2016, Densely Connected Convolutional Networks, arXiv:1608.06993",
    _TORCH,
    (
        Stage("conv1"),
        Stage("conv2", after="pool1"),
        *(Stage(f"conv{n}", after=f"pool{n - 1}_pool") for n in (3, 4, 5)),
    ),
)
_CONVNEXT = _Family(
    "Liu et al. 2022, A ConvNet for the 2020s, arXiv:2201.03545",
    _TORCH,
    (
        Stage("stem"),
        Stage("stage1", after="{name}_stem"),
        *_befores(*((f"stage{n}", f"{{name}}_downsampling_block_{n - 2}") for n in (2, 3, 4))),
    ),
    options=_WITHOUT,
)
_XCEPTION = _Family(
    "Chollet 2016, Xception, arXiv:1610.02357",
    _SYMMETRIC,
    (
        Stage("block1"),
        Stage("block2", before="block2_sepconv1"),
        *_befores(*((f"block{n}", f"block{n}_sepconv1_act") for n in range(3, 14))),
        Stage("block14", before="block14_sepconv1"),
    ),
    min_size=71,
)
_INCEPTION_V3 = _Family(
    "Szegedy et al. 2015, Rethinking the Inception Architecture, arXiv:1512.00567",
    _SYMMETRIC,
    (Stage("stem"), *(Stage(f"mixed{n}", after=f"mixed{n - 1}") for n in range(1, 11))),
    min_size=75,
)
_INCEPTION_RESNET_V2 = _Family(
    "Szegedy et al. 2016, Inception-v4 and Inception-ResNet, arXiv:1602.07261",
    _SYMMETRIC,
    (
        Stage("stem"),
        Stage("block35", after="mixed_5b"),
        Stage("block17", after="mixed_6a"),
        Stage("block8", after="mixed_7a"),
        Stage("top", before="conv_7b"),
    ),
    min_size=75,
)

# name: the function of keras.applications, how many numbers its weights hold without a top, the family
_MEMBERS: dict[str, tuple[str, int, _Family]] = {
    "resnet50": ("ResNet50", 23_587_712, _RESNET),
    "resnet101": ("ResNet101", 42_658_176, _RESNET),
    "resnet152": ("ResNet152", 58_370_944, _RESNET),
    "resnet50_v2": ("ResNet50V2", 23_564_800, _RESNET_V2),
    "resnet101_v2": ("ResNet101V2", 42_626_560, _RESNET_V2),
    "resnet152_v2": ("ResNet152V2", 58_331_648, _RESNET_V2),
    "efficientnet_b0": ("EfficientNetB0", 4_049_564, _EFFICIENTNET),
    "efficientnet_b1": ("EfficientNetB1", 6_575_232, _EFFICIENTNET),
    "efficientnet_b2": ("EfficientNetB2", 7_768_562, _EFFICIENTNET),
    "efficientnet_b3": ("EfficientNetB3", 10_783_528, _EFFICIENTNET),
    "efficientnet_b4": ("EfficientNetB4", 17_673_816, _EFFICIENTNET),
    "efficientnet_b5": ("EfficientNetB5", 28_513_520, _EFFICIENTNET),
    "efficientnet_b6": ("EfficientNetB6", 40_960_136, _EFFICIENTNET),
    "efficientnet_b7": ("EfficientNetB7", 64_097_680, _EFFICIENTNET),
    "efficientnet_v2_b0": ("EfficientNetV2B0", 5_919_312, _EFFICIENTNET_V2_B),
    "efficientnet_v2_b1": ("EfficientNetV2B1", 6_931_124, _EFFICIENTNET_V2_B),
    "efficientnet_v2_b2": ("EfficientNetV2B2", 8_769_374, _EFFICIENTNET_V2_B),
    "efficientnet_v2_b3": ("EfficientNetV2B3", 12_930_622, _EFFICIENTNET_V2_B),
    "efficientnet_v2_s": ("EfficientNetV2S", 20_331_360, _EFFICIENTNET_V2_S),
    "efficientnet_v2_m": ("EfficientNetV2M", 53_150_388, _EFFICIENTNET_V2_ML),
    "efficientnet_v2_l": ("EfficientNetV2L", 117_746_848, _EFFICIENTNET_V2_ML),
    "mobilenet_v2": ("MobileNetV2", 2_257_984, _MOBILENET_V2),
    "mobilenet_v3_small": ("MobileNetV3Small", 939_120, _MOBILENET_V3_SMALL),
    "mobilenet_v3_large": ("MobileNetV3Large", 2_996_352, _MOBILENET_V3_LARGE),
    "densenet121": ("DenseNet121", 7_037_504, _DENSENET),
    "densenet169": ("DenseNet169", 12_642_880, _DENSENET),
    "densenet201": ("DenseNet201", 18_321_984, _DENSENET),
    "convnext_tiny": ("ConvNeXtTiny", 27_820_128, _CONVNEXT),
    "convnext_small": ("ConvNeXtSmall", 49_454_688, _CONVNEXT),
    "convnext_base": ("ConvNeXtBase", 87_566_464, _CONVNEXT),
    "convnext_large": ("ConvNeXtLarge", 196_230_336, _CONVNEXT),
    "convnext_xlarge": ("ConvNeXtXLarge", 348_147_968, _CONVNEXT),
    "xception": ("Xception", 20_861_480, _XCEPTION),
    "inception_v3": ("InceptionV3", 21_802_784, _INCEPTION_V3),
    "inception_resnet_v2": ("InceptionResNetV2", 54_336_736, _INCEPTION_RESNET_V2),
}


def _build(name: str, input_shape: tuple[int, int, int], *, weights: str | None) -> Any:
    """See :class:`Backbone`.

    Raises:
        OptionError: the image is too small for this network, or has not three channels.
        WeightsError: ``weights`` cannot be loaded.
    """
    function, _, family = _MEMBERS[name]
    shape = _checked_shape(name, family.min_size, input_shape)
    weights = checked_weights(weights)
    import keras

    make = functools.partial(
        getattr(keras.applications, function), include_top=False, input_shape=shape, **family.options
    )
    full = load_published(lambda: make(weights="imagenet"), name) if weights == "imagenet" else make(weights=None)
    model = full if family.first is None else keras.Model(full.get_layer(family.first).input, full.output)
    if weights not in (None, "imagenet"):
        load_file(model, weights, full=full)
    return model if model is full else _apart(model)


def _apart(cut: Any) -> Any:
    """Returns a copy whose layers know nothing of the network that ``cut`` was cut from."""
    import keras

    copy = keras.models.clone_model(cut, input_tensors=keras.Input(cut.input.shape[1:], name="image"))
    copy.set_weights(cut.get_weights())
    return copy


def _checked_shape(name: str, least: int, input_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    if len(input_shape) != 3 or input_shape[2] != 3:
        raise OptionError(f"input_shape is (height, width, 3). Received: {tuple(input_shape)}")
    height, width = checked_image_size(input_shape[:2])
    if min(height, width) < least:
        raise OptionError(f"{name} takes images of at least {least} x {least} pixels. Received: {height} x {width}")
    return height, width, 3


def _member(name: str) -> Backbone:
    _, parameters, family = _MEMBERS[name]
    stages = tuple(
        Stage(*(text and text.format(name=name) for text in dataclasses.astuple(stage))) for stage in family.stages
    )
    build = functools.partial(_build, name)
    return Backbone(name, build, family.native, stages, family.min_size, parameters, family.source)


#: The backbones of this module, by name; each is an attribute of the module as well.
MEMBERS = {name: _member(name) for name in _MEMBERS}
globals().update(MEMBERS)
