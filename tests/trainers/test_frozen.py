"""Training of the head on a frozen backbone, and what the run says of it."""

import dataclasses
import hashlib
import logging
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionkit.data.pipeline import Pixels, dataset, order
from lesionkit.data.records import Skipped
from lesionkit.data.summary import DataSummary
from lesionkit.data.survey import inspect
from lesionkit.errors import DataError, OptionError, StorageError, UnreadableImagesError
from lesionkit.features.store import FeatureStore
from lesionkit.model.assembly import build_classifier
from lesionkit.model.parts import parts
from lesionkit.recipe import Part
from lesionkit.trainers import Frozen
from lesionkit.training.run import TrainingRun

SIZE = (16, 16)
SHORT = Frozen(epochs=3, batch_size=5, learning_rate=0.01)
NAMES = {"accuracy", "balanced_accuracy", "loss"}
NAMES |= {f"val_{name}" for name in NAMES}


def weights(part):
    return [np.array(weight) for weight in part.weights]


def assert_equal(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


def assert_near(one, other, tolerance=1e-4):
    assert one.history.keys() == other.history.keys()
    for name in one.history:
        np.testing.assert_allclose(one.history[name], other.history[name], rtol=0, atol=tolerance, err_msg=name)


# What it does


def test_learns_classes_that_differ_in_colour(build, train, held_out, store):
    model = build()
    run = Frozen(epochs=25, learning_rate=0.05).fit(model, train, held_out, store=store)
    assert run.history["accuracy"][-1] >= 0.95
    assert run.history["loss"][-1] < run.history["loss"][0]
    found = model.predict(Pixels(held_out.source, SIZE)[np.arange(len(held_out))], verbose=0)
    assert np.mean(found.argmax(1) == held_out.label) == pytest.approx(run.history["val_accuracy"][-1])


@pytest.mark.parametrize("stored", [True, False])
def test_the_head_learns_and_the_backbone_stays(build, train, store, stored):
    model = build()
    before = [weights(part) for part in parts(model)]
    SHORT.fit(model, train, store=store if stored else False)
    after = [weights(part) for part in parts(model)]
    assert_equal(after[1], before[1])
    assert all((one != other).any() for one, other in zip(after[2], before[2], strict=True))
    assert not parts(model).backbone.trainable


@pytest.mark.parametrize("stored", [True, False])
def test_the_model_stays_uncompiled_and_is_saved_so(build, train, store, tmp_path, stored):
    model = build()
    SHORT.fit(model, train, store=store if stored else False)
    assert not model.compiled
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert not loaded.compiled
    pixels = Pixels(train.source, SIZE)[np.arange(3)]
    np.testing.assert_array_equal(loaded.predict(pixels, verbose=0), model.predict(pixels, verbose=0))


def test_a_second_run_extracts_nothing_and_says_so(build, train, held_out, store, caplog):
    caplog.set_level(logging.INFO, "lesionkit")
    first = SHORT.fit(build(), train, held_out, store=store)
    assert first.features == {"extracted": 33, "reused": 0}
    assert first.timing["images_per_s"] == pytest.approx(33 / first.timing["features_s"])
    caplog.clear()
    second = SHORT.fit(build(), train, held_out, store=store)
    assert second.features == {"extracted": 0, "reused": 33}
    assert second.timing["images_per_s"] is None
    assert "nothing to extract" in caplog.text
    assert second.history == first.history


def test_the_users_own_store_is_the_default(build, train, cache):
    model = build(seed=77)
    SHORT.fit(model, train)
    assert SHORT.fit(model, train).features == {"extracted": 0, "reused": len(train)}
    assert list((cache / "features").glob("*/*.npy"))


def with_dropout(tiny):
    def build(shape, *, weights=None):
        plain = tiny.build(shape)
        return keras.Model(plain.input, keras.layers.Dropout(0.5)(plain.output))

    return dataclasses.replace(tiny, build=build)


@pytest.mark.parametrize("dropout", [False, True])
def test_with_and_without_a_store_the_history_is_the_same(build, tiny, train, held_out, store, dropout):
    options = {"head": Part("pooled", hidden=(8,), pooling="both")}
    if dropout:  # in the backbone: it is off, since the backbone is in inference mode
        options["backbone"] = with_dropout(tiny)
    assert_near(
        SHORT.fit(build(**options), train, held_out, store=store),
        SHORT.fit(build(**options), train, held_out, store=False),
    )


def test_without_a_store_it_says_so_and_writes_nothing(build, train, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("LESIONKIT_CACHE", str(tmp_path / "unused"))
    caplog.set_level(logging.INFO, "lesionkit")
    run = SHORT.fit(build(), train, store=False)
    assert "no feature store" in caplog.text
    assert run.features == {}
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize("one_hot", [True, False])
def test_a_dataset_is_taken_and_has_no_store(build, train, held_out, one_hot, caplog):
    def data(records):
        batches = dataset(records, image_size=SIZE, batch_size=5)
        return batches if one_hot else batches.map(lambda pixels, hot: (pixels, tf.argmax(hot, axis=1)))

    caplog.set_level(logging.INFO, "lesionkit")
    run = SHORT.fit(build(), data(train), data(held_out))
    assert "a tf.data.Dataset has no feature store" in caplog.text
    assert (run.features, run.data, run.timing["features_s"]) == ({}, None, 0.0)
    assert run.history.keys() == NAMES


def test_a_dataset_in_the_same_order_gives_the_same_history(build, train, held_out, store):
    def passes():
        pixels = Pixels(train.source, SIZE)
        for epoch in range(SHORT.epochs):
            rows = order(len(train), SHORT.seed, epoch)
            for start in range(0, len(rows), SHORT.batch_size):
                batch = rows[start : start + SHORT.batch_size]
                yield pixels[batch], train.label[batch]

    whole = list(passes())
    steps = len(whole) // SHORT.epochs
    epochs = iter(range(SHORT.epochs))

    def one_pass():
        start = steps * next(epochs)
        yield from whole[start : start + steps]

    signature = (tf.TensorSpec((None, *SIZE, 3), tf.uint8), tf.TensorSpec((None,), tf.int64))
    data = tf.data.Dataset.from_generator(one_pass, output_signature=signature)
    data = data.apply(tf.data.experimental.assert_cardinality(steps))
    assert_near(SHORT.fit(build(), data), SHORT.fit(build(), train, store=store))


def test_a_dataset_can_train_where_records_validate(build, train, held_out):
    data = dataset(train, image_size=SIZE, batch_size=5)
    run = SHORT.fit(build(), data, held_out)
    assert run.history.keys() == NAMES
    assert run.data is None


def test_the_same_seed_gives_the_same_history_and_another_does_not(build, train, held_out, store):
    head = Part("pooled", hidden=(8,), dropout=0.3)
    first, again = (SHORT.fit(build(head=head), train, held_out, store=store) for _ in range(2))
    other = dataclasses.replace(SHORT, seed=1).fit(build(head=head), train, held_out, store=store)
    assert first.history == again.history
    assert first.history != other.history


def test_every_epoch_sees_every_image_in_the_order_of_seed_and_epoch(build, train, monkeypatch):
    seen, real = [], Pixels.__getitem__
    monkeypatch.setattr(Pixels, "__getitem__", lambda self, rows: seen.extend(rows) or real(self, rows))
    trainer = dataclasses.replace(SHORT, seed=5)
    trainer.fit(build(), train, store=False)
    wanted = np.concatenate([order(len(train), 5, epoch) for epoch in range(3)])
    np.testing.assert_array_equal(seen, wanted)


def test_callbacks_are_called_and_can_stop_the_run(build, train, store):
    class Stop(keras.callbacks.Callback):
        ends = 0

        def on_epoch_end(self, epoch, logs=None):
            self.ends += 1
            assert {"accuracy", "loss"} <= logs.keys()
            self.model.stop_training = self.ends == 2

    stop = Stop()
    run = SHORT.fit(build(), train, store=store, callbacks=[stop])
    assert stop.ends == run.epochs == 2


@pytest.mark.parametrize("none", [None, "empty"])
def test_without_validation_images_nothing_is_watched(build, train, held_out, store, none):
    run = SHORT.fit(build(), train, held_out[:0] if none else None, store=store)
    assert run.history.keys() == {"accuracy", "balanced_accuracy", "loss"}
    assert run.epochs == 3
    assert run.recipe.validation == 0.0


def test_a_run_can_be_continued(build, train, store):
    model = build()
    first = SHORT.fit(model, train, store=store)
    second = SHORT.fit(model, train, store=store)
    assert second.features["extracted"] == 0
    assert second.history["loss"][0] < first.history["loss"][0]


def test_a_loaded_model_is_trained_like_a_built_one(build, train, held_out, store, tmp_path):
    build().save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    run = SHORT.fit(loaded, train, held_out, store=store)
    assert run.history == SHORT.fit(build(), train, held_out, store=store).history
    assert run.recipe is None


def test_every_epoch_is_logged(build, train, held_out, store, caplog):
    caplog.set_level(logging.INFO, "lesionkit")
    SHORT.fit(build(), train, held_out, store=store)
    for epoch in (1, 2, 3):
        assert f"epoch {epoch} of 3: " in caplog.text
    assert "val_loss" in caplog.text


# What it refuses


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"epochs": 1.5},
        {"epochs": True},
        {"batch_size": 0},
        {"batch_size": "32"},
        {"learning_rate": 0},
        {"learning_rate": -1e-3},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
        {"learning_rate": "fast"},
        {"learning_rate": True},
        {"seed": -1},
        {"seed": 2**32},
    ],
)
def test_options_that_cannot_work_are_refused_by_name(options):
    with pytest.raises(OptionError, match=next(iter(options))):
        Frozen(**options)


