"""Training on several devices and processes: the same curve as in one process, and what a strategy changes besides."""

import dataclasses
import json
import logging
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import distributed
import keras
import numpy as np
import pytest
import tensorflow as tf
from distributed import TRAINER, model

import lesionkit as lk
from lesionkit.data.pipeline import dataset
from lesionkit.errors import DivergedError, OptionError
from lesionkit.model.parts import parts
from lesionkit.trainers import FineTune, Frozen
from lesionkit.training import distribution, replicas

SCRIPT = Path(distributed.__file__)
LAUNCHER = SCRIPT.parents[1] / "examples" / "launch_workers.py"
SHORT = Frozen(epochs=2, batch_size=8, learning_rate=0.02)


@pytest.fixture(scope="module")
def alone():
    """A strategy of one replica, which this process can have."""
    return tf.distribute.MirroredStrategy(["CPU:0"])


def weights(found):
    return [one.numpy() for one in found.weights]


def assert_same(ours, theirs, **within):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, **{"rtol": 0, "atol": 0, **within})


def assert_same_curve(ours, theirs, atol=1e-3):
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, atol=atol, err_msg=name)


# Two devices, two processes


@pytest.fixture(scope="module")
def undistributed(folder, tmp_path_factory):
    """The history and the weights of the script's training in this process, without a strategy."""
    found = model()
    store = lk.FeatureStore(tmp_path_factory.mktemp("alone"))
    run = TRAINER.fit(found, *distributed.images(folder), store=store)
    return run.history, weights(found)


def python(*arguments):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode, done.stdout


def workers(folder, output, *more):
    """Runs two workers; returns the launcher's status and all that was told."""
    return python(
        LAUNCHER, "--engine", "training", "--workers", 2, "--", sys.executable, SCRIPT, "workers", folder, output, *more
    )


def written(output, name):
    with np.load(output / f"{name}.npz") as found:
        arrays = [found[key] for key in found]
    return json.loads((output / f"{name}.json").read_text()), arrays


@pytest.mark.slow
def test_two_devices_train_as_one_process_does(folder, undistributed, tmp_path):
    status, told = python(SCRIPT, "mirrored", folder, tmp_path)
    assert status == 0, told
    history, found = written(tmp_path, "chief")
    assert_same_curve(history, undistributed[0])
    assert_same(found, undistributed[1], atol=1e-3)

    asides = json.loads((tmp_path / "asides.json").read_text())
    draws, means = asides["seed_generator_state"][0], asides["moving_mean"]
    assert draws[0] != draws[1]  # dropout of its own on each
    assert means[0][0] != means[0][1]  # each follows its share of the images
    assert means[1][0] == means[1][1]  # until the epoch ends
    assert np.isfinite(asides["loss"]).all()
    assert asides["answers"] == [9, 3]  # of a function called in the scope: one answer for an image
    assert "multiple of 2, such as 10. Received: 9" in asides["refused"]


@pytest.mark.slow
def test_two_workers_train_as_one_process_does_also_killed_and_interrupted(folder, undistributed, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    status, told = workers(folder, whole)
    assert status == 0, told
    history, chief = written(whole, "chief")
    assert_same_curve(history, undistributed[0])
    assert_same(chief, undistributed[1], atol=1e-3)
    assert_same(written(whole, "other")[1], chief)
    assert written(whole, "other")[0] == history
    assert [path.name for path in whole.glob("wrote-*")] == ["wrote-chief"]

    status, told = workers(folder, broken, "--stop", 1, "--by", "SIGKILL")
    assert status != 0
    assert f"worker1 failed with status {128 + signal.SIGKILL}" in told
    status, told = workers(folder, broken, "--stop", 2, "--by", "SIGINT")  # of one worker: both stop
    assert status == 130, told
    kept = "stopped in epoch 3 of 3 (high); 2 finished epochs are kept"
    assert {name for name in ("worker0", "worker1") if f"[{name}] {kept}" in told} == {"worker0", "worker1"}, told
    status, told = workers(folder, broken)
    assert status == 0, told
    assert written(broken, "chief")[0] == history
    assert_same(written(broken, "chief")[1], chief)
    assert_same(written(broken, "other")[1], chief)


# One replica


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "focal", "label_smoothing": 0.1, "sampling": "balanced"},
        {"optimizer": "adamw"},
        {"schedule": "cosine", "warmup_epochs": 1, "epochs": 3, "views": 2},
    ],
)
def test_every_option_trains_as_without_a_strategy(alone, train, held_out, store, options):
    trainer = dataclasses.replace(SHORT, **options)
    chosen = "flip_rotate_shift" if "views" in options else None
    ours, theirs = model(), model()
    more = {"augmenter": chosen, "store": store}
    run = trainer.fit(ours, train[:-3], held_out, strategy=alone, **more)
    assert_same_curve(run.history, trainer.fit(theirs, train[:-3], held_out, **more).history, atol=1e-5)
    assert_same(weights(ours), weights(theirs), atol=1e-5)


