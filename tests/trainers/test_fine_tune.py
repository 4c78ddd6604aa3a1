"""Fine-tuning of the top stages: what learns, what stays, at which rate, and what is stored."""

import dataclasses
import logging

import keras
import numpy as np
import pytest

from lesionkit.data.pipeline import Pixels, dataset
from lesionkit.errors import OptionError, StorageError
from lesionkit.features.store import FeatureStore
from lesionkit.model.parts import cut, frozen_part, parts
from lesionkit.recipe import Part, Recipe
from lesionkit.trainers import FineTune, Frozen

SIZE = (16, 16)
FIRST = Frozen(epochs=2, batch_size=8, learning_rate=0.01)
SHORT = FineTune(unfreeze="high", epochs=3, batch_size=8, learning_rate=0.01, first=FIRST)


@pytest.fixture
def model(build, deep):
    return build(backbone=deep, head=Part("pooled", hidden=(8,), dropout=0.2))


def values(model, *names):
    return [np.array(weight.numpy()) for name in names for weight in parts(model).backbone.get_layer(name).weights]


def changed(before, after):
    return [bool((one != other).any()) for one, other in zip(before, after, strict=True)]


def test_learns_more_than_the_head_alone(build, deep, train, held_out, store):
    frozen, tuned = build(backbone=deep), build(backbone=deep)
    epochs = {"epochs": 20, "learning_rate": 0.02}
    alone = Frozen(**epochs).fit(frozen, train, store=store)
    both = FineTune(unfreeze="low", first=None, **epochs).fit(tuned, train, store=store)
    assert both.history["loss"][-1] < alone.history["loss"][-1]


def test_what_is_below_stays_and_what_is_above_learns(model, train, store):
    before = values(model, "low_conv", "low_norm"), values(model, "high_conv")
    SHORT.fit(model, train, store=store)
    assert not any(changed(before[0], values(model, "low_conv", "low_norm")))
    assert all(changed(before[1], values(model, "high_conv")))
    assert [layer.trainable for layer in parts(model).backbone.layers if layer.weights] == [False, False, True, True]


@pytest.mark.parametrize("stored", [True, False])
def test_batch_normalisation_and_dropout_of_the_backbone_stay_in_inference_mode(model, train, store, stored):
    norm = parts(model).backbone.get_layer("high_norm")
    before = norm.moving_mean.numpy(), norm.moving_variance.numpy(), norm.gamma.numpy()
    SHORT.fit(model, train, store=store if stored else False)
    np.testing.assert_array_equal(norm.moving_mean.numpy(), before[0])
    np.testing.assert_array_equal(norm.moving_variance.numpy(), before[1])
    assert (norm.gamma.numpy() != before[2]).any()  # the scale learns


def test_with_and_without_a_store_it_is_the_same(build, deep, train, held_out, store):
    runs = [SHORT.fit(build(backbone=deep), train, held_out, store=one) for one in (store, False)]
    for name, told in runs[0].history.items():
        np.testing.assert_allclose(told, runs[1].history[name], atol=1e-4, err_msg=name)


def test_equals_plain_keras(build, deep, train):
    """The second phase against ``fit`` of the whole model, its lower part frozen, batch normalisation in inference."""
    options = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "schedule": "constant", "warmup_epochs": 0}
    ours, plain = build(backbone=deep), build(backbone=deep)
    FineTune(unfreeze="high", first=None, **options).fit(ours, train)
    body, head = parts(plain).backbone, parts(plain).head
    for layer in body.layers:
        layer.trainable = layer.name.startswith("high")
    image = keras.Input((*SIZE, 3))
    whole = keras.Model(image, head(body(parts(plain).preprocessor(image), training=False)))
    whole.compile(optimizer=keras.optimizers.Adam(1e-3), loss="categorical_crossentropy")
    whole.evaluate(Pixels(train.source, SIZE)[np.arange(2)], np.eye(3)[:2], verbose=0)
    data = dataset(train, image_size=SIZE, batch_size=8, shuffle=True)

    class Inference(keras.Model):
        def __init__(self):
            super().__init__()
            self.whole, self.body, self.head, self.pre = whole, body, head, parts(plain).preprocessor

        def call(self, images, training=None):
            return self.head(self.body(self.pre(images), training=False), training=training)

    learner = Inference()
    learner.compile(optimizer=keras.optimizers.Adam(1e-3), loss="categorical_crossentropy")
    learner.fit(data, epochs=2, verbose=0, shuffle=False)
    for one, other in zip(ours.weights, plain.weights, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-5)


def test_the_history_holds_both_phases(model, train, held_out, store):
    run = SHORT.fit(model, train, held_out, store=store)
    assert dict(run.phases) == {"head": 2, "high": 3}
    assert run.epochs == 5
    assert all(len(one) == 5 for one in run.history.values())
    assert run.features == {"extracted": 66, "reused": 0}  # the whole backbone's, and the lower part's


def test_without_a_first_phase_only_the_second_runs(model, train, store):
    run = dataclasses.replace(SHORT, first=None).fit(model, train, store=store)
    assert dict(run.phases) == {"high": 3}


def test_the_recipe_makes_the_same_trainer_again(model, train, store):
    trainer = dataclasses.replace(SHORT, layer_decay=0.5, class_weight="balanced")
    recipe = trainer.fit(model, train, store=store).recipe
    read = Recipe.from_json(recipe.to_json())
    assert FineTune(**read.trainer.options) == trainer


