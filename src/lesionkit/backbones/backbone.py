"""What the library knows of a backbone before it is built."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lesionkit.recipe import Part


@dataclass(frozen=True)
class Stage:
    """A named run of layers, in the order of the flow, and where it starts.

    Exactly one of ``after`` and ``before`` is given: the stage starts at the output of the layer called
    ``after``, or at the input of the layer called ``before``. That tensor is all that passes from the earlier
    stages to this one, so the network can be cut there. The first stage has neither: it starts at the image.
    """

    name: str
    after: str | None = None
    before: str | None = None


@dataclass(frozen=True)
class Backbone:
    """A network from a preprocessed image to one feature map, described without building it.

    Attributes:
        name: the registered name.
        build: ``build(input_shape, *, weights)`` returns a functional ``keras.Model`` from (B, height, width, 3),
            already preprocessed, to one feature map (B, h, w, C). ``input_shape`` is (height, width, 3);
            ``weights`` is ``"imagenet"``, a local file (``.h5``, ``.weights.h5``, ``.keras``) or None for random.
        native: the preprocessor that its ImageNet weights were trained with.
        stages: its stages, first to last.
        min_size: the least height and width in pixels.
        parameters: how many numbers its weights hold.
        source: the paper it comes from.
    """

    name: str
    build: Callable[..., Any]
    native: Part
    stages: tuple[Stage, ...]
    min_size: int
    parameters: int
    source: str