def test_callbacks_see_the_same(alone, train, held_out, store):
    def plain(given):
        return sorted(given or ()) if given is None or isinstance(given, dict) else given

    class Seen(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.told = []

        def __getattribute__(self, name):
            if not name.startswith("on_") or "predict" in name:
                return super().__getattribute__(name)
            return lambda *given, logs=None: self.told.append((name, *map(plain, given), plain(logs)))

    seen = [Seen(), Seen()]
    for one, strategy in zip(seen, (None, alone), strict=True):
        SHORT.fit(model(), train, held_out, store=store, strategy=strategy, callbacks=[one])
        assert one.params["epochs"] == 2
        assert one.params["steps"] == 3
    assert len(seen[0].told) > 20
    assert seen[0].told == seen[1].told


def test_early_stopping_puts_the_best_weights_back(alone, train, held_out, store):
    trainer = dataclasses.replace(SHORT, epochs=12, patience=2)
    ours, theirs = model(), model()
    run = trainer.fit(ours, train, held_out, store=store, strategy=alone)
    assert run.epochs == trainer.fit(theirs, train, held_out, store=store).epochs < 12
    assert_same(weights(ours), weights(theirs), atol=1e-4)


def test_a_function_is_called_in_the_scope_and_its_model_is_an_ordinary_one(alone, train, held_out, store, tmp_path):
    scopes = []

    def built():
        scopes.append(tf.distribute.get_strategy())
        return model()

    trainer = FineTune(unfreeze="high", epochs=1, batch_size=8, first=SHORT)
    run = trainer.fit(built, train, strategy=alone, store=store)
    assert scopes == [alone]
    assert not any(isinstance(one.value, tf.distribute.DistributedValues) for one in run.model.weights)
    assert lk.evaluate(run.model, held_out, store=store).probabilities.shape == (9, 3)
    lk.save(run.model, tmp_path / "saved")
    assert_same(weights(lk.load(tmp_path / "saved").model), weights(run.model))


def test_a_model_built_in_a_scope_is_refused(alone, train):
    with alone.scope():
        inside = model()
    with pytest.raises(OptionError, match="Build it outside"):
        SHORT.fit(inside, train, strategy=alone)


def test_ctrl_c_leaves_the_weights_of_the_last_step(alone, train, store):
    class Press(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 1:
                os.kill(os.getpid(), signal.SIGINT)

        def on_train_batch_end(self, batch, logs=None):
            last.append([one.numpy() for one in self.model.weights])

    found, last = model(), []
    with pytest.raises(
        KeyboardInterrupt, match="stopped in epoch 1 of 2 .head.; the model holds the weights of the last"
    ):
        SHORT.fit(found, train, store=store, strategy=alone, callbacks=[Press()])
    assert len(last) == 2
    assert_same(weights(parts(found).head), last[-1])


def test_a_loss_that_is_no_number_names_the_files_and_keeps_the_last_epoch(alone, train, store):
    class Poison(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            kernel = self.model.layers[-1].kernel
            kept.append(kernel.numpy())
            kernel.assign(kernel * (np.nan if epoch == 1 else 1))

    found, kept = model(), []
    with pytest.raises(DivergedError, match=r"nan in batch 1 of epoch 2 \(head\)") as caught:
        SHORT.fit(found, train, store=store, strategy=alone, callbacks=[Poison()])
    named = {line.strip() for line in str(caught.value).splitlines() if line.startswith("  ")}
    assert len(named) == 8
    assert named <= set(train.source)
    np.testing.assert_array_equal(parts(found).head.layers[-1].kernel.numpy(), kept[-1])


def test_it_goes_on_where_training_without_a_strategy_stopped(alone, train, store, tmp_path, caplog):
    caplog.set_level(logging.INFO, "lesionkit")
    whole, found = model(), model()
    SHORT.fit(whole, train, store=store)

    class Killed(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise RuntimeError

    with pytest.raises(RuntimeError):
        SHORT.fit(model(), train, store=store, resume_dir=tmp_path, callbacks=[Killed()])
    SHORT.fit(found, train, store=store, resume_dir=tmp_path, strategy=alone)
    assert "resumed: 1 of 2 epochs" in caplog.text
    assert_same(weights(found), weights(whole), atol=1e-5)


def test_the_random_state_is_left_as_it_was(alone, train, store):
    found, state = model(), random.getstate()
    SHORT.fit(found, train, store=store, strategy=alone)
    assert random.getstate() == state


# Refused


@pytest.mark.parametrize(
    ("options", "more", "message"),
    [
        ({"precision": "mixed_float16"}, {}, "no loss scaling"),
        ({}, {"augmenter": "mixup"}, "no augmenter may mix"),
        ({}, {"strategy": tf.distribute.OneDeviceStrategy("CPU:0")}, "Received: <.*OneDeviceStrategy"),
    ],
)
def test_what_cannot_be_trained_under_a_strategy(alone, train, options, more, message):
    trainer = FineTune(unfreeze="high", batch_size=8, first=dataclasses.replace(SHORT, **options))
    with pytest.raises(OptionError, match=message):
        trainer.fit(model, train, **{"strategy": alone, **more})


def test_a_dataset_cannot_be_shared(alone, train):
    data = dataset(train, image_size=distributed.SIZE, batch_size=8)
    with pytest.raises(OptionError, match="images are Records"):
        SHORT.fit(model(), data, strategy=alone)
    with pytest.raises(OptionError, match="images are Records"):
        SHORT.fit(model(), train, data, strategy=alone)


# Several workers


@pytest.mark.parametrize(
    ("jobs", "task", "chief"),
    [
        ({"worker": ["a:1", "b:1"]}, ("worker", 0), True),
        ({"worker": ["a:1", "b:1"]}, ("worker", 1), False),
        ({"chief": ["a:1"], "worker": ["b:1"]}, ("chief", 0), True),
        ({"chief": ["a:1"], "worker": ["b:1"]}, ("worker", 0), False),
    ],
)
def test_one_of_the_workers_is_the_chief(jobs, task, chief):
    cluster = tf.train.ClusterSpec(jobs)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(cluster, task_type=task[0], task_id=task[1])
    assert distribution.is_chief(SimpleNamespace(cluster_resolver=resolver)) is chief


def test_one_process_is_its_own_chief(alone):
    assert distribution.is_chief(None)
    assert distribution.is_chief(alone)
    assert distribution.is_chief(tf.distribute.MultiWorkerMirroredStrategy()) is True  # without TF_CONFIG


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, 2], [1, 0]], r"different epochs \(2, 0\).*resume_dir.*Received: here"),
        ([[1, 0], [2, 0]], "first weights differ"),
    ],
)
def test_workers_that_are_not_alike_are_told_why(rows, message):
    apart = SimpleNamespace(
        experimental_distribute_values_from_function=lambda function: function(None),
        gather=lambda value, axis: tf.constant(rows),
    )
    with pytest.raises(OptionError, match=message):
        distribution.check_alike(apart, "0" * 32, 0, "here")


