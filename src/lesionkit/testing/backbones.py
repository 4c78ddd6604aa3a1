"""The contract of backbones."""

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lesionkit import preprocessors
from lesionkit.backbones import Backbone, Stage
from lesionkit.errors import WeightsError
from lesionkit.reproducibility import random_kept
from lesionkit.testing.contract import Contract
from lesionkit.testing.inputs import noise
from lesionkit.testing.models import answers, check_shapes, equal


def check_backbone(backbone: Backbone) -> None:
    """Holds a backbone to its contract. Builds it four times, with random weights, near its least size.

    Args:
        backbone: as ``backbones.get`` returns it.

    Raises:
        AssertionError: a promise is broken: a record that is had without TensorFlow and says truly how many numbers its
            weights hold, what it reads at least, and where it can be cut; a functional model from (B, height, width, 3)
            to one feature map, with no normalisation of the image in it; random weights by the seed, or those of a
            file; an error for a file that is not there.
    """
    contract = Contract.of("backbones", backbone)
    contract.holds(isinstance(backbone, Backbone), "it is a Backbone record", type(backbone))
    contract.holds(backbone.source.strip(), "its source names the paper it comes from", backbone.source)
    _check_light(contract, backbone.build)
    least, size = (backbone.min_size,) * 2, (backbone.min_size + 8, backbone.min_size + 24)
    with contract.keeps(f"build((height, width, 3), weights=None) works from min_size on, {least}"):
        with random_kept(0):
            model = backbone.build((*least, 3), weights=None)
        with random_kept(0):
            larger = backbone.build((*size, 3), weights=None)
    for one, shape in ((model, least), (larger, size)):
        check_shapes(contract, one, (None, *shape, 3), None)
        map_ = one.output.shape
        contract.holds(len(map_) == 4 and all(map_[1:]), "it ends in one feature map (B, h, w, C)", map_)
    count = model.count_params()
    contract.holds(count == backbone.parameters, f"its weights hold {backbone.parameters} numbers", count)
    inside = [
        layer.name for layer in _layers(model) if isinstance(layer, keras.layers.Rescaling | keras.layers.Normalization)
    ]
    contract.holds(not inside, "no normalisation of the image is in it: that is the preprocessor's", inside)
    _check_cuts(contract, model, backbone.stages)
    with contract.keeps(f"its native preprocessor, {backbone.native}, is registered"):
        native = preprocessors.get(backbone.native.name)(least, **backbone.native.options)
    found = answers(contract, model, np.asarray(native(noise(2, least))), alone=False)
    contract.holds(not np.array_equal(found[0], found[1]), "its feature map depends on the image", found[0])
    contract.holds(equal(model, larger), "equal seeds give equal weights, at any image size", "others")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "saved.weights.h5")
        model.save_weights(path)
        promise = 'weights is "imagenet", a local file or None: a missing file is a WeightsError'
        with contract.may_refuse(promise) as refused:
            backbone.build((*least, 3), weights=str(path.with_stem("missing")))
        contract.holds(refused and isinstance(refused[0], WeightsError), promise, refused or "no error")
        with random_kept(1), contract.keeps("weights may be a local file"):
            read = backbone.build((*least, 3), weights=str(path))
    contract.holds(equal(read, model), "weights may be a local file", "other weights than those in it")
    with random_kept(1):
        others = backbone.build((*least, 3), weights=None)
    same = [one.path for one, other in zip(model.weights, others.weights, strict=True) if _fixed(one, other)]
    contract.holds(not same, "weights=None is random weights, others for another seed", f"the same {same[:3]}")


def _check_light(contract: Contract, build: Callable[..., Any]) -> None:
    """Holds that the module with ``build`` needs neither TensorFlow nor Keras to be imported."""
    while isinstance(build, functools.partial):
        build = build.func
    if build.__module__ != "__main__":
        heavy = _heavy(build.__module__)
        contract.holds(not heavy, "it is listed without TensorFlow: import it within build", heavy)


@functools.cache
def _heavy(module: str) -> str:
    code = f"import sys, {module}; print(*{{'keras', 'tensorflow', 'torch'}} & set(sys.modules))"
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip().rpartition("\n")[2]


def _check_cuts(contract: Contract, model: keras.Model, stages: tuple[Stage, ...]) -> None:
    names = [stage.name for stage in stages]
    contract.holds(names and len(set(names)) == len(names), "its stages have names of their own", names)
    first, *later = stages
    contract.holds(first.after is None and first.before is None, "the first stage starts at the image", first)
    starts = [model.input]
    for stage in later:
        contract.holds((stage.after is None) != (stage.before is None), "a stage has after or before", stage)
        promise = f"all that passes into the stage {stage.name} is one tensor, after that of the stage before"
        with contract.keeps(promise):
            place = model.get_layer(stage.after).output if stage.after else model.get_layer(stage.before).input
            contract.holds(isinstance(place, keras.KerasTensor), promise, place)
            keras.Model(place, model.output)
            keras.Model(starts[-1], place)
        starts.append(place)


def _fixed(one: keras.Variable, other: keras.Variable) -> bool:
    """Returns whether a kernel, of values that were drawn, has the same ones in both."""
    values = one.numpy()
    return values.ndim > 1 and np.ptp(values) > 0 and np.array_equal(values, other.numpy())


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        yield from _layers(layer) if isinstance(layer, keras.Model) else [layer]
