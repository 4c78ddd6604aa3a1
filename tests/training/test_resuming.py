"""Training that is killed, interrupted or diverges: what is kept, and what the next start makes of it."""

import dataclasses
import json
import logging
import os
import random
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from places import TESTS

from lesionkit.errors import DivergedError
from lesionkit.recipe import Part
from lesionkit.reproducibility import identity
from lesionkit.trainers import FineTune, Frozen
from lesionkit.training.checkpoints import State, read_state, write_state

TRAINER = Frozen(epochs=3, batch_size=8, learning_rate=0.01)


def weights(model):
    return [one.numpy() for one in model.weights]


def assert_equal(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


class Kill(keras.callbacks.Callback):
    """Raises what is given at the first step of an epoch."""

    def __init__(self, epoch, error):
        super().__init__()
        self.at, self.error = epoch, error

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.at:
            raise self.error


@pytest.fixture
def model(build):
    return lambda: build(head=Part("pooled", hidden=(8,), dropout=0.5))


# Killed


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_as_if_never_stopped(folder, tmp_path):
    """kill -9 in extraction, in either phase, between folds: the answers are equal bit for bit."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for one in (whole, broken):
        one.mkdir()
    start(folder, whole)
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    moments = [chance.randint(0, 3), chance.randint(1, 3), chance.randint(2, 3)]  # of 18 epochs or more
    chance.shuffle(moments)
    told = "".join(start(folder, broken, epochs, chance.uniform(0, 0.15)) for epochs in moments)
    assert not (broken / "answers.npz").exists(), f"seed {seed}"
    told += start(folder, broken)
    assert "resumed:" in told or "finished before" in told
    with np.load(whole / "answers.npz") as one, np.load(broken / "answers.npz") as other:
        for name in ("folds", "test"):
            np.testing.assert_array_equal(one[name], other[name], err_msg=f"seed {seed}, kills after {moments}\n{told}")
    assert not list(broken.glob("*-unfinished"))


def start(folder, output, epochs=None, seconds=0.0):
    """Runs to the end, or is killed ``seconds`` after as many ``epochs`` (0: the first extraction); returns the log."""
    script = TESTS / "killed.py"
    process = subprocess.Popen(
        [sys.executable, "-u", script, folder, output], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    log, passed, awaited = "", 0, ": epoch " if epochs else "features: "
    with process:
        for line in process.stdout:
            log += line
            passed += awaited in line
            if epochs is not None and passed == max(epochs, 1):  # by what it has done: machines differ in speed
                time.sleep(seconds)
                process.kill()
                return log + process.stdout.read()
    assert process.returncode == 0, log
    return log


def test_it_goes_on_after_the_last_finished_epoch_and_says_so(model, train, held_out, store, tmp_path, caplog):
    caplog.set_level(logging.INFO, "lesionkit")
    one = model()
    whole = TRAINER.fit(one, train, held_out, store=store)
    with pytest.raises(RuntimeError, match="killed"):
        TRAINER.fit(
            model(), train, held_out, store=store, resume_dir=tmp_path, callbacks=[Kill(2, RuntimeError("killed"))]
        )
    caplog.clear()
    other = model()
    rest = TRAINER.fit(other, train, held_out, store=store, resume_dir=tmp_path)
    assert "resumed: 2 of 3 epochs (head) were finished before" in caplog.text
    assert "not to the bit" in caplog.text  # no deterministic() in this process
    assert caplog.text.count("epoch 3 of 3") == 1
    assert "epoch 2 of 3" not in caplog.text
    for name, told in whole.history.items():
        np.testing.assert_allclose(rest.history[name], told, atol=1e-5, err_msg=name)
    for ours, theirs in zip(weights(one), weights(other), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_best_epoch_and_the_patience_survive(model, train, held_out, store, tmp_path):
    trainer = dataclasses.replace(TRAINER, epochs=12, patience=2, learning_rate=0.02)
    one, other = model(), model()
    whole = trainer.fit(one, train, held_out, store=store)
    kill = [Kill(whole.epochs - 1, RuntimeError())]
    with pytest.raises(RuntimeError):
        trainer.fit(model(), train, held_out, store=store, resume_dir=tmp_path, callbacks=kill)
    rest = trainer.fit(other, train, held_out, store=store, resume_dir=tmp_path)
    assert rest.epochs == whole.epochs
    for ours, theirs in zip(weights(one), weights(other), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_finished_it_is_not_trained_again(model, train, store, tmp_path, caplog):
    caplog.set_level(logging.INFO, "lesionkit")
    one, other = model(), model()
    TRAINER.fit(one, train, store=store, resume_dir=tmp_path)
    caplog.clear()
    TRAINER.fit(other, train, store=store, resume_dir=tmp_path)
    assert "head: finished before, after 3 epochs" in caplog.text
    assert "epoch 1" not in caplog.text
    assert_equal(weights(one), weights(other))


def test_another_training_does_not_go_on_from_it(model, train, store, tmp_path, caplog):
    caplog.set_level(logging.INFO, "lesionkit")
    short = dataclasses.replace(TRAINER, epochs=1)
    short.fit(model(), train, store=store, resume_dir=tmp_path)
    for change in ({"learning_rate": 0.02}, {"seed": 1}, {"epochs": 2}):
        dataclasses.replace(short, **change).fit(model(), train, store=store, resume_dir=tmp_path)
    short.fit(model(), train[:-1], store=store, resume_dir=tmp_path)
    assert "resumed" not in caplog.text
    assert "finished before" not in caplog.text
    assert len(list(tmp_path.glob("head-*.npz"))) == 5


def test_a_damaged_state_is_told_and_not_used(model, train, store, tmp_path, caplog):
    TRAINER.fit(model(), train, store=store, resume_dir=tmp_path)
    path = next(tmp_path.glob("head-*.npz"))
    path.write_bytes(path.read_bytes()[:-200])
    run = TRAINER.fit(model(), train, store=store, resume_dir=tmp_path)
    assert f"{path} is damaged" in caplog.text
    assert run.epochs == 3


# Interrupted


def test_ctrl_c_waits_for_the_step_and_says_what_is_kept(build, deep, train, store, tmp_path):
    class Press(keras.callbacks.Callback):
        steps = 0

        def on_train_batch_begin(self, batch, logs=None):
            self.steps += 1
            if self.steps == 5:  # of three steps an epoch
                os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    trainer = FineTune(unfreeze="high", epochs=3, batch_size=8, first=TRAINER)
    with pytest.raises(KeyboardInterrupt, match=r"epoch 2 of 3 \(head\); 1 finished epochs are kept, the same command"):
        trainer.fit(build(backbone=deep), train, store=store, resume_dir=tmp_path, callbacks=[Press()])
    assert signal.getsignal(signal.SIGINT) is before
    run = trainer.fit(build(backbone=deep), train, store=store, resume_dir=tmp_path)
    assert dict(run.phases) == {"head": 3, "high": 3}


def test_ctrl_c_without_a_folder_says_that_nothing_was_written(model, train, store):
    class Press(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="nothing was written"):
        TRAINER.fit(model(), train, store=store, callbacks=[Press()])


# Diverged


def test_a_loss_that_is_no_number_names_the_files_and_keeps_the_last_epoch(model, train, store):
    class Poison(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                kept.extend(weights(one))
                self.model.layers[-1].kernel.assign(self.model.layers[-1].kernel * np.nan)

    one, kept = model(), []
    with pytest.raises(DivergedError, match=r"nan in batch 1 of epoch 2 \(head\)") as caught:
        TRAINER.fit(one, train, store=store, callbacks=[Poison()])
    named = [line.strip() for line in str(caught.value).splitlines() if line.startswith("  ")]
    assert len(named) == 8
    assert set(named) <= set(train.source)
    assert_equal(weights(one), kept)


# The file


@settings(max_examples=20)
@given(
    epoch=st.integers(0, 1000),
    shapes=st.lists(arrays.array_shapes(max_dims=3, max_side=3), max_size=12),
    history=st.dictionaries(st.text(max_size=5), st.lists(st.floats(allow_nan=False), max_size=4), max_size=3),
    stopped=st.booleans(),
)
def test_a_state_survives_the_disk(tmp_path_factory, epoch, shapes, history, stopped):
    values = [np.random.default_rng(0).normal(size=shape).astype(np.float32) for shape in shapes]
    state = State(epoch, history, values, values[::-1], values[:1], stopped)
    path = tmp_path_factory.mktemp("state") / "one.npz"
    write_state(path, state)
    found = read_state(path)
    assert (found.epoch, found.history, found.stopped) == (epoch, json.loads(json.dumps(history)), stopped)
    for name in ("weights", "optimizer", "best"):
        assert_equal(getattr(found, name), getattr(state, name))


def test_what_is_not_there_is_no_state(tmp_path):
    assert read_state(tmp_path / "none.npz") is None


@given(arrays.arrays(np.float32, 3, elements=st.floats(0, 1, width=32)), st.text(max_size=3))
def test_an_identity_tells_what_it_is_made_of(array, text):
    assert identity([text], array) == identity([text], array.copy())
    assert identity([text], array) != identity([text + "x"], array)
    assert identity([text], array) != identity([text], array + 1)
