"""What the output of a frozen network depends on, besides the image file, as one short text."""

import hashlib
import json
from importlib.metadata import version
from typing import Any

import numpy as np

from lesionkit.data import images

#: Changes whenever :mod:`lesionkit.features.folding` computes other bits than before.
ENGINE = "folded/3"


def fingerprint(frozen: Any) -> str:
    """Returns 32 hexadecimal digits that differ where the feature maps of one file may differ.

    They stand for the layers of the ``keras.Model`` ``frozen``, its weights, its image size, the decoder, the
    way it is computed, and the versions of Keras and TensorFlow; not for the names of the layers.
    """
    versions = [f"{name} {version(name)}" for name in ("keras", "tensorflow")]
    config = anonymous(json.loads(json.dumps(frozen.get_config(), default=str)))
    told = json.dumps([config, images.DECODER, ENGINE, versions], sort_keys=True)
    digest = hashlib.sha256(told.encode())
    for weight in frozen.weights:
        values = np.ascontiguousarray(weight)
        digest.update(f"{values.dtype} {values.shape}".encode())
        digest.update(values.view(np.uint8).data)
    return digest.hexdigest()[:32]


def anonymous(config: Any) -> Any:
    """Returns a model's configuration with the name of each layer replaced by its place.

    Keras numbers the layers that nobody named over the whole session, so the same network built twice has
    other names. Names stand under ``name`` and in references to a tensor, ``[layer, node, tensor]``.
    """
    places: dict[str, str] = {}

    def place(name: str) -> str:
        return places.setdefault(name, f"layer {len(places)}")

    def walk(node: Any) -> Any:
        if isinstance(node, dict):
            if str(node.get("class_name")).startswith("DTypePolicy"):  # its name is what it does
                return node
            return {
                key: place(value) if key == "name" and isinstance(value, str) else walk(value)
                for key, value in node.items()
            }
        if isinstance(node, list):
            reference = len(node) == 3 and isinstance(node[0], str) and all(isinstance(n, int) for n in node[1:])
            return [place(node[0]), *node[1:]] if reference else [walk(value) for value in node]
        return node

    return walk(config)
