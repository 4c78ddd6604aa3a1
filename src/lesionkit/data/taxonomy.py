"""What the labels of the ISIC collections mean: each code as a set of diagnoses, so that codes can be compared.

A code of one collection is often several of another: ``akiec`` of HAM10000 is actinic keratosis or squamous cell
carcinoma in situ. So each code means a set of atomic diagnoses; two codes disagree only where the sets have nothing in
common. Case does not matter in codes, nor blanks around them. ``docs/taxonomy.md`` tells what was decided, and why.

Example:
    >>> lk.taxonomy.translate("MEL", "isic2018", "ham10000")
    ('mel',)
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from lesionkit.errors import OptionError

Meaning = frozenset[str]


class Layout(NamedTuple):
    """The codes of one collection."""

    source: str
    meanings: Mapping[str, Meaning]


def _one(*diagnoses: str) -> Meaning:
    return frozenset(diagnoses)


UNKNOWN = _one()
NEVUS, BCC, DF = _one("nevus"), _one("basal cell carcinoma"), _one("dermatofibroma")
MELANOMA = _one("melanoma in situ", "invasive melanoma", "melanoma metastasis")
AK, IN_SITU = _one("actinic keratosis"), _one("squamous cell carcinoma in situ")
SCC_KA = _one("invasive squamous cell carcinoma", "keratoacanthoma")
SCC = IN_SITU | SCC_KA
SK, SOLAR, LPLK = _one("seborrheic keratosis"), _one("solar lentigo"), _one("lichen planus-like keratosis")
BKL = SK | SOLAR | LPLK | _one("other pigmented benign keratosis")
ACANTHOMA, INK_SPOT, SIMPLEX = _one("clear cell acanthoma"), _one("ink-spot lentigo"), _one("lentigo simplex")
LENTIGO = SOLAR | INK_SPOT | SIMPLEX
MACULES = _one("cafe-au-lait macule", "ephelis", "mucosal melanotic macule")
VESSELS = _one("hemangioma", "angiokeratoma", "pyogenic granuloma", "other vascular lesion")
VASC = VESSELS | _one("hemorrhage")
OTHER_BENIGN, OTHER_MALIGNANT = _one("other benign lesion"), _one("other malignant lesion")
INFLAMED, ATYPICAL = _one("inflammation or infection"), _one("atypical melanocytic proliferation")

#: Every atomic diagnosis is in one of these three; what is debated counts as neither.
BENIGN = NEVUS | DF | BKL | ACANTHOMA | LENTIGO | MACULES | VASC | OTHER_BENIGN | INFLAMED
MALIGNANT = MELANOMA | BCC | SCC | OTHER_MALIGNANT
DEBATED = AK | ATYPICAL

_SEVEN = {"MEL": MELANOMA, "NV": NEVUS, "BCC": BCC, "AKIEC": AK | IN_SITU, "BKL": BKL, "DF": DF, "VASC": VASC}

#: Names of ``diagnosis_1`` to ``diagnosis_5`` in the archive, and its former names in lower case.
_ARCHIVE = {
    "Benign": BENIGN,
    "Indeterminate": DEBATED,
    "Malignant": MALIGNANT,
    "Benign melanocytic proliferations": NEVUS | SIMPLEX | OTHER_BENIGN,
    "Nevus": NEVUS,
    "Blue nevus": NEVUS,
    "nevus spilus": NEVUS,
    "Lentigo simplex": SIMPLEX,
    "Flat melanotic pigmentations - not melanocytic nevus": MACULES | LENTIGO,
    "Cafe au lait macule or patch": _one("cafe-au-lait macule"),
    "cafe-au-lait macule": _one("cafe-au-lait macule"),
    "Ephelis": _one("ephelis"),
    "Mucosal melanotic macule": _one("mucosal melanotic macule"),
    "mucosal melanosis": _one("mucosal melanotic macule"),
    "Ink-spot lentigo": INK_SPOT,
    "Lentigo NOS": LENTIGO,
    "Benign epidermal proliferations": BKL | ACANTHOMA | OTHER_BENIGN,
    "Pigmented benign keratosis": BKL,
    "Seborrheic keratosis": SK,
    "Solar lentigo": SOLAR,
    "Lichen planus like keratosis": LPLK,
    "lichenoid keratosis": LPLK,
    "Clear cell acanthoma": ACANTHOMA,
    "Epidermal nevus": OTHER_BENIGN,
    "Benign soft tissue proliferations - Fibro-histiocytic": DF | OTHER_BENIGN,
    "Dermatofibroma": DF,
    "Benign soft tissue proliferations - Vascular": VESSELS,
    "Hemangioma": _one("hemangioma"),
    "angioma": _one("hemangioma"),
    "Angiokeratoma": _one("angiokeratoma"),
    "Pyogenic granuloma": _one("pyogenic granuloma"),
    "vascular lesion": VASC,
    "Hemorrhagic lesions": _one("hemorrhage"),
    "Hemorrhage": _one("hemorrhage"),
    "Inflammatory or infectious diseases": INFLAMED,
    "Verruca": INFLAMED,
    "Molluscum": INFLAMED,
    "Indeterminate epidermal proliferations": AK,
    "Solar or actinic keratosis": AK,
    "actinic keratosis": AK,
    "Indeterminate melanocytic proliferations": ATYPICAL,
    "Atypical intraepithelial melanocytic proliferation": ATYPICAL,
    "AIMP": ATYPICAL,
    "Atypical melanocytic neoplasm": ATYPICAL,
    "atypical melanocytic proliferation": ATYPICAL,
    "Atypical Spitz tumor": ATYPICAL,
    "Malignant melanocytic proliferations (Melanoma)": MELANOMA,
    "melanoma": MELANOMA,
    "Melanoma, NOS": MELANOMA,
    "Melanoma in situ": _one("melanoma in situ"),
    "Melanoma Invasive": _one("invasive melanoma"),
    "Melanoma metastasis": _one("melanoma metastasis"),
    "Malignant adnexal epithelial proliferations - Follicular": BCC | OTHER_MALIGNANT,
    "Basal cell carcinoma": BCC,
    "Malignant epidermal proliferations": SCC | OTHER_MALIGNANT,
    "squamous cell carcinoma": SCC,
    "Squamous cell carcinoma, NOS": SCC,
    "Squamous cell carcinoma in situ": IN_SITU,
    "Squamous cell carcinoma, Invasive": _one("invasive squamous cell carcinoma"),
    "Keratoacanthoma": _one("keratoacanthoma"),
    "Merkel cell proliferation": OTHER_MALIGNANT,
    "Merkel cell carcinoma": OTHER_MALIGNANT,
    "Kaposi sarcoma": OTHER_MALIGNANT,
    "Atypical fibroxanthoma": OTHER_MALIGNANT,
    "Benign - Other": OTHER_BENIGN,
    "Cysts": OTHER_BENIGN,
    "Fibroepithelial polyp": OTHER_BENIGN,
    "acrochordon": OTHER_BENIGN,
    "Angiofibroma": OTHER_BENIGN,
    "angiofibroma or fibrous papule": OTHER_BENIGN,
    "Neurofibroma": OTHER_BENIGN,
    "Scar": OTHER_BENIGN,
    "Sebaceous adenoma": OTHER_BENIGN,
    "Sebaceous hyperplasia": OTHER_BENIGN,
    "adnexal tumor": UNKNOWN,
    "other": UNKNOWN,
}

_NINE = {
    "actinic keratosis": AK,
    "basal cell carcinoma": BCC,
    "dermatofibroma": DF,
    "melanoma": MELANOMA,
    "nevus": NEVUS,
    "pigmented benign keratosis": BKL,
    "seborrheic keratosis": SK,
    "squamous cell carcinoma": SCC,
    "vascular lesion": VASC,
}

LAYOUTS: dict[str, Layout] = {
    "nine_class": Layout(
        'The folders of "Skin Cancer ISIC", named after the former diagnoses of the ISIC Archive', _NINE
    ),
    "synthetic_lesions": Layout(
        "The images that lesionkit draws, named after what they caricature",
        {f"synthetic {name}": means for name, means in _NINE.items()},
    ),
    "isic2018": Layout("https://challenge.isic-archive.com/landing/2018/47", _SEVEN),
    "isic2019": Layout(
        "https://challenge.isic-archive.com/landing/2019",
        {
            "MEL": MELANOMA,
            "NV": NEVUS,
            "BCC": BCC,
            "AK": AK,
            "BKL": BKL,
            "DF": DF,
            "VASC": VASC,
            "SCC": SCC,
            "UNK": UNKNOWN,
        },
    ),
    "isic2020": Layout(
        "Rotemberg et al. 2021, doi:10.1038/s41597-021-00815-z",
        {
            "melanoma": MELANOMA,
            "nevus": NEVUS,
            "seborrheic keratosis": SK,
            "lentigo NOS": LENTIGO,
            "lichenoid keratosis": LPLK,
            "solar lentigo": SOLAR,
            "cafe-au-lait macule": _one("cafe-au-lait macule"),
            "atypical melanocytic proliferation": ATYPICAL,
            "unknown": UNKNOWN,
        },
    ),
    "isic2024": Layout(
        "Kurtansky et al. 2024, doi:10.1038/s41597-024-03743-w", {"0": BENIGN | DEBATED, "1": MALIGNANT}
    ),
    "milk10k": Layout(
        "https://challenge.isic-archive.com/landing/milk10k",
        {
            "AKIEC": AK | IN_SITU,
            "BCC": BCC,
            "BEN_OTH": OTHER_BENIGN | MACULES | SIMPLEX,
            "BKL": BKL | ACANTHOMA | INK_SPOT,
            "DF": DF,
            "INF": INFLAMED,
            "MAL_OTH": OTHER_MALIGNANT,
            "MEL": MELANOMA,
            "NV": NEVUS,
            "SCCKA": SCC_KA,
            "VASC": VASC,
        },
    ),
    "ham10000": Layout(
        "Tschandl et al. 2018, doi:10.1038/sdata.2018.161", {code.lower(): means for code, means in _SEVEN.items()}
    ),
    "isic_archive": Layout("Scope et al. 2025 (ISIC-DX), doi:10.1111/jdv.20055; isic-metadata 4.12.0", _ARCHIVE),
}

_FOUND = {name: {code.casefold(): means for code, means in layout.meanings.items()} for name, layout in LAYOUTS.items()}
#: The codes of ISIC 2024 are its target; its columns ``iddx_1`` to ``iddx_5`` hold the archive's names.
_FOUND["isic2024"] = _FOUND["isic_archive"] | _FOUND["isic2024"]


def layouts() -> tuple[str, ...]:
    """Returns the names of the collections."""
    return tuple(LAYOUTS)


def codes(layout: str) -> tuple[str, ...]:
    """Returns the codes of a collection, as it spells them.

    Raises:
        OptionError: no such collection.
    """
    if layout not in LAYOUTS:
        raise OptionError(f"layout is one of {', '.join(LAYOUTS)}. Received: {layout!r}")
    return tuple(LAYOUTS[layout].meanings)


def meaning(layout: str, code: str) -> Meaning:
    """Returns the atomic diagnoses that ``code`` of ``layout`` covers; empty where either is unknown.

    The archive's finer names end in what comes after a comma: ``"Nevus, Spitz"`` means what ``"Nevus"`` does.
    """
    known, name = _FOUND.get(layout, {}), code.strip().casefold()
    while name not in known and "," in name and layout in ("isic_archive", "isic2024"):
        name = name.rpartition(",")[0].strip()
    return known.get(name, UNKNOWN)


def of_class(class_name: str) -> Meaning:
    """Returns what a class of this name covers in any of the collections; empty where none has such a name.

    ISIC 2024 is left out: a class called ``"1"`` is a number, not a diagnosis.
    """
    return UNKNOWN.union(*(meaning(layout, class_name) for layout in LAYOUTS if layout != "isic2024"))


def of_diagnosis(diagnosis: str | None) -> Meaning:
    """Returns what a record's diagnosis, ``"layout:code"``, covers; empty where it is None or unknown.

    Example:
        >>> sorted(lk.taxonomy.of_diagnosis("ham10000:akiec"))
        ['actinic keratosis', 'squamous cell carcinoma in situ']
    """
    layout, _, code = (diagnosis or "").partition(":")
    return meaning(layout, code)


def agree(a: Meaning, b: Meaning) -> bool:
    """Returns whether both can be true of one lesion: False only where both are known and have nothing in common."""
    return not a or not b or not a.isdisjoint(b)


def translate(code: str, source: str, target: str) -> tuple[str, ...]:
    """Returns all codes of ``target`` whose meaning overlaps that of ``code`` in ``source``; empty where none does.

    Raises:
        OptionError: no such collection.
    """
    codes(source)
    means = meaning(source, code)
    return tuple(other for other in codes(target) if means & meaning(target, other))


def malignancy(diagnoses: Meaning) -> Literal["benign", "malignant"] | None:
    """Returns what a set of atomic diagnoses is, or None where it mixes both, is debated, or is empty.

    It is malignant where every diagnosis is, and benign where at least one is and the others are at most debated.
    """
    if diagnoses and diagnoses <= MALIGNANT:
        return "malignant"
    return "benign" if diagnoses & BENIGN and diagnoses <= BENIGN | DEBATED else None
