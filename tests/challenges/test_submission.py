"""Submission files: written for each challenge, and held against what the official validator says of broken ones."""

import csv
import json
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import TESTS

from lesionkit import reports
from lesionkit.challenges.submissions import LAYOUTS, layout_of, lint, read_submission
from lesionkit.datasets.ground_truth_csv import LAYOUTS as TRUTHS
from lesionkit.errors import DataError, OptionError, StorageError
from lesionkit.evaluation.evaluation import Evaluation
from lesionkit.metrics.malignancy import malignancy_of
from lesionkit.reports.submission import submission

BROKEN = json.loads((TESTS / "fixtures/challenge/refusals.json").read_text(encoding="ascii"))
NINE = (
    *("actinic keratosis", "basal cell carcinoma", "dermatofibroma", "melanoma", "nevus", "pigmented benign keratosis"),
    *("seborrheic keratosis", "squamous cell carcinoma", "vascular lesion"),
)
SEVEN = LAYOUTS["isic2018"].columns

#: How an official refusal begins, and what the linter then says.
REASONS = {
    "No newlines": "no newlines",
    "Could not parse CSV: could not decode": "could not decode",
    "Could not parse CSV: ": "could not parse",
    'Missing column in CSV: "image"': "no column image or lesion_id",
    "Duplicate image rows detected in CSV: ['nan']": "no id",
    "Duplicate image rows": "duplicate id",
    "Missing columns": "missing columns",
    "Extra columns": "extra columns",
    "Missing value(s)": "missing value",
    "CSV contains non-floating-point": ("is not a number", "whole numbers alone", "there are no rows"),
    "Values in CSV are outside": "outside [0, 1]",
    "Missing images": "missing ids",
    "Extra images": "unknown id",
}


def made(names=SEVEN, n=6, **options):
    """An evaluation of ``n`` images, ISIC_0000000 and on."""
    random = np.random.default_rng(0)
    ids = tuple(f"ISIC_{row:07d}" for row in range(n))
    settings = {"image_id": ids, "source": tuple(f"{one}.jpg" for one in ids)} | options
    return Evaluation(tuple(names), random.dirichlet(np.ones(len(names)), n), np.arange(n) % len(names), **settings)


def written(evaluation, path, layout, **options):
    """The header, the ids and the values of a submission."""
    assert submission(evaluation, path, layout, **options) == path
    header, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    return header, [row[0] for row in rows], np.array([row[1:] for row in rows], dtype=float)


def reasons(refusal):
    begun = next(begin for begin in REASONS if refusal.startswith(begin))
    said = REASONS[begun]
    return said if isinstance(said, tuple) else (said,)


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case["name"])
def test_what_the_official_validator_refuses_is_told_and_nothing_else(case, tmp_path):
    path = tmp_path / "submission.csv"
    path.write_bytes(case["content"].encode("latin-1"))
    found = lint(path, "isic2018", {"X1", "X2"})
    if case["refusal"] is None:
        assert found == []
        values = read_submission(path, LAYOUTS["isic2018"], ["X2", "X1"])
        assert values.shape == (2, 7)
        assert (values >= 0).all()
        assert (values <= 1).all()
    else:
        assert any(reason in problem for reason in reasons(case["refusal"]) for problem in found), found


def test_the_broken_files_are_broken_in_every_way():
    refusals = [case["refusal"] for case in BROKEN if case["refusal"]]
    assert {reasons(refusal) for refusal in refusals} >= {
        said if isinstance(said, tuple) else (said,) for begun, said in REASONS.items() if begun != "Extra images"
    }
    assert len(BROKEN) - len(refusals) > 20


def test_every_fault_is_told_with_its_line(tmp_path):
    path = tmp_path / "submission.csv"
    path.write_text(
        "image,MEL,NV,BCC,AKIEC,BKL,DF,UNK\n"
        "X1,2,nan,x,0.4,0.5,0.6,0.7\n\nX1,0.1,0.2,0.3,0.4,0.5,1,0.7\nX7.jpg,0.1,0.2,0.3,0.4,0.5\n",
        encoding="utf-8",
    )
    assert lint(path, "isic2018", ["X1", "X2", "X3"]) == [
        "line 1: missing columns: VASC",
        "line 1: extra columns: UNK. Each has its place once.",
        "line 4: duplicate id X1, which stands on line 2.",
        "line 5: unknown id X7.",
        "missing ids: 2 of 3: X2, X3",
        "line 2, column MEL: 2 is outside [0, 1].",
        "line 2, column NV: missing value.",
        "line 2, column BCC: 'x' is not a number.",
        "line 5, column DF: missing value.",
    ]


def test_ids_are_looked_at_only_where_they_are_known(tmp_path):
    path = submission(made(), tmp_path / "s.csv")
    assert lint(path, "isic2018") == []
    assert lint(path, "isic2018", made().image_id) == []
    assert lint(path, "isic2018", ["another"])[-1] == "missing ids: 1 of 1: another"
    assert len(lint(path, "isic2018", ["another"])) == 7