def test_no_training_images_are_refused(build, train):
    with pytest.raises(DataError, match="no training images"):
        SHORT.fit(build(), train[:0])


@pytest.mark.parametrize("which", ["train", "validation"])
def test_images_without_a_label_are_refused_by_name(build, train, held_out, which):
    data = {"train": train, "validation": held_out}
    label = data[which].label.copy()
    label[1] = -1
    data[which] = dataclasses.replace(data[which], label=label)
    with pytest.raises(DataError, match=Path(data[which].source[1]).name):
        SHORT.fit(build(), **data)


@pytest.mark.parametrize("names", [("brown", "violet", "red"), ("brown", "red", "violet", "white")])
def test_other_classes_than_the_models_are_refused(build, train, names):
    with pytest.raises(DataError, match="violet"):
        SHORT.fit(build(), dataclasses.replace(train, class_names=names))


def test_a_model_of_another_make_must_have_as_many_classes(tiny, train, tmp_path):
    build_classifier(("x", "y"), image_size=SIZE, backbone=tiny).save(tmp_path / "two.keras")
    with pytest.raises(DataError, match="2 classes"):
        SHORT.fit(keras.models.load_model(tmp_path / "two.keras"), train)


@pytest.mark.parametrize("stored", [True, False])
def test_unreadable_images_are_all_named_before_training(build, train, held_out, store, tmp_path, stored):
    def broken(records, name):
        path = tmp_path / name
        path.write_bytes(b"not an image" + name.encode())
        return dataclasses.replace(records, source=[*records.source[:-1], str(path)])

    model = build()
    before = weights(parts(model).head)
    with pytest.raises(UnreadableImagesError) as raised:
        SHORT.fit(model, broken(train, "one.png"), broken(held_out, "two.png"), store=store if stored else False)
    assert [Path(error.source).name for error in raised.value.errors] == ["one.png", "two.png"]
    assert_equal(weights(parts(model).head), before)


