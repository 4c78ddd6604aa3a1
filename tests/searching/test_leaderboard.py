"""The leaderboard: every trial in its place, intervals, what cannot be told from the best, files, the plot."""

import csv
import json

import numpy as np
import pytest
from matplotlib.image import imread

import lesionkit as lk
from lesionkit.searching.files import FILES, write_search
from lesionkit.searching.leaderboard import leaderboard
from lesionkit.searching.trials import Trial, ranked, read_trial, trials_in, write_trial

N, CLASSES = 120, ("a", "b", "c")
LABELS = np.arange(N) % 3
SPACE = [
    {"class_name": "Float", "config": {"name": "rate", "sampling": "log"}},
    {"class_name": "Choice", "config": {"name": "cost $x$", "values": ["none", "1 x 2"]}},
]


@pytest.fixture
def judging():
    return lk.Records(CLASSES, [f"{n}.png" for n in range(N)], LABELS, [f"i{n}" for n in range(N)])


def trial(number, right, rate=0.1, choice="none"):
    """A trial that tells the first ``right`` of the images."""
    answers = np.full((N, 3), 0.1)
    told = np.where(np.arange(N) < right, LABELS, (LABELS + 1) % 3)
    answers[np.arange(N), told] = 0.8
    score = float(np.mean([(told == LABELS)[one == LABELS].mean() for one in range(3)]))
    scores = {"val_balanced_accuracy": score, "val_loss": 1 - score}
    values = {"rate": rate, "cost $x$": choice}
    return Trial(str(number), values, lk.documented_baseline(), scores, 1.5, probabilities=answers)


def failed(number):
    return Trial(str(number), {"rate": 0.2, "cost $x$": "1 x 2"}, None, {}, 0.1, "DivergedError: the loss\nbatch 3")


def test_places(judging):
    trials = [trial(0, 60), failed(1), trial(2, 118), trial(3, 117)]
    places = leaderboard(trials, judging, "val_balanced_accuracy", "max")
    assert [(one.rank, one.trial.number, one.verdict) for one in places] == [
        (1, "2", "best"),
        (2, "3", "like the best"),
        (3, "0", "worse"),
        (None, "1", None),
    ]
    for one in places[:3]:
        low, high = one.interval
        assert low <= one.trial.scores["val_balanced_accuracy"] <= high
    assert places[2].interval[1] - places[2].interval[0] > 0.1


def test_the_least_loss_is_first(judging):
    places = leaderboard([trial(0, 60), trial(1, 110)], judging, "val_loss", "min")
    assert [one.trial.number for one in places] == ["1", "0"]
    assert places[1].verdict == "worse"


def test_without_probabilities_there_are_figures_only(judging):
    plain = [Trial(str(n), {}, None, {"val_auc": n / 10}, 1.0) for n in range(3)]
    places = leaderboard(plain, judging, "val_auc", "max")
    assert [(one.rank, one.trial.number, one.interval) for one in places] == [
        (1, "2", None),
        (2, "1", None),
        (3, "0", None),
    ]


def test_files(judging, tmp_path):
    trials = [trial(0, 60, 0.001), failed(1), trial(2, 118, 0.01, "1 x 2"), trial(3, 117)]
    places = leaderboard(trials, judging, "val_balanced_accuracy", "max")
    write_search(places, tmp_path, objective="val_balanced_accuracy", space=SPACE, facts={"data": "d"})
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    assert lk.Recipe.from_json((tmp_path / "best.json").read_text()) == lk.documented_baseline()
    assert json.loads((tmp_path / "space.json").read_text()) == SPACE
    told = json.loads((tmp_path / "leaderboard.json").read_text())
    assert [one["trial"] for one in told["trials"]] == ["2", "3", "0", "1"]
    assert told["trials"][3]["error"] == "DivergedError: the loss\nbatch 3"
    with (tmp_path / "leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", "3", ""]
    assert rows[0]["cost $x$"] == "1 x 2"
    assert float(rows[0]["val_balanced_accuracy"]) == pytest.approx(118 / 120)
    assert rows[3]["error"] == "DivergedError: the loss"
    assert imread(tmp_path / "leaderboard.png").std() > 0


def test_all_failed_is_written_too(judging, tmp_path):
    places = leaderboard([failed(0)], judging, "val_balanced_accuracy", "max")
    write_search(places, tmp_path, objective="val_balanced_accuracy", space=SPACE, facts={})
    assert not (tmp_path / "best.json").exists()


def test_a_trial_survives_being_written(tmp_path):
    for number, one in enumerate((trial(0, 60), failed(1))):
        path = tmp_path / f"{number}.json"
        write_trial(path, one)
        again = read_trial(path)
        assert (again.number, again.values, again.recipe, again.scores, again.seconds, again.error) == (
            one.number, dict(one.values), one.recipe, dict(one.scores), one.seconds, one.error,
        )  # fmt: skip
        if one.probabilities is None:
            assert again.probabilities is None
        else:
            np.testing.assert_array_equal(again.probabilities, one.probabilities)
    assert [one.number for one in trials_in(tmp_path)] == ["0", "1"]
    assert [one.number for one in ranked(trials_in(tmp_path), "val_loss", "min")] == ["0"]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"schema_version": 1}', b'{"schema_version": 99}', b"[]"])
def test_a_damaged_trial_is_left_out_with_a_word(tmp_path, damage, caplog):
    write_trial(tmp_path / "0.json", trial(0, 60))
    (tmp_path / "1.json").write_bytes(damage)
    assert [one.number for one in trials_in(tmp_path)] == ["0"]
    assert "1.json cannot be read" in caplog.text
    assert read_trial(tmp_path / "2.json") is None


def test_what_a_killed_process_had_not_finished_writing_is_no_trial(tmp_path, caplog):
    write_trial(tmp_path / "0.json", trial(0, 60))
    written = (tmp_path / "0.json").read_text()
    (tmp_path / ".0-abc.json").write_text(written)  # killed before the file got its name
    (tmp_path / ".1-abc.json").write_text(written[:50])
    assert [one.number for one in trials_in(tmp_path)] == ["0"]
    assert not caplog.records
