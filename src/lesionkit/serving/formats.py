"""The formats in which a classifier is served: a model to files, and files to what answers."""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from lesionkit.errors import ExportError, OptionError
from lesionkit.model.parts import layers_within
from lesionkit.serving.encoded_images import decoded

#: The name of the JSON about the classifier: a file beside the model, and an entry in it where the format has room.
SERVING = "serving.json"

#: (n, height, width, 3) float32 RGB in [0, 255], or the bytes of n files, to (n, C) probabilities.
Answer: TypeAlias = Callable[[Any], npt.NDArray[Any]]


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        write: ``(model, class_names, serving, folder, **options)`` writes into a folder; ``serving`` is the text of
            :data:`SERVING`.
        open: the folder to what answers from its files alone.
        options: which of ``encoded`` and ``int8`` it has.
        needs: the packages that write and open it.
    """

    write: Callable[..., None]
    open: Callable[[Path], Answer]
    options: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


def checked_format(name: str, **options: bool) -> Format:
    """Returns the format called ``name`` once it is sure that it has the options that are True.

    Raises:
        OptionError: there is no such format, or it has no such option.
        ImportError: its packages are not installed.
    """
    if name not in FORMATS:
        raise OptionError(f"format is one of {', '.join(FORMATS)}. Received: {name!r}")
    form = FORMATS[name]
    for option, asked in options.items():
        if asked and option not in form.options:
            having = " and ".join(name for name, other in FORMATS.items() if option in other.options)
            raise OptionError(f"{option}=True is for the format {having}. Received: {name!r}")
    missing = [package for package in form.needs if find_spec(package) is None]
    if missing:
        raise ImportError(f'Export to {name} needs {", ".join(missing)}: pip install "lesionkit[export]"')
    return form


def in_float32(model: keras.Model) -> keras.Model:
    """Returns ``model`` where it computes in 32 bits throughout, else a copy that does."""
    if all(layer.compute_dtype == "float32" for layer in layers_within(model)):
        return model
    return _rebuilt(model, lambda layer: layer.__class__.from_config({**layer.get_config(), "dtype": "float32"}))


def _rebuilt(model: keras.Model, remade: Callable[[Any], Any]) -> keras.Model:
    """Returns a copy of ``model`` of layers made by ``remade``, with the same weights, also in the models within."""

    def clone(step: Any) -> Any:
        if isinstance(step, keras.Model):
            return _rebuilt(step, remade)
        return remade(step) if isinstance(step, keras.layers.Layer) else step.__class__.from_config(step.get_config())

    copy = keras.models.clone_model(model, clone_function=clone)
    kept = zip(model.get_weights(), copy.weights, strict=True)
    copy.set_weights([values.reshape(weight.shape) for values, weight in kept])
    return copy


def _write_keras(model: keras.Model, _: tuple[str, ...], serving: str, folder: Path) -> None:
    model.save(folder / "model.keras")
    _append(folder / "model.keras", serving)


def _open_keras(folder: Path) -> Answer:
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    return lambda images: np.asarray(model.predict_on_batch(images))


def _write_savedmodel(
    model: keras.Model, class_names: tuple[str, ...], _: str, folder: Path, *, encoded: bool = False
) -> None:
    """Writes signatures that return ``probabilities`` (B, C) and ``label`` (B,), the likeliest class's name."""

    def answered(image: Any) -> dict[str, Any]:
        probabilities = model(image, training=False)
        return {"probabilities": probabilities, "label": tf.gather(class_names, tf.argmax(probabilities, axis=1))}

    served = tf.Module()
    served.weights = [variable.value for variable in model.variables]
    signatures = {"serving_default": tf.function(answered, input_signature=[_image(model)], autograph=False)}
    if encoded:
        files = tf.TensorSpec((None,), tf.string, name="image_bytes")
        size = model.input.shape[1:3]
        signatures["pixels"] = signatures["serving_default"]
        signatures["serving_default"] = tf.function(
            lambda image_bytes: answered(decoded(image_bytes, size)), input_signature=[files], autograph=False
        )
    tf.saved_model.save(served, folder, signatures=signatures)


def _open_savedmodel(folder: Path) -> Answer:
    loaded = tf.saved_model.load(folder)
    serve = loaded.signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]

    def answer(images: Any) -> npt.NDArray[Any]:
        return np.asarray(serve(**{name: tf.constant(images)})["probabilities"])

    return answer