def test_a_store_too_small_is_refused(build, train, tmp_path):
    with pytest.raises(StorageError, match="store=False"):
        SHORT.fit(build(), train, store=FeatureStore(tmp_path, limit=100))


def test_a_model_without_the_three_parts_is_refused(train):
    image = keras.Input((*SIZE, 3))
    flat = keras.layers.Flatten()(image)
    with pytest.raises(OptionError, match="backbone"):
        SHORT.fit(keras.Model(image, keras.layers.Dense(3)(flat)), train)


# What the run says


def test_the_recipe_says_what_was_asked_for(build, train, held_out, store):
    head = Part("pooled", dropout=0.1)
    recipe = SHORT.fit(build(head=head, seed=4), train, held_out, store=store).recipe
    assert recipe.head == head
    assert recipe.backbone == Part("tiny", weights="imagenet")
    assert recipe.image_size == SIZE
    assert recipe.seed == 4
    assert recipe.trainer == Part("Frozen", epochs=3, batch_size=5, learning_rate=0.01, seed=0)
    assert recipe.validation == round(9 / 33, 2)


def test_the_trainer_of_the_recipe_has_no_seed_of_its_own_where_it_is_the_recipes(build, train, store):
    recipe = dataclasses.replace(SHORT, seed=4).fit(build(seed=4), train, store=store).recipe
    assert recipe.trainer == Part("Frozen", epochs=3, batch_size=5, learning_rate=0.01)


