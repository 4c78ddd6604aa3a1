"""Backbones: a preprocessed image to a feature map.

``backbone`` is the record of a member, ``applications`` the table of Keras's networks; ``weights``, ``download`` and
``torch_file`` load weights.

Example:
    >>> backbone = lk.backbones.get("resnet50")
    >>> backbone.parameters, backbone.min_size, [stage.name for stage in backbone.stages]
    (23587712, 32, ['conv1', 'conv2', 'conv3', 'conv4', 'conv5'])
"""

from lesionkit.backbones.backbone import Backbone, Stage
from lesionkit.registry import Registry

_KERAS = [
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet50_v2",
    "resnet101_v2",
    "resnet152_v2",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
    "efficientnet_v2_b0",
    "efficientnet_v2_b1",
    "efficientnet_v2_b2",
    "efficientnet_v2_b3",
    "efficientnet_v2_s",
    "efficientnet_v2_m",
    "efficientnet_v2_l",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "densenet121",
    "densenet169",
    "densenet201",
    "convnext_tiny",
    "convnext_small",
    "convnext_base",
    "convnext_large",
    "convnext_xlarge",
    "xception",
    "inception_v3",
    "inception_resnet_v2",
]

_registry = Registry(
    "backbones",
    {"efficientnet_lite0": "lesionkit.backbones.efficientnet_lite:efficientnet_lite0"}
    | {name: f"lesionkit.backbones.applications:{name}" for name in _KERAS},
)
register, get, names, origin = _registry.register, _registry.get, _registry.names, _registry.origin

__all__ = ["Backbone", "Stage", "get", "names", "origin", "register"]