def test_kaggles_layouts_take_whole_numbers_and_one_row_but_no_other_column_of_ids(tmp_path):
    path = tmp_path / "submission.csv"
    path.write_text("isic_id,target\nISIC_1,1\n", encoding="utf-8")
    assert lint(path, "isic2024") == []
    assert lint(path, "isic2020") == ["line 1: no column image_name. There are: isic_id, target"]
    path.write_text("isic_id,target\nISIC_1,1.5", encoding="utf-8")
    assert lint(path, "isic2024") == ["line 2, column target: 1.5 is outside [0, 1]."]
    path.write_text("", encoding="utf-8")
    assert lint(path, "isic2024") == ["could not parse: no columns, the file is blank."]


def test_a_file_that_is_not_there_and_a_layout_that_is_none_are_errors(tmp_path):
    with pytest.raises(DataError, match="none.csv cannot be read"):
        lint(tmp_path / "none.csv", "isic2018")
    with pytest.raises(OptionError, match="isic2018, isic2019, isic2020, isic2024, milk10k. Received: 'isic2016'"):
        lint(tmp_path / "none.csv", "isic2016")
    with pytest.raises(OptionError, match="layout is one of"):
        submission(made(), tmp_path / "s.csv", "isic2016")


def test_the_columns_are_those_of_the_ground_truth():
    for truth in TRUTHS:
        assert LAYOUTS[truth.name].key == truth.key
        assert LAYOUTS[truth.name].columns[: len(truth.needs)] == truth.needs
    assert LAYOUTS["isic2019"].columns[8:] == ("UNK",)
    assert all(layout_of(name).source.startswith("https://") for name in LAYOUTS)


def test_the_report_is_registered():
    assert reports.get("submission") is submission


@pytest.mark.parametrize("layout", ["isic2018", "isic2019", "milk10k"])
def test_classes_named_as_the_columns_are_written_as_they_are(layout, tmp_path):
    names = LAYOUTS[layout].columns
    evaluation = made(names[::-1])
    lesions = [f"IL_{row}" for row in range(6)] if layout == "milk10k" else None
    header, ids, values = written(evaluation, tmp_path / "s.csv", layout, ids=lesions)
    assert header == [LAYOUTS[layout].key, *names]
    assert ids == (lesions or list(evaluation.image_id))
    assert np.array_equal(values, evaluation.probabilities[:, ::-1])
    assert lint(tmp_path / "s.csv", layout, ids) == []


def test_the_nine_classes_become_those_of_2018_and_2019(tmp_path, caplog):
    evaluation = made(NINE)
    of = dict(zip(NINE, evaluation.probabilities.T, strict=True))
    keratosis = of["pigmented benign keratosis"] + of["seborrheic keratosis"]
    ak, scc = of["actinic keratosis"], of["squamous cell carcinoma"]
    rest = of["dermatofibroma"], of["vascular lesion"]
    start = of["melanoma"], of["nevus"], of["basal cell carcinoma"]
    values = written(evaluation, tmp_path / "s.csv", "isic2018")[2]
    assert values == pytest.approx(np.stack([*start, ak + scc, keratosis, *rest], axis=1))
    assert caplog.records == []
    with caplog.at_level(logging.WARNING, "lesionkit"):
        values = written(evaluation, tmp_path / "s.csv", "isic2019")[2]
    assert values == pytest.approx(np.stack([*start, ak, keratosis, *rest, scc, 0 * ak], axis=1))
    assert caplog.messages == ["isic2019: no class stands for UNK: 0 for every image"]
    assert lint(tmp_path / "s.csv", "isic2019", evaluation.image_id) == []


@pytest.mark.parametrize(("layout", "key"), [("isic2020", "image_name"), ("isic2024", "isic_id")])
def test_two_class_layouts_take_the_malignant_probability(layout, key, tmp_path):
    names = tuple(name for name in NINE if name != "actinic keratosis")
    evaluation = made(names)
    header, ids, values = written(evaluation, tmp_path / "s.csv", layout)
    assert header == [key, "target"]
    assert ids == list(evaluation.image_id)
    found = malignancy_of(evaluation.labels, evaluation.probabilities, names)
    assert values[:, 0] == pytest.approx(found.score)
    two = made(("benign", "malignant"))
    assert np.array_equal(written(two, tmp_path / "s.csv", layout)[2][:, 0], two.probabilities[:, 1])
    assert lint(tmp_path / "s.csv", layout, ids) == []


def test_actinic_keratosis_is_benign_in_2024_and_a_question_in_2020(tmp_path):
    evaluation = made(NINE)
    found = malignancy_of(evaluation.labels, evaluation.probabilities, NINE).score
    assert written(evaluation, tmp_path / "s.csv", "isic2024")[2][:, 0] == pytest.approx(found)
    with pytest.raises(DataError, match=r"'actinic keratosis' is none of them.*class_mapping=\{'actinic keratosis': "):
        submission(evaluation, tmp_path / "t.csv", "isic2020")
    assert not (tmp_path / "t.csv").exists()
    mapping = {"actinic keratosis": "malignant"}
    values = written(evaluation, tmp_path / "s.csv", "isic2020", class_mapping=mapping)[2][:, 0]
    assert values == pytest.approx(found + evaluation.probabilities[:, 0])


