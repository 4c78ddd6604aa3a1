"""A classifier in two halves: what makes its feature map, and what makes of that the score of each class."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras

from lesionkit.errors import OptionError
from lesionkit.model.parts import frozen_part, parts


class Halves(NamedTuple):
    """Image to feature map (B, h, w, K), and feature map to the score (B, C) of each class; layers are shared."""

    below: keras.Model
    above: keras.Model


def halves_of(model: keras.Model, share: float = 1.0) -> Iterator[tuple[float, Halves]]:
    """Yields the share in the answer, and the halves, of each member of an average: of any other model, of itself.

    The feature map is what enters the head of a classifier of ``build_classifier``, and in any other functional model
    the last one of more than one place through which all of the answer passes. The score is what enters a softmax that
    comes last; of other outputs, taken for probabilities p, it is log p.

    Raises:
        OptionError: the model is not functional, or has several outputs, or no such feature map.
    """
    model = _functional(model)
    last, inputs = _last(model)
    if isinstance(last, keras.Function | keras.Sequential) and inputs[0] is model.input:
        yield from halves_of(last, share)
    elif isinstance(last, keras.layers.Average):
        for one in inputs:
            yield from halves_of(keras.Model(model.input, one), share / len(inputs))
    else:
        below, above = _halves(model)
        yield share, Halves(below, _scored(above))


def _functional(model: Any) -> keras.Model:
    if isinstance(model, keras.Sequential) and model.built:
        return keras.Model(model.inputs[0], model.outputs[0])
    if not isinstance(model, keras.Function) or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise OptionError(
            "The feature map is found in a functional model of one input and one output, such as build_classifier "
            f"makes. Received: {type(model).__name__} {getattr(model, 'name', '')}".rstrip()
        )
    return model


def _halves(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Returns (image to feature map, feature map to answer)."""
    with contextlib.suppress(OptionError):
        return frozen_part(model), _unrolled(parts(model).head)[0]
    flat, tensors = _unrolled(model)
    for tensor in reversed(tensors):
        if isinstance(tensor, keras.KerasTensor) and len(tensor.shape) == 4 and tensor.shape[1:3] != (1, 1):
            with contextlib.suppress(ValueError):  # a path leads around it
                return keras.Model(flat.input, tensor), keras.Model(tensor, flat.output)
    raise OptionError("The model has no feature map (B, h, w, K) through which all of its answer passes.")


def _unrolled(model: keras.Model) -> tuple[keras.Model, list[Any]]:
    """Returns the model with the layers of nested models in one graph, and what each layer gives, in order."""
    tensors: list[Any] = []

    def called(operation: Any) -> Callable[..., Any]:
        def call(*inputs: Any, **options: Any) -> Any:
            nested = _functional(operation) if isinstance(operation, keras.Sequential) else operation
            if isinstance(nested, keras.Function):
                return nested._run_through_graph(*inputs, called)  # noqa: SLF001
            tensors.append(operation(*inputs, **options))
            return tensors[-1]

        return call

    image = keras.Input(model.input.shape[1:], dtype=model.input.dtype)
    return keras.Model(image, called(model)(image)), tensors


def _scored(model: keras.Model) -> keras.Model:
    """Returns features to scores, where ``model`` gives probabilities."""
    last, inputs = _last(model)
    if getattr(last, "activation", None) is keras.activations.softmax:
        linear = type(last).from_config({**last.get_config(), "activation": "linear"})
        score = linear(inputs[0])
        linear.set_weights(last.get_weights())
    elif type(last).__name__ == "Softmax":  # the layer, or keras.ops.softmax
        score = inputs[0]
    else:
        score = keras.ops.log(keras.ops.maximum(model.output, keras.config.epsilon()))
    return keras.Model(model.input, score)


def _last(model: keras.Model) -> tuple[Any, list[keras.KerasTensor]]:
    """Returns the operation that gives the model's output, and its inputs."""
    made = model.output._keras_history  # noqa: SLF001
    return made.operation, made.operation._inbound_nodes[made.node_index].input_tensors  # noqa: SLF001
