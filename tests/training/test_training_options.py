"""What the options of a trainer change: balance, losses, early stopping, views, precision; and the rate finder."""

import dataclasses
import logging

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lesionkit as lk
from lesionkit.data.pipeline import dataset
from lesionkit.errors import DataError, OptionError
from lesionkit.recipe import Part
from lesionkit.trainers import FineTune, Frozen
from lesionkit.training.options import Fitting, loss_of, optimizer_of

SIZE = (16, 16)
SHORT = Frozen(epochs=3, batch_size=8, learning_rate=0.01)


def assert_near(one, other, tolerance=1e-4):
    assert one.history.keys() == other.history.keys()
    for name, told in one.history.items():
        np.testing.assert_allclose(told, other.history[name], atol=tolerance, err_msg=name)


# Views


def test_stored_views_are_what_augmentation_on_line_gives(build, train, held_out, store):
    trainer = dataclasses.replace(SHORT, views=2)
    more = {"augmenter": "flip_rotate_shift"}
    stored = trainer.fit(build(), train, held_out, store=store, **more)
    assert stored.features == {"extracted": 2 * 24 + 9, "reused": 0}
    assert_near(stored, trainer.fit(build(), train, held_out, store=False, **more))
    assert stored.recipe.augmenter == Part("flip_rotate_shift")
    again = trainer.fit(build(), train, held_out, store=store, **more)
    assert again.features == {"extracted": 0, "reused": 2 * 24 + 9}
    assert again.history == stored.history


def test_without_a_number_of_views_every_epoch_has_its_own(build, train, store, caplog):
    caplog.set_level(logging.INFO, "lesionkit")
    three, each = dataclasses.replace(SHORT, views=3), dataclasses.replace(SHORT, views=None)
    stored = three.fit(build(), train, store=store, augmenter="dermoscopy")
    fresh = each.fit(build(), train, store=store, augmenter="dermoscopy")
    assert "another view in every epoch asked for" in caplog.text
    assert fresh.features == {}
    assert_near(stored, fresh)  # of three epochs, three views are every epoch's own


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixing_is_on_line_and_repeats(build, train, held_out, store, name, caplog):
    caplog.set_level(logging.INFO, "lesionkit")
    short = dataclasses.replace(SHORT, epochs=2, class_weight="balanced")
    runs = [short.fit(build(), train, held_out, store=store, augmenter=name) for _ in range(2)]
    assert "mixes images" in caplog.text
    assert runs[0].history == runs[1].history
    assert runs[0].history != short.fit(build(), train, held_out, store=store).history


# Balance


def test_class_weights_change_what_is_learned_only_where_classes_differ(build, train, store):
    few = train[np.r_[0:8, 8:16, 16:18]]
    weighted = dataclasses.replace(SHORT, class_weight="balanced")
    assert_near(weighted.fit(build(), train, store=store), SHORT.fit(build(), train, store=store), 1e-6)
    one, other = weighted.fit(build(), few, store=store), SHORT.fit(build(), few, store=store)
    assert one.history["loss"] != other.history["loss"]


def test_balanced_sampling_shows_the_small_class_more(build, train, store):
    few = train[np.r_[0:8, 8:16, 16:18]]
    trainer = dataclasses.replace(SHORT, epochs=30, learning_rate=0.05, sampling="balanced")
    run = trainer.fit(build(), few, store=store)
    assert run.history["balanced_accuracy"][-1] == pytest.approx(run.history["accuracy"][-1], abs=0.06)


def test_what_needs_records_says_so(build, train):
    data = dataset(train, image_size=SIZE, batch_size=8)
    for change in ({"sampling": "balanced"}, {"class_weight": "balanced"}):
        with pytest.raises(OptionError, match="Records"):
            dataclasses.replace(SHORT, **change).fit(build(), data)
    with pytest.raises(OptionError, match="Records"):
        SHORT.fit(build(), data, augmenter="dermoscopy")


# Losses and rates


@given(st.floats(0.01, 0.99), st.integers(0, 2))
def test_the_losses_are_their_formulas(probability, place):
    given_ = np.full((1, 3), (1 - probability) / 2, dtype=np.float32)
    given_[0, place] = probability
    label = np.eye(3, dtype=np.float32)[[place]]
    entropy = -np.log(probability)
    assert float(loss_of(Fitting())(label, given_)) == pytest.approx(entropy, rel=1e-3, abs=1e-5)
    focal = (1 - probability) ** 2 * entropy
    assert float(loss_of(Fitting(loss="focal"))(label, given_)) == pytest.approx(focal, rel=1e-2, abs=1e-5)
    smooth = label * 0.7 + 0.1
    assert float(loss_of(Fitting(label_smoothing=0.3))(label, given_)) == pytest.approx(
        float(-(smooth * np.log(given_)).sum()), rel=1e-3, abs=1e-5
    )