def test_layer_decay_slows_the_lower_stages(build, deep, train, store):
    def moved(decay):
        model = build(backbone=deep)
        before = values(model, "low_conv"), values(model, "high_conv")
        options = {"epochs": 1, "batch_size": 24, "learning_rate": 1e-3, "schedule": "constant", "warmup_epochs": 0}
        FineTune(unfreeze="low", first=None, layer_decay=decay, **options).fit(model, train, store=store)
        after = values(model, "low_conv"), values(model, "high_conv")
        return [np.abs(one[0] - other[0]).max() for one, other in zip(after, before, strict=True)]

    even, decayed = moved(1.0), moved(0.5)
    assert decayed[1] == pytest.approx(0.5 * even[1], rel=0.01)  # Adam's first step is as long as the learning rate
    assert decayed[0] == pytest.approx(0.25 * even[0], rel=0.01)


def test_the_warm_up_starts_at_nothing(model, train, store):
    before = values(model, "high_conv")
    trainer = dataclasses.replace(SHORT, first=None, epochs=2, batch_size=24)  # one step an epoch
    rates = []

    class Rates(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))
            if len(rates) == 1:
                assert not any(changed(before, values(model, "high_conv")))  # the step was made at a rate of 0

    trainer.fit(model, train, store=store, callbacks=[Rates()])
    assert rates[0] == pytest.approx(0.01)
    assert rates[1] == pytest.approx(0.0, abs=1e-8)  # the cosine has ended
    assert any(changed(before, values(model, "high_conv")))


def test_cut_in_two_it_is_the_same_network(build, deep, train):
    model = build(backbone=deep)
    pixels = Pixels(train.source, SIZE)[np.arange(4)].astype("float32")
    below, above = cut(model, "high")
    np.testing.assert_array_equal(above(below(pixels), training=False), frozen_part(model)(pixels, training=False))
    assert cut(model, "low")[0] is None


def test_a_stage_that_does_not_exist_is_told_before_anything_is_trained(model, train, store):
    before = [one.numpy() for one in model.weights]
    with pytest.raises(OptionError, match="low, high. Received: 'conv5'"):
        dataclasses.replace(SHORT, unfreeze="conv5").fit(model, train, store=store)
    assert not any(changed(before, [one.numpy() for one in model.weights]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": 1}, "patience needs validation images"),
        ({"sampling": "balanced"}, "balanced sampling need the training images as Records"),
        ({"precision": "mixed_bfloat16"}, "built in float32, and precision='mixed_bfloat16'"),
    ],
)
@pytest.mark.parametrize("phase", ["first", "second"])
def test_what_a_phase_cannot_have_is_told_before_any_is_trained(model, train, phase, options, message):
    data = dataset(train, image_size=SIZE, batch_size=8)
    before = [weight.numpy() for weight in model.weights]
    second = {} if phase == "first" else options
    first = dataclasses.replace(FIRST, **(options if phase == "first" else {}))
    with pytest.raises(OptionError, match=message):
        dataclasses.replace(SHORT, first=first, **second).fit(model, data)
    assert not any(changed(before, [weight.numpy() for weight in model.weights]))


def test_stages_of_a_model_from_elsewhere_are_not_guessed(model, train, store):
    same = keras.Model(model.input, model.output)
    with pytest.raises(OptionError, match="not made by build_classifier"):
        SHORT.fit(same, train, store=store)


def test_the_store_says_what_it_takes_and_refuses_beyond_its_limit(model, train, tmp_path, caplog):
    caplog.set_level(logging.INFO, "lesionkit")
    trainer = dataclasses.replace(SHORT, first=None)
    with pytest.raises(StorageError, match="may hold 0.00 GB"):
        trainer.fit(model, train, store=FeatureStore(tmp_path, limit=24 * 8 * 8 * 8 * 4))
    assert "24 of 24 pictures to extract" in caplog.text
    trainer.fit(model, train, store=FeatureStore(tmp_path, limit=24 * (8 * 8 * 8 * 4 + 64) + 4096))


def test_when_everything_learns_nothing_is_stored(model, train, store, caplog):
    caplog.set_level(logging.INFO, "lesionkit")
    run = dataclasses.replace(SHORT, unfreeze="low", first=None).fit(model, train, store=store)
    assert "no stage stays frozen" in caplog.text
    assert run.features == {}


@pytest.mark.parametrize("decay", [0, 1.5, True, "half"])
def test_layer_decay_out_of_range(decay):
    with pytest.raises(OptionError, match="layer_decay"):
        FineTune(unfreeze="conv5", layer_decay=decay)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "stage"), [("resnet50", "conv5"), ("efficientnet_lite0", "block7"), ("densenet121", None)]
)
def test_real_backbones_are_cut_where_their_stages_say(name, stage, records):
    from lesionkit import backbones, build_classifier

    model = build_classifier(records.class_names, image_size=(64, 64), backbone=Part(name, weights=None))
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    whole = frozen_part(model)(pixels, training=False)
    for one in [stage] if stage else [one.name for one in backbones.get(name).stages[1:]]:
        below, above = cut(model, one)
        np.testing.assert_allclose(above(below(pixels), training=False), whole, rtol=1e-4, atol=1e-4)
