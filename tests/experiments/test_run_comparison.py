"""Runs compared: images matched, seeds gathered, verdicts that hold, and what cannot be compared."""

import dataclasses
import json

import numpy as np
import pytest
from evaluations import answers, clean, evaluation

from lesionkit.errors import BundleError, DataError, OptionError
from lesionkit.evaluation.files import NAME, write_evaluation
from lesionkit.experiments.run_comparison import compare_runs
from lesionkit.experiments.run_comparison_files import FILES, write_comparison
from lesionkit.metrics.intervals.comparison import BETTER, CANNOT_TELL, compare
from lesionkit.recipe import documented_baseline


@pytest.fixture
def write(tmp_path):
    def written(name, one):
        (tmp_path / name).mkdir(parents=True)
        write_evaluation(one, tmp_path / name / NAME)
        return tmp_path / name

    return written


def other(**changes):
    return dataclasses.replace(documented_baseline(), **{"image_size": (96, 96), **changes})


def test_a_better_run_is_told_and_its_recipe(write):
    a, b = write("a", evaluation(skill=0.5)), write("b", evaluation(skill=3.0, seed=1, recipe=other()))
    found = compare_runs([a, b])
    assert set(found.duels) == {"as_shipped", "deduplicated", "lesion_clean"}
    (duel,) = found.duels["as_shipped"]
    assert duel.name == str(b)
    assert duel.scores["balanced_accuracy"].verdict == BETTER
    assert duel.mcnemar[0].p < 0.001
    assert found.contenders[1].differs == ("image_size: (96, 96) instead of (128, 128)",)
    assert "better" in str(found)
    assert found.notes == ()


def test_the_figures_are_those_of_compare(write):
    one, two = evaluation(), evaluation(seed=7, recipe=other())
    found = compare_runs([write("a", one), write("b", two)]).duels["as_shipped"][0].scores
    groups = one.relation.group
    for name in ("accuracy", "balanced_accuracy", "loss"):
        wanted = compare(one.labels, one.probabilities[None], two.probabilities[None], groups, score=name)
        assert found[name] == wanted


def test_a_run_beside_one_as_good_is_not_told_apart(write):
    a, b = write("a", evaluation()), write("b", evaluation(seed=1, recipe=other()))
    assert compare_runs([a, b]).duels["as_shipped"][0].scores["balanced_accuracy"].verdict == CANNOT_TELL


def test_the_order_of_the_images_does_not_matter(write):
    one, two = evaluation(), evaluation(seed=1, skill=3.0, recipe=other())
    order = np.random.default_rng(0).permutation(len(two))
    turned = dataclasses.replace(
        two,
        labels=two.labels[order],
        probabilities=two.probabilities[order],
        source=tuple(two.source[row] for row in order),
        image_id=tuple(two.image_id[row] for row in order),
        relation=dataclasses.replace(two.relation, group=two.relation.group[order]),
    )
    a = write("a", one)
    straight, mixed = (compare_runs([a, write(name, each)]) for name, each in (("b", two), ("c", turned)))
    assert straight.duels["as_shipped"][0].scores == mixed.duels["as_shipped"][0].scores


def test_images_are_matched_in_another_place_and_only_common_ones_count(write):
    one, two = evaluation(), evaluation(seed=1, recipe=other())
    moved = tuple(source.replace("data/", "/elsewhere/") for source in two.source)
    rows = slice(30, None)
    fewer = dataclasses.replace(
        two,
        labels=two.labels[rows],
        probabilities=two.probabilities[rows],
        source=moved[rows],
        image_id=two.image_id[rows],
        relation=clean(90),
    )
    found = compare_runs([write("a", one), write("b", fewer)])
    assert found.scores["as_shipped"][0].n == 90
    assert found.notes == ("Compared on the 90 test images that all runs answered, of up to 120.",)


def test_seeds_of_one_recipe_are_one_contender_and_paired(write):
    runs = [
        write(f"a{seed}", evaluation(seed=seed, recipe=dataclasses.replace(documented_baseline(), seed=seed)))
        for seed in (0, 1)
    ]
    runs += [write(f"b{seed}", evaluation(seed=seed + 9, recipe=other(seed=seed))) for seed in (2, 1, 0)]
    found = compare_runs(runs)
    assert [list(one.evaluations) for one in found.contenders] == [[0, 1], [0, 1, 2]]
    (duel,) = found.duels["as_shipped"]
    assert duel.seeds == ((0, 0), (1, 1))
    assert len(duel.scores["accuracy"].by_seed) == len(duel.mcnemar) == 2