def test_the_times_are_those_of_the_clock(build, train, store):
    timing = SHORT.fit(build(), train, store=store).timing
    assert set(timing) == {"features_s", "fit_s", "images_per_s"}
    assert 0 < timing["features_s"] < 60
    assert 0 < timing["fit_s"] < 60


def test_the_data_is_summed_up_with_the_pictures_found(build, train, held_out, store):
    skipped = (Skipped("gone.png", "there is no such file"),)
    data = SHORT.fit(build(), dataclasses.replace(train, skipped=skipped), held_out, store=store).data
    assert data.class_names == train.class_names
    assert data.counts == {"train": dict.fromkeys(train.class_names, 8), "test": dict.fromkeys(train.class_names, 3)}
    assert data.skipped == skipped
    assert data.name == "lesions"
    rows = zip(
        [*train.source, *held_out.source], [*train.label, *held_out.label], ["train"] * 24 + ["test"] * 9, strict=True
    )
    known = [(hashlib.sha256(Path(path).read_bytes()).hexdigest(), str(label), split) for path, label, split in rows]
    text = "\n".join("\t".join(row) for row in sorted(known))
    assert data.fingerprint == hashlib.sha256(text.encode()).hexdigest()


def test_the_fingerprint_of_the_data_knows_no_order_and_no_file_names(records):
    known = inspect(records)
    moved = dataclasses.replace(known, source=[f"elsewhere/{number}" for number in range(len(known))])
    found = DataSummary.of(known).fingerprint
    assert found == DataSummary.of(moved[::-1]).fingerprint
    label = known.label.copy()
    label[0] = 1
    assert found != DataSummary.of(dataclasses.replace(known, label=label)).fingerprint
    assert found != DataSummary.of(known[1:]).fingerprint
    assert DataSummary.of(records).fingerprint is None


def run_of(**history):
    return TrainingRun(None, history, None, {})


def test_overfitting_is_told_by_gap_and_least_validation_loss():
    told = run_of(
        loss=[1.0, 0.5, 0.2], accuracy=[0.5, 0.8, 0.95], val_loss=[1.1, 0.9, 1.4], val_accuracy=[0.5, 0.65, 0.6]
    ).overfitting()
    assert told["gap"] == pytest.approx([0.0, 0.15, 0.35])
    assert told["best_epoch"] == 2
    words = told["diagnosis"]
    for word in ("After 3 epochs", "95.0%", "60.0%", "35.0 points", "epoch 2 (0.9000)", "1.4000", "run overfits"):
        assert word in words


def test_a_run_that_still_improves_is_said_to():
    told = run_of(loss=[1.0, 0.8], accuracy=[0.5, 0.6], val_loss=[1.1, 0.9], val_accuracy=[0.45, 0.55]).overfitting()
    assert told["best_epoch"] == 2
    assert "more epochs may still help" in told["diagnosis"]
    assert "does not overfit" in told["diagnosis"]


def test_without_validation_overfitting_cannot_be_told():
    told = run_of(loss=[1.0], accuracy=[0.5]).overfitting()
    assert (told["gap"], told["best_epoch"]) == (None, None)
    assert "Cannot be told" in told["diagnosis"]


SHARES = st.floats(0, 1)


@settings(max_examples=50, deadline=None)
@given(epochs=st.lists(st.tuples(SHARES, SHARES, st.floats(0, 10)), min_size=1, max_size=6))
def test_the_verdict_follows_the_gap_of_the_last_epoch(epochs):
    accuracy, validated, loss = zip(*epochs, strict=True)
    told = run_of(loss=loss, accuracy=accuracy, val_loss=loss, val_accuracy=validated).overfitting()
    assert ("run overfits" in told["diagnosis"]) == (accuracy[-1] - validated[-1] > 0.10)
    assert loss[told["best_epoch"] - 1] == min(loss)
    assert len(told["gap"]) == len(epochs)
