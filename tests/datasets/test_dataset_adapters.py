"""Every dataset that is a table: its exact columns, on small files, and each malformed in every way that is refused."""

import io
import logging
import os
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from PIL import Image

from lesionkit import datasets
from lesionkit.data import images
from lesionkit.data.reading import read_bytes
from lesionkit.datasets.ground_truth_csv import ground_truth_csv
from lesionkit.datasets.ham10000 import ham10000
from lesionkit.datasets.isic2020 import isic2020
from lesionkit.datasets.isic2024 import isic2024, leaking_columns
from lesionkit.datasets.isic_archive import isic_archive
from lesionkit.datasets.isic_folder import isic_folder
from lesionkit.errors import DataError, ImageError, OptionError

IDS = [f"ISIC_000000{number}" for number in range(1, 5)]
HAM = """lesion_id,image_id,dx,dx_type,age,sex,localization
HAM_1,ISIC_0000001,mel,histo,80,male,scalp
HAM_1,ISIC_0000002,mel,histo,80,male,scalp
HAM_2,ISIC_0000003,nv,follow_up,,unknown,back
HAM_3,ISIC_0000004,bkl,consensus,35,female,ear
"""
TRUTH_2018 = """image,MEL,NV,BCC,AKIEC,BKL,DF,VASC
ISIC_0000001,1.0,0.0,0.0,0.0,0.0,0.0,0.0
ISIC_0000002,0.0,1.0,0.0,0.0,0.0,0.0,0.0
ISIC_0000003,0,1,0,0,0,0,0
ISIC_0000004,0.0,0.0,0.0,0.0,0.0,0.0,1.0
"""
GROUPINGS = """image,lesion_id,diagnosis_confirm_type
ISIC_0000001,HAM_1,histopathology
ISIC_0000002,HAM_2,serial imaging showing no change
ISIC_0000003,HAM_2,single image expert consensus
"""
TRUTH_2019 = """image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK
ISIC_0000001,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0
ISIC_0000002_downsampled,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0
ISIC_0000003,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0
ISIC_0000004,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0
"""
METADATA_2019 = """image,age_approx,anatom_site_general,lesion_id,sex
ISIC_0000001,55.0,anterior torso,,female
ISIC_0000002_downsampled,30.0,upper extremity,BCN_1,female
ISIC_0000003,,,BCN_1,
ISIC_0000004,60.0,lower extremity,MSK_1,male
"""
TRUTH_MILK = """lesion_id,AKIEC,BCC,BEN_OTH,BKL,DF,INF,MAL_OTH,MEL,NV,SCCKA,VASC
IL_1,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0
IL_2,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0
"""
METADATA_MILK = """lesion_id,image_type,isic_id,attribution,copyright_license,image_manipulation,\
age_approx,sex,skin_tone_class,site
IL_1,clinical: close-up,ISIC_0000001,MILK,CC-BY-NC,instrument only,65,male,3,trunk
IL_1,dermoscopic,ISIC_0000002,MILK,CC-BY-NC,instrument only,65,male,3,trunk
IL_2,clinical: close-up,ISIC_0000003,MILK,CC-BY-NC,instrument only,30,female,4,foot
IL_2,dermoscopic,ISIC_0000004,MILK,CC-BY-NC,instrument only,30,female,4,foot
IL_9,dermoscopic,ISIC_0000009,MILK,CC-BY-NC,instrument only,30,female,4,foot
"""
V2_2020 = """image_name,patient_id,lesion_id,sex,age_approx,anatom_site_general_challenge,diagnosis,\
benign_malignant,target
ISIC_0000001,IP_1,IL_1,male,45.0,head/neck,unknown,benign,0
ISIC_0000002,IP_1,IL_2,male,45.0,upper extremity,melanoma,malignant,1
ISIC_0000003,IP_2,IL_3,female,50.0,lower extremity,nevus,benign,0
ISIC_0000004,IP_3,IL_4,female,50.0,,nevus,benign,0
"""
V1_2020 = "\n".join(",".join(c for n, c in enumerate(line.split(",")) if n != 2) for line in V2_2020.splitlines())
V1_2020 += "\n"
COLUMNS_2024 = "isic_id,target,patient_id,age_approx,mel_thick_mm,lesion_id,iddx_full,iddx_1,iddx_2,iddx_3"
TRUTH_2024 = f"""{COLUMNS_2024}
ISIC_0000001,0,IP_1,60.0,,,Benign,Benign,,
ISIC_0000002,1,IP_1,60.0,0.4,IL_1,Malignant::Melanoma,Malignant,\
Malignant melanocytic proliferations (Melanoma),Melanoma NOS
ISIC_0000003,0,IP_2,NA,,,,,,
ISIC_0000004,0,IP_2,NA,,IL_2,Benign,Benign,,
"""
ARCHIVE = """isic_id,attribution,copyright_license,diagnosis_1,diagnosis_2,diagnosis_3,diagnosis_4,diagnosis_5,\
diagnosis_confirm_type,lesion_id,patient_id
ISIC_0000001,A,CC-0,Benign,Benign melanocytic proliferations,Nevus,"Nevus, NOS",,,IL_1,IP_1
ISIC_0000002,A,CC-0,Malignant,\
Malignant melanocytic proliferations (Melanoma),Melanoma in situ,,,histopathology,IL_2,IP_1
ISIC_0000003,A,CC-0,Benign,,,,,,,
ISIC_0000004,A,CC-0,,,,,,,IL_3,IP_2
"""
OLD_ARCHIVE = """isic_id,attribution,copyright_license,age_approx,benign_malignant,diagnosis,diagnosis_confirm_type,sex
ISIC_0000001,A,CC-0,50,benign,nevus,,male
ISIC_0000002,A,CC-0,50,malignant,melanoma,histopathology,male
ISIC_0000003,A,CC-0,50,benign,,,male
ISIC_0000004,A,CC-0,50,,,,male
"""
TABLES = {
    "ham10000": (ham10000, HAM, "image_id", "dx"),
    "isic2018": (ground_truth_csv, TRUTH_2018, "image", "NV"),
    "isic2019": (ground_truth_csv, TRUTH_2019, "image", "SCC"),
    "isic2020": (isic2020, V1_2020, "image_name", "target"),
    "isic2020 v2": (isic2020, V2_2020, "image_name", "patient_id"),
    "isic2024": (isic2024, TRUTH_2024, "isic_id", "patient_id"),
    "isic_archive": (isic_archive, ARCHIVE, "isic_id", "diagnosis_1"),
    "isic_archive, older": (isic_archive, OLD_ARCHIVE, "isic_id", "isic_id"),
}
each_table = pytest.mark.parametrize(("read", "text", "key", "column"), TABLES.values(), ids=TABLES)