def test_verdicts_are_at_the_level_that_all_comparisons_need(write):
    runs = [write("a", evaluation())]
    runs += [write(f"b{side}", evaluation(seed=side, recipe=other(image_size=(side, side)))) for side in (64, 96, 160)]
    alone, many = compare_runs(runs[:2]), compare_runs(runs)
    first, again = (found.duels["as_shipped"][0].scores["accuracy"] for found in (alone, many))
    assert first.interval == again.interval
    assert again.adjusted[0] < first.adjusted[0] < first.adjusted[1] < again.adjusted[1]


def test_images_that_are_tied_to_training_in_one_run_are_left_out_of_the_clean_scores(write):
    tied, other_tied = clean(120), clean(120)
    tied.kind[:10], other_tied.kind[5:30] = "copy", "lesion"
    found = compare_runs(
        [write("a", evaluation(relation=tied)), write("b", evaluation(relation=other_tied, recipe=other()))]
    )
    assert {kind: scores[0].n for kind, scores in found.scores.items()} == {
        "as_shipped": 120, "deduplicated": 110, "lesion_clean": 90,
    }  # fmt: skip


def test_what_cannot_be_compared_is_refused(write, tmp_path):
    a = write("a", evaluation())
    with pytest.raises(OptionError, match="two or more folders"):
        compare_runs([a])
    with pytest.raises(OptionError, match="each once"):
        compare_runs([a, a])
    with pytest.raises(BundleError, match="nowhere"):
        compare_runs([a, tmp_path / "nowhere"])
    with pytest.raises(OptionError, match="seed only"):
        compare_runs([a, write("seed", evaluation(recipe=dataclasses.replace(documented_baseline(), seed=4)))])
    with pytest.raises(DataError, match="same classes"):
        compare_runs([a, write("names", evaluation(names=("melanoma", "nevus", "other"), recipe=other()))])
    strange = evaluation(recipe=other())
    elsewhere = dataclasses.replace(strange, source=tuple(f"x{row}" for row in range(120)), image_id=("",) * 120)
    with pytest.raises(DataError, match="in common"):
        compare_runs([a, write("elsewhere", elsewhere)])
    with pytest.raises(DataError, match="120 images different labels"):
        compare_runs([a, write("labels", dataclasses.replace(strange, labels=(strange.labels + 1) % 3))])


def test_the_files_tell_it_and_names_are_text(write, tmp_path):
    hostile = "<script>alert(1)<"
    found = compare_runs([write("a", evaluation()), write(hostile, evaluation(seed=1, recipe=other()))])
    folder = write_comparison(found, tmp_path / "out", command="python examples/compare.py a b")
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    told = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    assert told["duels"]["as_shipped"][0]["scores"]["accuracy"]["difference"] == pytest.approx(
        found.duels["as_shipped"][0].scores["accuracy"].difference
    )
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;" in text
    assert "python examples/compare.py a b" in text


def test_a_repeated_run_is_left_out_and_told(write):
    runs = [write("a", evaluation()), write("again", evaluation()), write("b", evaluation(recipe=other(), seed=3))]
    found = compare_runs(runs)
    assert len(found.contenders) == 2
    assert "1 of the runs repeat" in found.notes[0]


def test_the_score_of_several_seeds_is_that_of_their_mean(write):
    runs = [
        write(f"a{seed}", evaluation(seed=seed, recipe=dataclasses.replace(documented_baseline(), seed=seed)))
        for seed in (0, 1)
    ]
    found = compare_runs([*runs, write("b", evaluation(seed=5, recipe=other()))])
    labels = np.arange(120) % 3
    mean = np.mean([answers(labels, 3, 2.0, seed) for seed in (0, 1)], axis=0)
    assert found.scores["as_shipped"][0].accuracy == pytest.approx(np.mean(mean.argmax(axis=1) == labels))