def _write_litert(model: keras.Model, _: tuple[str, ...], serving: str, folder: Path, *, int8: bool = False) -> None:
    """Writes a file of built-in operations alone, which every LiteRT runtime has; with ``int8`` of 8-bit weights."""
    frozen = convert_variables_to_constants_v2(_function(model).get_concrete_function())
    if "Roll" in {operation.type for operation in frozen.graph.get_operations()}:
        raise ExportError(
            "LiteRT has no operation that moves pixels around an edge (Roll), which the preprocessor hair_removal is "
            'made of. Use "savedmodel" or "onnx".'
        )
    constant = tf.Module()  # with variables, the converted file would start from none
    constant.serve = tf.function(
        lambda image: {"probabilities": frozen(image)[0]}, input_signature=[_image(model)], autograph=False
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([constant.serve.get_concrete_function()], constant)
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    (folder / "model.tflite").write_bytes(converter.convert())
    _append(folder / "model.tflite", serving)


def _open_litert(folder: Path) -> Answer:
    from ai_edge_litert.interpreter import Interpreter

    serve = Interpreter(model_path=str(folder / "model.tflite")).get_signature_runner("serving_default")
    return lambda images: np.array(serve(image=images)["probabilities"])


def _write_onnx(model: keras.Model, _: tuple[str, ...], serving: str, folder: Path) -> None:
    import onnx
    import tf2onnx

    if any(_is_depthwise(layer) for layer in layers_within(model)):
        model = _rebuilt(model, _without_groups)
    proto, _ = tf2onnx.convert.from_function(
        _function(model), [_image(model)], opset=OPSET, custom_op_handlers={"Erfc": (_erfc, [])}
    )
    onnx.helper.set_model_props(proto, {SERVING: serving})
    onnx.save(proto, folder / "model.onnx")


def _erfc(graph: Any, node: Any, name: str, _: Any) -> None:
    """Makes 1 - erf(x) of an operation of GELU that tf2onnx 1.17 does not know."""
    one = graph.make_const(f"{name}_one", np.array(1, np.float32)).output[0]
    erf = graph.make_node("Erf", [node.input[0]]).output[0]
    node.type = "Sub"
    graph.replace_inputs(node, [one, erf])


def _is_depthwise(layer: Any) -> bool:
    return type(layer) is keras.layers.Conv2D and 1 < layer.groups == layer.filters and layer.kernel.shape[2] == 1


def _without_groups(layer: Any) -> Any:
    """Returns a copy; one depthwise for a convolution whose groups are single channels, which tf2onnx cannot convert.

    The kernels (h, w, 1, C) and (h, w, C, 1) hold the same numbers in the same order.
    """
    config = layer.get_config()
    if not _is_depthwise(layer):
        return layer.__class__.from_config(config)
    same = ("name", "dtype", "kernel_size", "strides", "padding", "dilation_rate", "activation", "use_bias")
    return keras.layers.DepthwiseConv2D.from_config({name: config[name] for name in same})


def _open_onnx(folder: Path) -> Answer:
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    return lambda images: np.asarray(session.run(["probabilities"], {"image": images})[0])


def _image(model: keras.Model) -> Any:
    return tf.TensorSpec((None, *model.input.shape[1:]), tf.float32, name="image")


def _function(model: keras.Model) -> Any:
    """Returns the model in inference mode: layers that draw at random, such as augmentation, pass images on."""
    return tf.function(
        lambda image: {"probabilities": model(image, training=False)},
        input_signature=[_image(model)],
        autograph=False,
    )


def _append(path: Path, serving: str) -> None:
    """Adds :data:`SERVING` to a zip file, or behind a LiteRT file, whose readers stop before it (as its labels do)."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(SERVING, serving)


#: The ONNX operator set, the newest that tf2onnx 1.17 writes.
OPSET = 18

FORMATS = {
    "savedmodel": Format(_write_savedmodel, _open_savedmodel, options=("encoded",)),
    "litert": Format(_write_litert, _open_litert, options=("int8",), needs=("ai_edge_litert",)),
    "onnx": Format(_write_onnx, _open_onnx, needs=("onnx", "onnxruntime", "tf2onnx")),
    "keras": Format(_write_keras, _open_keras),
}