# A whole run


def test_only_the_chief_writes_a_run(records, store, tmp_path, monkeypatch):
    from lesionkit import backbones
    from lesionkit.experiments import workflow

    monkeypatch.setitem(backbones._registry._registered, "deep", distributed.DEEP)
    recipe = lk.Recipe(
        backbone=lk.Part("deep"), image_size=distributed.SIZE, trainer=lk.Part("Frozen", epochs=1, batch_size=8)
    )
    alone = tf.distribute.MirroredStrategy(["CPU:0"])
    found = []
    for chief in (False, True):
        monkeypatch.setattr(workflow, "is_chief", lambda _, chief=chief: chief)
        found.append(lk.run_recipe(recipe, records, tmp_path / "run", store=store, strategy=alone))
        assert (tmp_path / "run").exists() is chief
    np.testing.assert_allclose(found[0].probabilities, found[1].probabilities, atol=1e-6)


@pytest.mark.parametrize("balanced", [0.0, 0.5])
def test_the_figures_are_those_of_the_sums(balanced):
    sums = np.array([0, 12.0, 4, 0, 4 * balanced, 4, 0, 4])
    told = replicas._figures(sums)
    assert told == {"accuracy": (4 + 4 * balanced) / 8, "balanced_accuracy": (1 + balanced) / 2, "loss": 1.5}
