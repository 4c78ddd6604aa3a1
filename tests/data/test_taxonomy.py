"""What codes mean, which agree, and how they translate."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT

from lesionkit.data import taxonomy
from lesionkit.data.taxonomy import LAYOUTS, agree, codes, layouts, malignancy, meaning, of_class, translate
from lesionkit.errors import OptionError

#: Codes that say nothing of the lesion.
UNKNOWN = {
    ("isic2019", "UNK"),
    ("isic2020", "unknown"),
    ("isic_archive", "adnexal tumor"),
    ("isic_archive", "other"),
}
EVERY = [(layout, code) for layout in layouts() for code in codes(layout)]
KNOWN = [pair for pair in EVERY if pair not in UNKNOWN]
ATOMS = taxonomy.BENIGN | taxonomy.MALIGNANT | taxonomy.DEBATED

a_code = st.sampled_from(EVERY)
a_meaning = st.sampled_from([meaning(*pair) for pair in EVERY]) | st.frozensets(st.sampled_from(sorted(ATOMS)))


def test_the_layouts_and_their_codes_are_those_of_the_collections():
    assert layouts() == (
        "nine_class",
        "synthetic_lesions",
        "isic2018",
        "isic2019",
        "isic2020",
        "isic2024",
        "milk10k",
        "ham10000",
        "isic_archive",
    )
    assert codes("isic2018") == ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
    assert codes("isic2019") == ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
    assert codes("isic2024") == ("0", "1")
    assert set(codes("ham10000")) == {"akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"}
    assert len(codes("nine_class")) == 9
    assert len(codes("milk10k")) == 11
    assert all(layout.source for layout in LAYOUTS.values())


def test_every_code_is_known_or_declared_unknown():
    assert {pair for pair in EVERY if not meaning(*pair)} == UNKNOWN


def test_every_meaning_is_made_of_diagnoses_that_are_benign_malignant_or_debated():
    assert all(meaning(*pair) <= ATOMS for pair in EVERY)
    assert frozenset().union(*(meaning(*pair) for pair in EVERY)) == ATOMS
    for first, second in itertools.combinations((taxonomy.BENIGN, taxonomy.MALIGNANT, taxonomy.DEBATED), 2):
        assert not first & second


@pytest.mark.parametrize("layout", layouts())
def test_codes_differ_by_more_than_case(layout):
    assert len({code.casefold() for code in codes(layout)}) == len(codes(layout))


@settings(deadline=None)
@given(a_code, st.sampled_from(layouts()))
def test_translating_is_symmetric(pair, target):
    source, code = pair
    there = translate(code, source, target)
    assert set(there) == {other for other in codes(target) if code in translate(other, target, source)}


@settings(deadline=None)
@given(st.sampled_from(KNOWN))
def test_a_known_code_translates_to_itself_and_agrees_with_itself(pair):
    layout, code = pair
    assert code in translate(code, layout, layout)
    assert agree(meaning(layout, code), meaning(layout, code))


@settings(deadline=None)
@given(a_meaning, a_meaning)
def test_agreeing_is_symmetric_and_the_unknown_agrees_with_all(a, b):
    assert agree(a, b) == agree(b, a)
    assert agree(a, frozenset())
    assert agree(a, b) == bool(not a or not b or a & b)


@settings(deadline=None)
@given(a_meaning)
def test_malignancy_follows_from_the_members(diagnoses):
    found = malignancy(diagnoses)
    members = {malignancy(frozenset({one})) for one in diagnoses}
    if found == "malignant":
        assert members == {"malignant"}
    elif found == "benign":
        assert "benign" in members
        assert "malignant" not in members
    else:
        assert not diagnoses or {"benign", "malignant"} <= members or None in members


@settings(deadline=None)
@given(a_code, st.sampled_from((str.upper, str.lower, str.title, " {} ".format)))
def test_case_and_blanks_do_not_matter(pair, change):
    layout, code = pair
    assert meaning(layout, change(code)) == meaning(layout, code)
    if layout != "isic2024":
        assert of_class(change(code)) == of_class(code)
        assert of_class(code) >= meaning(layout, code)


def test_what_nobody_knows_means_nothing():
    assert meaning("ham10000", "xyz") == frozenset()
    assert meaning("no such layout", "nv") == frozenset()
    assert of_class("wart-like thing") == frozenset()
    assert of_class("1") == of_class("0") == frozenset()
    assert malignancy(frozenset()) is None
    assert malignancy(frozenset({"something else"})) is None
    assert translate("xyz", "ham10000", "nine_class") == ()
    for call in (lambda: codes("isic2017"), lambda: translate("nv", "isic2017", "ham10000")):
        with pytest.raises(OptionError, match="isic2017") as error:
            call()
        assert "nine_class" in str(error.value)


def test_akiec_is_both_folders_and_no_nevus():
    akiec = meaning("ham10000", "akiec")
    assert akiec == {"actinic keratosis", "squamous cell carcinoma in situ"}
    assert agree(akiec, of_class("actinic keratosis"))
    assert agree(akiec, of_class("squamous cell carcinoma"))
    assert not agree(akiec, of_class("nevus"))
    assert translate("akiec", "ham10000", "nine_class") == ("actinic keratosis", "squamous cell carcinoma")
    assert translate("AKIEC", "isic2018", "isic2019") == ("AK", "SCC")
    assert malignancy(akiec) is None
    assert malignancy(of_class("actinic keratosis")) is None


def test_what_has_no_counterpart_says_so():
    assert translate("basal cell carcinoma", "nine_class", "isic2020") == ()
    assert translate("UNK", "isic2019", "nine_class") == ()
    assert translate("INF", "milk10k", "nine_class") == ()
    assert translate("MAL_OTH", "milk10k", "ham10000") == ()


def test_the_target_of_isic_2024_is_malignancy_and_its_other_columns_hold_the_archives_names():
    assert malignancy(meaning("isic2024", "1")) == "malignant"
    assert malignancy(meaning("isic2024", "0")) == "benign"
    assert translate("actinic keratosis", "nine_class", "isic2024") == ("0",)
    assert translate("squamous cell carcinoma", "nine_class", "isic2024") == ("1",)
    assert meaning("isic2024", "Basal cell carcinoma, Nodular") == {"basal cell carcinoma"}


@pytest.mark.parametrize(
    ("name", "broader"),
    [
        ("Nevus, Atypical, Dysplastic, or Clark", "Nevus"),
        ("Melanoma Invasive, Superficial spreading", "Melanoma Invasive"),
        ("Squamous cell carcinoma in situ, Bowens disease", "Squamous cell carcinoma in situ"),
        ("Squamous cell carcinoma, Invasive, Acantholytic", "Squamous cell carcinoma, Invasive"),
        ("Actinic keratosis, Bowenoid", "Solar or actinic keratosis"),
    ],
)
def test_the_archives_finer_names_mean_what_comes_before_the_comma(name, broader):
    assert meaning("isic_archive", name) == meaning("isic_archive", broader)
    assert meaning("ham10000", "nv, of a kind") == frozenset()


@pytest.mark.parametrize(
    ("general", "precise"),
    [
        ("Benign", "Seborrheic keratosis"),
        ("Malignant", "Keratoacanthoma"),
        ("Indeterminate", "Solar or actinic keratosis"),
        ("Benign epidermal proliferations", "Pigmented benign keratosis"),
        ("Flat melanotic pigmentations - not melanocytic nevus", "Lentigo NOS"),
        ("Malignant epidermal proliferations", "Squamous cell carcinoma, NOS"),
        ("Malignant melanocytic proliferations (Melanoma)", "Melanoma metastasis"),
    ],
)
def test_the_archives_groups_hold_their_members(general, precise):
    assert meaning("isic_archive", precise) < meaning("isic_archive", general) or general.endswith("(Melanoma)")
    assert meaning("isic_archive", precise) <= meaning("isic_archive", general)


def test_the_documented_table_is_the_one_in_use():
    text = (ROOT / "docs" / "taxonomy.md").read_text(encoding="utf-8")
    targets = ("isic2018", "isic2019", "isic2020", "isic2024", "milk10k")
    for name in codes("nine_class"):
        cells = [", ".join(translate(name, "nine_class", target)) or "none" for target in targets]
        assert f"| {name} | {' | '.join(cells)} | {malignancy(of_class(name)) or 'debated'} |" in text