def test_a_class_of_two_columns_or_none_is_an_error_and_class_mapping_the_remedy(tmp_path):
    evaluation = made(("SCC", "NV", "wart"))
    path = tmp_path / "s.csv"
    with pytest.raises(DataError, match="'SCC' is AKIEC or SCCKA; 'wart' is none of them"):
        submission(evaluation, path, "milk10k", ids=list("abcdef"))
    mapping = {"SCC": "SCCKA", "wart": None}
    header, _, values = written(evaluation, path, "milk10k", ids=list("abcdef"), class_mapping=mapping)
    assert np.array_equal(values[:, header.index("SCCKA") - 1], evaluation.probabilities[:, 0])
    assert np.array_equal(values[:, header.index("NV") - 1], evaluation.probabilities[:, 1])
    assert values.sum() == pytest.approx(evaluation.probabilities[:, :2].sum())
    with pytest.raises(OptionError, match="Received: 'wrat', 'OTHER'"):
        submission(evaluation, path, "milk10k", ids=list("abcdef"), class_mapping={"wrat": None, "SCC": "OTHER"})


def test_classes_of_which_none_is_asked_for_are_an_error(tmp_path):
    with pytest.raises(DataError, match="isic2024 asks for malignant, which is none of the classes"):
        submission(made(("nevus", "dermatofibroma")), tmp_path / "s.csv", "isic2024")
    with pytest.raises(DataError, match="isic2018 asks for MEL, .*class_mapping"):
        submission(made(("a", "b")), tmp_path / "s.csv", class_mapping={"a": None, "b": None})


def test_a_lesion_is_the_mean_of_its_images(tmp_path):
    names = LAYOUTS["milk10k"].columns
    evaluation = made(names, n=5)
    lesions = ["IL_2", "IL_1", "IL_2", "IL_1", "IL_3"]
    _, ids, values = written(evaluation, tmp_path / "s.csv", "milk10k", ids=lesions)
    assert ids == ["IL_2", "IL_1", "IL_3"]
    p = evaluation.probabilities
    assert values == pytest.approx(np.stack([(p[0] + p[2]) / 2, (p[1] + p[3]) / 2, p[4]]))
    with pytest.raises(OptionError, match="ids=records.lesion_id"):
        submission(evaluation, tmp_path / "s.csv", "milk10k")
    with pytest.raises(DataError, match="Image 2 of 5 has no id"):
        submission(evaluation, tmp_path / "s.csv", "milk10k", ids=["IL_2", None, "IL_2", "IL_1", "IL_3"])


def test_ids_lose_their_suffix_and_stand_once(tmp_path):
    path = tmp_path / "s.csv"
    assert written(made(n=2), path, "isic2018", ids=["ISIC_1.jpg", " ISIC_2.PNG"])[1] == ["ISIC_1", "ISIC_2"]
    with pytest.raises(DataError, match="ISIC_1 is the id of two images"):
        submission(made(n=2), path, ids=["ISIC_1.jpg", "ISIC_1"])
    with pytest.raises(DataError, match="Image 1 of 2 has no id"):
        submission(made(n=2, image_id=("", "")), path)
    with pytest.raises(OptionError, match="ids are 2, one for each image. Received: 1"):
        submission(made(n=2), path, ids=["ISIC_1"])
    assert written(made(n=2), path, "isic2018", ids=["caf\udce9", 'a,"b'])[1] == ["caf\\udce9", 'a,"b']


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = submission(made(), tmp_path / "s.csv")
    before = path.read_bytes()
    with pytest.raises(DataError):
        submission(made(("wart", "NV")), path)
    assert path.read_bytes() == before
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        submission(made(), tmp_path / "file" / "s.csv")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "s.csv"]


@given(seed=st.integers(0, 2**32 - 1), layout=st.sampled_from(sorted(LAYOUTS)), n=st.integers(1, 12))
@settings(max_examples=40)
def test_what_is_written_is_never_refused_and_reads_back(seed, layout, n, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "written.csv"
    form = LAYOUTS[layout]
    names = ("benign", "malignant") if form.kaggle else form.columns
    random = np.random.default_rng(seed)
    rows = (
        np.eye(len(names))[random.integers(0, len(names), n)] if seed % 2 else random.dirichlet(np.ones(len(names)), n)
    )
    evaluation = Evaluation(names, rows, np.zeros(n, dtype=int), ("",) * n, tuple(f"ISIC_{row}" for row in range(n)))
    submission(evaluation, path, layout, ids=evaluation.image_id)
    assert lint(path, layout, evaluation.image_id) == []
    values = read_submission(path, form, evaluation.image_id)
    assert np.array_equal(values, rows[:, -len(form.columns) :])