@pytest.fixture
def photos(tmp_path):
    """A folder of four images called by their ids."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in IDS:
        (folder / f"{name}.jpg").touch()
    return folder


@pytest.fixture
def write(tmp_path):
    """A function that writes a table and returns its path."""

    def written(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def known(records, column):
    return list(getattr(records, column))


def labels(records):
    return [row.label for row in records]


def refused(read, *arguments, parts, error=DataError, **options):
    with pytest.raises(error) as raised:
        read(*arguments, **options)
    for part in parts:
        assert part in str(raised.value), str(raised.value)


def test_every_adapter_is_registered():
    expected = {"ground_truth_csv", "ham10000", "isic2020", "isic2024", "isic_archive"}
    assert expected <= set(datasets.names())
    assert all(datasets.get(name).__name__ == name for name in expected)
    assert callable(datasets.metadata)


# What all of them promise.


@each_table
def test_a_row_is_a_record(write, photos, read, text, key, column):
    records = read(write(text), photos)
    assert known(records, "image_id") == IDS
    assert known(records, "source") == [str(photos / f"{name}.jpg") for name in IDS]
    assert set(records.split) == {""}
    assert records.skipped == ()


@each_table
@pytest.mark.parametrize("spell", ["BOM", "CRLF", "semicolons", "tabs", ".jpg"])
def test_spellings_change_nothing(write, photos, read, text, key, column, spell):
    spelled = {
        "BOM": lambda: b"\xef\xbb\xbf" + text.encode(),
        "CRLF": lambda: text.replace("\n", "\r\n"),
        "semicolons": lambda: text.replace(", ", " ").replace(",", ";"),
        "tabs": lambda: text.replace(", ", " ").replace(",", "\t"),
        ".jpg": lambda: text.replace("ISIC_0000001", "ISIC_0000001.JPG"),
    }[spell]()
    plain, other = read(write(text), photos), read(write(spelled), photos)
    assert labels(plain) == labels(other)
    assert known(plain, "image_id") == known(other, "image_id")
    assert known(plain, "lesion_id") == known(other, "lesion_id")


@each_table
def test_a_missing_column_is_named(write, photos, read, text, key, column):
    path = write(text.replace(column, f"{column}s", 1))
    refused(read, path, photos, parts=[str(path), "line 1", f"no column '{column}'", f"'{column}s'"])


@each_table
def test_an_id_twice_is_named_with_both_lines(write, photos, read, text, key, column):
    path = write(text.replace("ISIC_0000004", "ISIC_0000001"))
    refused(read, path, photos, parts=[str(path), "line 5", f"column {key}", "ISIC_0000001", "line 2"])


@each_table
def test_other_damage_is_named(write, photos, read, text, key, column):
    path = write(text.replace("ISIC_0000003", "", 1))
    refused(read, path, photos, parts=[str(path), "line 4", f"column {key}", "missing"])
    short = "\n".join([*text.strip().splitlines()[:4], "ISIC_0000004"])
    refused(read, write(short), photos, parts=[str(path), "line 5", "1 cells"])
    refused(read, write(text.encode() + b"\xff"), photos, parts=[str(path), "line 6", "not UTF-8"])
    refused(read, write(""), photos, parts=[str(path), "empty"])
    refused(read, write(text.splitlines()[0]), photos, parts=[str(path)])
    refused(read, path.with_name("none.csv"), photos, parts=["none.csv", "no such file"])


@each_table
def test_an_image_without_a_file(write, photos, read, text, key, column):
    (photos / "ISIC_0000002.jpg").unlink()
    path = write(text)
    place = [str(path), f"column {key}", "1 of the 4 images", "ISIC_0000002", "line 3", str(photos)]
    refused(read, path, photos, parts=[*place, 'on_missing="skip"'])
    records = read(path, photos, on_missing="skip")
    assert known(records, "image_id") == [IDS[0], IDS[2], IDS[3]]
    assert [item.source.removesuffix("_downsampled") for item in records.skipped] == ["ISIC_0000002"]
    refused(read, path, photos, on_missing="ignore", error=OptionError, parts=["on_missing", "'ignore'"])


# Files and their names.


def test_files_of_any_suffix_in_several_folders_and_below(write, tmp_path):
    for name in (
        "one/ISIC_0000001.JPG",
        "one/deep/isic_0000002.png",
        "two/ISIC_0000003_downsampled.jpeg",
        "two/ISIC_0000004",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    records = ham10000(write(HAM), [tmp_path / "one", str(tmp_path / "two")])
    assert known(records, "image_id") == IDS


def test_files_without_a_row_are_counted(write, photos, caplog):
    for name in ("ISIC_0000009.jpg", "other.png", ".hidden.jpg", "ISIC_0000001.json", "LICENSE.txt"):
        (photos / name).touch()
    with caplog.at_level(logging.INFO, logger="lesionkit"):
        assert len(ham10000(write(HAM), photos)) == 4
    assert "2 files" in caplog.text


def test_two_files_for_one_id_are_refused(write, photos):
    (photos / "ISIC_0000003.png").touch()
    refused(ham10000, write(HAM), photos, parts=["line 4", "column image_id", "ISIC_0000003.jpg", "ISIC_0000003.png"])


def test_no_image_at_all_is_an_error_even_when_skipping(write, tmp_path):
    (tmp_path / "none").mkdir()
    refused(ham10000, write(HAM), tmp_path / "none", on_missing="skip", parts=["4 of the 4 images", "(line 2)"])
    refused(ham10000, write(HAM), tmp_path / "absent", parts=["absent", "cannot be listed"])


# HAM10000.


def test_ham10000(write, photos):
    records = ham10000(write(HAM), photos)
    assert records.class_names == ("bkl", "mel", "nv")
    assert labels(records) == ["mel", "mel", "nv", "bkl"]
    assert known(records, "lesion_id") == ["HAM_1", "HAM_1", "HAM_2", "HAM_3"]
    assert known(records, "diagnosis") == ["ham10000:mel", "ham10000:mel", "ham10000:nv", "ham10000:bkl"]
    assert known(records, "confirmed_by") == ["histo", "histo", "follow_up", "consensus"]
    assert len(set(records.groups())) == 3


@pytest.mark.parametrize("code", ["melanoma", "MEL", ""])
def test_ham10000_unknown_code(write, photos, code):
    refused(ham10000, write(HAM.replace(",nv,", f",{code},")), photos, parts=["line 4", "column dx", "akiec, bcc"])


def test_one_class_is_too_few(write, photos):
    text = HAM.replace(",nv,", ",mel,").replace(",bkl,", ",mel,")
    refused(ham10000, write(text), photos, parts=["table.csv", "1 class (mel)"])


# One column for each class.


def test_isic2018(write, photos):
    records = ground_truth_csv(write(TRUTH_2018), photos, groupings=write(GROUPINGS, "groups.csv"), split="train")
    assert records.class_names == ("MEL", "NV", "VASC")
    assert labels(records) == ["MEL", "NV", "NV", "VASC"]
    assert known(records, "diagnosis") == ["isic2018:MEL", "isic2018:NV", "isic2018:NV", "isic2018:VASC"]
    assert known(records, "lesion_id") == ["HAM_1", "HAM_2", "HAM_2", None]
    assert records.confirmed_by[0] == "histopathology"
    assert set(records.split) == {"train"}


def test_isic2018_with_the_metadata_of_ham10000_keeps_its_own_diagnosis(write, photos):
    records = ground_truth_csv(write(TRUTH_2018), photos, metadata=write(HAM, "ham.csv"))
    assert known(records, "lesion_id") == ["HAM_1", "HAM_1", "HAM_2", "HAM_3"]
    assert records.diagnosis[1] == "isic2018:NV"


def test_isic2019(write, photos):
    (photos / "ISIC_0000002.jpg").rename(photos / "ISIC_0000002_downsampled.jpg")
    records = ground_truth_csv(write(TRUTH_2019), photos, metadata=write(METADATA_2019, "meta.csv"))
    assert records.class_names == ("MEL", "NV", "SCC")
    assert labels(records) == ["NV", "MEL", "SCC", "NV"]
    assert known(records, "image_id") == IDS
    assert known(records, "lesion_id") == [None, "BCN_1", "BCN_1", "MSK_1"]
    assert records.diagnosis[2] == "isic2019:SCC"


def test_unk_is_a_class_where_it_has_images(write, photos):
    text = TRUTH_2019.replace("1.0,0.0\nISIC_0000004", "0.0,1.0\nISIC_0000004")
    assert ground_truth_csv(write(text), photos).class_names == ("MEL", "NV", "UNK")
    weighted = "\n".join(f"{line},{'score_weight' if not n else '1.0'}" for n, line in enumerate(text.splitlines()))
    assert ground_truth_csv(write(weighted), photos).class_names == ("MEL", "NV", "UNK")


def test_class_names_in_the_order_wanted(write, photos):
    path = write(TRUTH_2018)
    records = ground_truth_csv(path, photos, class_names=["VASC", "NV", "BCC", "MEL"])
    assert records.class_names == ("VASC", "NV", "BCC", "MEL")
    assert labels(records) == ["MEL", "NV", "NV", "VASC"]
    for names in (["MEL", "NV"], ["MEL", "NV", "VASC", "SCC"]):
        refused(ground_truth_csv, path, photos, class_names=names, error=OptionError, parts=["MEL, NV, VASC", "AKIEC"])


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ("0,0,0,0,0,0,0", ["columns MEL, NV, BCC, AKIEC, BKL, DF, VASC", "none is 1"]),
        ("0,1,0,0,1,0,0", ["columns NV, BKL", "2 of them"]),
        ("0,nan,0,0,0,0,0", ["column NV", "no value"]),
        ("0,1,0,0,,0,0", ["column BKL", "no value"]),
        ("0.2,0.8,0,0,0,0,0", ["column MEL", "'0.2'"]),
        ("0,2,0,0,0,0,0", ["column NV", "'2'"]),
        ("0,-1,0,0,0,0,0", ["column NV", "'-1'"]),
        ("0,yes,0,0,0,0,0", ["column NV", "'yes'"]),
    ],
)
def test_a_row_has_one_class(write, photos, row, parts):
    path = write(TRUTH_2018.replace("0,1,0,0,0,0,0", row))
    refused(ground_truth_csv, path, photos, parts=[str(path), "line 4", *parts])


def test_metadata_of_other_images_is_refused(write, photos):
    other = write(GROUPINGS.replace("ISIC_000", "ISIC_999"), "other.csv")
    refused(ground_truth_csv, write(TRUTH_2018), photos, groupings=other, parts=["other.csv", "none of the images"])


def test_an_unknown_split_is_refused(write, photos):
    refused(ground_truth_csv, write(TRUTH_2018), photos, split="Train", parts=["'Train'"])


def test_milk10k_has_two_images_of_each_lesion(write, photos):
    records = ground_truth_csv(write(TRUTH_MILK), photos, metadata=write(METADATA_MILK, "meta.csv"))
    assert known(records, "image_id") == IDS
    assert records.class_names == ("BCC", "NV")
    assert labels(records) == ["BCC", "BCC", "NV", "NV"]
    assert known(records, "lesion_id") == ["IL_1", "IL_1", "IL_2", "IL_2"]
    assert records.diagnosis[0] == "milk10k:BCC"
    assert len(set(records.groups())) == 2


def test_milk10k_in_a_folder_for_each_lesion(write, photos):
    for name, lesion in zip(IDS, ("IL_1", "IL_1", "IL_2", "IL_2"), strict=True):
        (photos / lesion).mkdir(exist_ok=True)
        (photos / f"{name}.jpg").rename(photos / lesion / f"{name}.jpg")
    assert len(ground_truth_csv(write(TRUTH_MILK), photos, metadata=write(METADATA_MILK, "meta.csv"))) == 4


def test_milk10k_needs_its_images(write, photos):
    path = write(TRUTH_MILK)
    refused(ground_truth_csv, path, photos, error=OptionError, parts=[str(path), "metadata=", "lesions"])
    other = write(METADATA_MILK.replace("IL_2", "IL_8"), "meta.csv")
    refused(
        ground_truth_csv, path, photos, metadata=other, parts=[str(path), "line 3", "lesion_id", "IL_2", "meta.csv"]
    )
    twice = write(TRUTH_MILK.replace("IL_2", "IL_1"))
    refused(ground_truth_csv, twice, photos, metadata=other, parts=["line 3", "column lesion_id", "line 2"])


# ISIC 2020.


def test_isic2020(write, photos):
    records = isic2020(write(V1_2020), photos)
    assert records.class_names == ("benign", "malignant")
    assert labels(records) == ["benign", "malignant", "benign", "benign"]
    assert known(records, "patient_id") == ["IP_1", "IP_1", "IP_2", "IP_3"]
    assert known(records, "diagnosis") == [None, "isic2020:melanoma", "isic2020:nevus", "isic2020:nevus"]
    assert known(records, "lesion_id") == known(records, "copy_id") == [None] * 4
    assert known(isic2020(write(V2_2020), photos), "lesion_id") == ["IL_1", "IL_2", "IL_3", "IL_4"]


@pytest.mark.parametrize("value", ["0", "2", ""])
def test_isic2020_target_agrees(write, photos, value):
    path = write(V1_2020.replace("malignant,1", f"malignant,{value}"))
    refused(isic2020, path, photos, parts=[str(path), "line 3", "target"])


def test_isic2020_benign_malignant_agrees(write, photos):
    for said in ("benign", "Malignant", ""):
        path = write(V1_2020.replace("malignant,1", f"{said},1"))
        refused(isic2020, path, photos, parts=[str(path), "line 3", "target, benign_malignant", "disagree"])


def test_isic2020_copies_are_linked_over_others(write, photos):
    pairs = "image_name_1,image_name_2\nISIC_0000003,ISIC_9999999.jpg\nISIC_9999999,ISIC_0000001\n"
    records = isic2020(write(V1_2020), photos, duplicates=write(pairs, "pairs.csv"))
    first, second, third, fourth = known(records, "copy_id")
    assert first == third is not None
    assert second is fourth is None
    assert records.groups()[0] == records.groups()[2]


def test_isic2020_duplicates_are_checked(write, photos):
    for text, parts in (
        ("image_name_1,image_name_2\nA,B\n", ["names no image"]),
        ("image_name_1,image_name\nA,B\n", ["no column 'image_name_2'"]),
        ("image_name_1,image_name_2\nISIC_0000001,\n", ["line 2", "column image_name_2", "missing"]),
    ):
        refused(isic2020, write(V1_2020), photos, duplicates=write(text, "pairs.csv"), parts=["pairs.csv", *parts])


# ISIC 2024.


def jpeg(colour):
    data = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(data, "JPEG")
    return data.getvalue()


@pytest.fixture
def crops(tmp_path):
    """An HDF5 file with the bytes of one JPEG for each id."""
    path = tmp_path / "train-image.hdf5"
    with h5py.File(path, "w") as file:
        for number, name in enumerate(IDS):
            file[name] = np.void(jpeg((60 * number, 80, 80)))
        file.create_group("group")
    return path


def test_isic2024(write, photos, caplog):
    with caplog.at_level(logging.INFO, logger="lesionkit"):
        records = isic2024(write(TRUTH_2024), photos)
    assert records.class_names == ("benign", "malignant")
    assert labels(records) == ["benign", "malignant", "benign", "benign"]
    assert known(records, "lesion_id") == [None, "IL_1", None, "IL_2"]
    assert known(records, "patient_id") == ["IP_1", "IP_1", "IP_2", "IP_2"]
    expected = ["isic2024:Benign", "isic2024:Melanoma NOS", "isic2024:0", "isic2024:Benign"]
    assert known(records, "diagnosis") == expected
    assert "mel_thick_mm, lesion_id, iddx_full" in caplog.text


def test_isic2024_leaking_columns():
    leaking = ["mel_thick_mm", "lesion_id", "iddx_full", "iddx_1", "iddx_2", "iddx_3"]
    assert leaking_columns(COLUMNS_2024.split(",")) == leaking
    assert leaking_columns(["tbp_lv_dnn_lesion_confidence", "tbp_lv_nevi_confidence", "sex", "melon"]) == [
        "tbp_lv_dnn_lesion_confidence"
    ]


def test_isic2024_target_is_0_or_1(write, photos):
    for value in ("2", ""):
        text = TRUTH_2024.replace("ISIC_0000003,0", f"ISIC_0000003,{value}")
        refused(isic2024, write(text), photos, parts=["line 4", "column target", "0 or 1"])


def test_isic2024_reads_images_from_hdf5(write, crops):
    records = isic2024(write(TRUTH_2024), crops)
    assert known(records, "source") == [f"{crops}::{name}" for name in IDS]
    assert known(records, "image_id") == IDS
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read_bytes, known(records, "source") * 25))
    assert found == [jpeg((60 * number, 80, 80)) for number in range(4)] * 25
    assert images.load(records.source[0]).shape == (8, 8, 3)


def test_isic2024_image_missing_in_hdf5(write, crops):
    with h5py.File(crops, "a") as file:
        del file["ISIC_0000003"]
    path = write(TRUTH_2024)
    refused(isic2024, path, crops, parts=["1 of the 4", "ISIC_0000003 (line 4)", str(crops)])
    assert [item.source for item in isic2024(path, crops, on_missing="skip").skipped] == ["ISIC_0000003"]


def test_a_damaged_hdf5_file(write, tmp_path):
    path = tmp_path / "damaged.hdf5"
    path.write_bytes(b"not HDF5")
    refused(isic2024, write(TRUTH_2024), path, parts=["damaged.hdf5", "not an HDF5 file"])
    refused(read_bytes, f"{path}::a", error=ImageError, parts=["damaged.hdf5", "cannot be opened"])


def test_datasets_that_are_not_there(crops):
    for name in ("ISIC_9", "group"):
        refused(read_bytes, f"{crops}::{name}", error=ImageError, parts=[f"::{name}", "no dataset"])
    refused(read_bytes, "none.hdf5::a", error=ImageError, parts=["none.hdf5::a", "no such file"])


def test_a_changed_hdf5_file_is_read_anew(crops, tmp_path):
    source = f"{crops}::ISIC_0000001"
    before = read_bytes(source)
    with h5py.File(tmp_path / "new.hdf5", "w") as file:
        file["ISIC_0000001"] = np.void(b"other bytes")
    os.replace(tmp_path / "new.hdf5", crops)
    assert before != read_bytes(source) == b"other bytes"


# The ISIC archive.


def test_isic_archive_levels(write, photos):
    path = write(ARCHIVE)
    third = ["Nevus", "Melanoma in situ", "Benign", None]
    assert labels(isic_archive(path, photos)) == third
    assert labels(isic_archive(path, photos, level=1)) == ["Benign", "Malignant", "Benign", None]
    assert labels(isic_archive(path, photos, level=5)) == ["Nevus, NOS", *third[1:]]
    records = isic_archive(path, photos, level=1)
    assert records.class_names == ("Benign", "Malignant")
    assert records.label[3] == -1
    expected = ["isic_archive:Nevus, NOS", "isic_archive:Melanoma in situ", "isic_archive:Benign", None]
    assert known(records, "diagnosis") == expected
    assert known(records, "confirmed_by") == [None, "histopathology", None, None]
    assert known(records, "patient_id") == ["IP_1", "IP_1", None, "IP_2"]
    assert known(records, "lesion_id") == ["IL_1", "IL_2", None, "IL_3"]


def test_isic_archive_older_export(write, photos):
    path = write(OLD_ARCHIVE)
    assert labels(isic_archive(path, photos)) == ["nevus", "melanoma", "benign", None]
    assert labels(isic_archive(path, photos, level=1)) == ["benign", "malignant", "benign", None]
    assert isic_archive(path, photos, level=1).diagnosis[1] == "isic_archive:melanoma"


@pytest.mark.parametrize("level", [0, 6, 2.5, True, "3"])
def test_isic_archive_level_is_1_to_5(write, photos, level):
    refused(isic_archive, write(ARCHIVE), photos, level=level, error=OptionError, parts=["1 to 5", repr(level)])


# Metadata alone.


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        (HAM, {"lesion_id", "diagnosis", "confirmed_by"}),
        (GROUPINGS, {"lesion_id", "confirmed_by"}),
        (METADATA_2019, {"lesion_id"}),
        (V1_2020, {"patient_id", "diagnosis"}),
        (V2_2020, {"lesion_id", "patient_id", "diagnosis"}),
        (TRUTH_2024, {"lesion_id", "patient_id", "diagnosis"}),
        (ARCHIVE, {"lesion_id", "patient_id", "diagnosis", "confirmed_by", "licence", "attribution"}),
        (OLD_ARCHIVE, {"diagnosis", "confirmed_by", "licence", "attribution"}),
        (METADATA_MILK, {"lesion_id", "licence", "attribution"}),
    ],
)
def test_metadata_is_told_by_its_columns(write, text, columns):
    table = datasets.metadata(write(text))
    assert set(table) == {"image_id", *columns}
    assert table["image_id"][: len(GROUPINGS.splitlines()) - 1] == IDS[: len(GROUPINGS.splitlines()) - 1]
    assert {len(values) for values in table.values()} == {len(text.strip().splitlines()) - 1}


def test_metadata_says_of_which_layout_a_diagnosis_is(write):
    assert datasets.metadata(write(HAM))["diagnosis"][0] == "ham10000:mel"
    assert datasets.metadata(write(V1_2020))["diagnosis"][:2] == [None, "isic2020:melanoma"]
    assert datasets.metadata(write(ARCHIVE))["diagnosis"][2:] == ["isic_archive:Benign", None]


def test_metadata_joins_a_folder_of_classes(write, tmp_path):
    for name in ("a/ISIC_0000001.jpg", "a/ISIC_0000001(1).jpg", "b/ISIC_0000003.jpg", "b/ISIC_0000008.jpg"):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).touch()
    records = isic_folder(tmp_path / "root").join(datasets.metadata(write(HAM)))
    assert known(records, "lesion_id") == ["HAM_1", "HAM_1", "HAM_2", None]


def test_metadata_of_an_unknown_layout(write):
    path = write("name,age\na,1\n")
    refused(datasets.metadata, path, parts=[str(path), "line 1", "name, age", "HAM10000 (image_id", "ISIC 2020"])


def test_metadata_that_knows_nothing(write):
    path = write("image,age_approx,anatom_site_general,sex\nISIC_0000001,50,,male\n")
    refused(datasets.metadata, path, parts=[str(path), "ISIC 2019", "lesion_id"])


def test_the_nine_class_folder_gets_its_lesions(real_data, nine_class_folder):
    table = datasets.metadata(real_data / "HAM10000_metadata.csv")
    assert {name: len(values) for name, values in table.items()} == dict.fromkeys(table, 10015)
    records = isic_folder(nine_class_folder).join(table)
    lesions = [lesion for lesion in records.lesion_id if lesion]
    assert (len(records), len(lesions), len(set(lesions))) == (2359, 1514, 1062)