@given(st.integers(1, 20), st.integers(0, 3), st.integers(1, 8), st.sampled_from(["constant", "cosine"]))
def test_the_learning_rate_rises_stays_or_falls(steps, warmup, more, schedule):
    trainer = Fitting(epochs=warmup + more, warmup_epochs=warmup, schedule=schedule, learning_rate=0.1)
    rate = optimizer_of(trainer, steps)._learning_rate
    rates = [float(rate(step)) if callable(rate) else 0.1 for step in range(steps * trainer.epochs + 1)]
    assert max(rates) == pytest.approx(0.1, rel=1e-5)
    before, after = rates[: steps * warmup + 1], rates[steps * warmup :]
    assert before == sorted(before)
    if schedule == "cosine":
        assert after == sorted(after, reverse=True)
        assert after[-1] == pytest.approx(0, abs=1e-7)
        assert after[len(after) // 2] == pytest.approx(0.05, abs=0.06)
    else:
        np.testing.assert_allclose(after, 0.1, rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"schedule": "step"},
        {"loss": "mse"},
        {"class_weight": "even"},
        {"sampling": "random"},
        {"patience": 0},
        {"views": 0},
        {"label_smoothing": 1},
        {"warmup_epochs": 11},
        {"precision": "float16"},
    ],
)
def test_options_out_of_range(options):
    with pytest.raises(OptionError, match=next(iter(options))):
        Frozen(**options)


# Early stopping


def test_patience_puts_the_best_epoch_back(build, train, held_out, store, caplog):
    caplog.set_level(logging.INFO, "lesionkit")
    model = build()
    trainer = dataclasses.replace(SHORT, epochs=20, patience=3, learning_rate=0.05)
    run = trainer.fit(model, train, held_out, store=store)
    watched = run.history["val_balanced_accuracy"]
    best = int(np.argmax(watched))
    assert run.epochs == min(best + 4, 20)
    assert f"those of epoch {best + 1}" in caplog.text
    assert lk.evaluate(model, held_out).balanced_accuracy == pytest.approx(watched[best], abs=1e-6)


def test_patience_needs_something_to_watch(build, train):
    with pytest.raises(OptionError, match="validation images"):
        dataclasses.replace(SHORT, patience=2).fit(build(), train)


# Builders and precision


def test_a_function_that_builds_the_model_is_called_in_the_precision_asked_for(build, deep, train, store):
    before = keras.config.dtype_policy().name
    trainer = FineTune(
        unfreeze="high",
        epochs=2,
        batch_size=8,
        precision="mixed_bfloat16",
        first=Frozen(epochs=1, precision="mixed_bfloat16"),
    )
    run = trainer.fit(lambda: build(backbone=deep), train, store=store)
    assert keras.config.dtype_policy().name == before
    assert run.model.get_layer("backbone").layers[1].compute_dtype == "bfloat16"
    assert run.model.output.dtype == "float32"
    assert np.isfinite(run.history["loss"]).all()


def test_a_model_of_another_precision_is_refused(build, train):
    with pytest.raises(OptionError, match="a function that builds it"):
        dataclasses.replace(SHORT, precision="mixed_float16").fit(build(), train)


# The rate finder


def test_the_rate_finder_leaves_the_model_as_it_was(build, deep, train, store):
    model = build(backbone=deep, head=Part("pooled", hidden=(8,), dropout=0.2))
    before = [one.numpy() for one in model.weights]
    trainable = [layer.trainable for layer in model.get_layer("backbone").layers]
    trainer = FineTune(unfreeze="high", first=None, batch_size=8)
    found = lk.find_learning_rate(trainer, model, train, lowest=1e-5, highest=100.0, steps=60, store=store)
    for one, other in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(one, other.numpy())
    assert trainable == [layer.trainable for layer in model.get_layer("backbone").layers]
    assert list(found.rates) == sorted(found.rates)
    assert len(found.rates) == len(found.losses) <= 60
    assert 1e-6 < found.suggested < 10


@pytest.mark.parametrize("options", [{"steps": 5}, {"lowest": 0}, {"lowest": 1.0, "highest": 0.1}])
def test_the_rate_finder_refuses(build, train, options):
    with pytest.raises(OptionError):
        lk.find_learning_rate(SHORT, build(), train, **options)


# Logs


def test_keras_logs_go_on_when_training_does(build, train, held_out, store, tmp_path):
    table = tmp_path / "log.csv"

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise RuntimeError

    first, second = (keras.callbacks.CSVLogger(table, append=True) for _ in range(2))
    more = {"store": store, "resume_dir": tmp_path / "state"}
    with pytest.raises(RuntimeError):
        SHORT.fit(build(), train, held_out, callbacks=[first, Stop()], **more)
    first.on_train_end()  # closes the file, as the end of the process would
    SHORT.fit(build(), train, held_out, callbacks=[second], **more)
    lines = table.read_text().split()
    assert [line.split(",")[0] for line in lines] == ["epoch", "0", "1", "2"]


def test_no_images_or_labels_is_said(build, train):
    with pytest.raises(DataError, match="no training images"):
        SHORT.fit(build(), train[:0])


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd"])
def test_every_optimizer_makes_the_loss_less(build, train, store, optimizer):
    trainer = Frozen(epochs=6, batch_size=8, learning_rate=0.01, optimizer=optimizer)
    run = trainer.fit(build(), train, store=store)
    assert run.history["loss"][-1] < run.history["loss"][0]
    assert run.recipe.trainer.options.get("optimizer", "adam") == optimizer


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(OptionError, match="optimizer is one of 'adam', 'adamw', 'rmsprop', 'sgd'"):
        Fitting(optimizer="lion")


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_layer_decay_is_a_part_of_any_optimizers_step(optimizer):
    slow, fast = (keras.Variable(np.ones(2, np.float32)) for _ in range(2))
    made = optimizer_of(Fitting(optimizer=optimizer, learning_rate=0.1), None, [(slow, 0.25)])
    made.apply([np.ones(2, np.float32)] * 2, [slow, fast])
    np.testing.assert_allclose(1 - np.array(slow), 0.25 * (1 - np.array(fast)), rtol=1e-4)
