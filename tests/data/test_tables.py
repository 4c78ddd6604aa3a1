"""CSV files as they come: every encoding, separator and line end that is accepted, and every error, by its place."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionkit.data.tables import MISSING, as_id, read_header, read_table
from lesionkit.errors import DataError


@pytest.fixture
def write(tmp_path):
    """A function that writes text or bytes to a CSV file and returns its path."""

    def written(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def refused(path, *parts, required=("image", "dx"), key="image"):
    """Asserts that the file is refused with an error that names it and says each of ``parts``."""
    with pytest.raises(DataError) as raised:
        read_table(path, required, key=key)
    assert str(path) in str(raised.value)
    for part in parts:
        assert part in str(raised.value), str(raised.value)


TEXT = "image,dx,age\na,nv,50\nb,mel,\n"


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("\n", "\r"),
        TEXT.replace(",", ";"),
        TEXT.replace(",", "\t"),
        TEXT.rstrip("\n"),
        TEXT.replace("\n", "\n\n"),
        "image , dx, age\n a , nv , 50\n b, mel , \n",
        '"image","dx","age"\n"a","nv","50"\n"b","mel",""\n',
    ],
    ids=["plain", "BOM", "CRLF", "CR", "semicolons", "tabs", "no last end", "blank lines", "spaces", "quotes"],
)
def test_one_table_in_many_spellings(write, content):
    table = read_table(write(content), ("image", "dx"), ("age", "sex"), "image")
    assert table.columns == {"image": ["a", "b"], "dx": ["nv", "mel"], "age": ["50", None]}
    assert table["sex"] == [None, None]
    assert "sex" not in table
    assert len(table) == 2


def test_lines_are_those_of_the_file(write):
    table = read_table(write('image,dx\n\na,"n\nv"\nb,mel\n'), ("image",), ("dx",), "image")
    assert table.lines == [3, 5]
    assert str(table.error(1, ("image", "dx"), "odd.")).endswith("table.csv, line 5, columns image, dx: odd.")


def test_rows_keep_their_lines(write):
    table = read_table(write(TEXT), ("image",)).rows([1])
    assert (table["image"], table.lines) == (["b"], [3])


def test_only_what_is_asked_for_is_kept(write):
    assert list(read_table(write(TEXT), ("dx",)).columns) == ["dx"]


@pytest.mark.parametrize("spelling", ["", "NA", "NaN", "nan", "N/A", "null", "  "])
def test_missing_values_are_none(write, spelling):
    assert read_table(write(f"image,dx\na,{spelling}\n"), ("dx",))["dx"] == [None]


def test_unknown_is_missing_where_the_layout_says_so(write):
    path = write("image,dx\na,Unknown\n")
    assert read_table(path, ("dx",))["dx"] == ["Unknown"]
    assert read_table(path, ("dx",), missing=(*MISSING, "unknown"))["dx"] == [None]


@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".jpeg", ".Png", ".dcm", ".tiff", ""])
def test_ids_lose_an_image_suffix(write, suffix):
    assert read_table(write(f"image,dx\n ISIC_1{suffix} ,nv\n"), ("dx",), key="image", optional=("image",))[
        "image"
    ] == ["ISIC_1"]
    assert as_id("a.b.jpg") == "a.b"


def test_bits_are_0_and_1(write):
    assert read_table(write("x\n0\n1\n0.0\n1.0\n"), ("x",)).bits("x") == [0, 1, 0, 1]
    for value, shown in (("2", "'2'"), ("nan", "no value"), ("yes", "'yes'"), ("0.5", "'0.5'")):
        with pytest.raises(DataError, match=f"line 3, column x: {shown} where 0 or 1"):
            read_table(write(f"x\n1\n{value}\n"), ("x",)).bits("x")


def test_a_missing_file(tmp_path):
    refused(tmp_path / "absent.csv", "no such file")


def test_a_folder(tmp_path):
    refused(tmp_path, "cannot be read", "Give the CSV file")


@pytest.mark.parametrize("content", ["", "\n", "\ufeff", "  \n"])
def test_an_empty_file(write, content):
    refused(write(content), "is empty")


def test_a_header_without_rows(write):
    refused(write("image,dx\n"), "no rows")


def test_a_missing_column_and_the_names_near_it(write):
    refused(write("Image,dx\na,nv\n"), "line 1", "no column 'image'", "called 'Image'", "There are: Image, dx")
    refused(write("image,age\na,1\n"), "no column 'dx'", "There are: image, age")
    refused(write("image;age;sex\na;1;m\n"), "no column 'dx'", "There are: image, age, sex")


def test_a_column_twice(write):
    refused(write("image,dx,dx\na,nv,nv\n"), "line 1", "'dx'")


@pytest.mark.parametrize(("row", "count"), [("b", 1), ("b,mel,x", 3)])
def test_a_row_of_another_length(write, row, count):
    refused(write(f"image,dx\na,nv\n{row}\n"), "line 3", f"{count} cells where the header has 2", "image, dx")


def test_not_utf8(write):
    refused(write(b"image,dx\na,nv\nb,n\xe9vus\n"), "line 3", "not UTF-8")
    refused(write("image,dx\na,nv\n".encode("utf-16")), "line 1", "not UTF-8")


def test_a_late_line_that_is_not_utf8_is_found(write):
    refused(
        write(b"image,dx\n" + b"".join(b"i%d,nv\n" % n for n in range(9000)) + b"z,\xff\n"), "line 9002", "not UTF-8"
    )


def test_quotes_that_do_not_close(write):
    refused(write('image,dx\na,"nv\nb,mel\n'), "line 2", "not CSV")


@pytest.mark.parametrize("empty", ["", " ", "NA", ".jpg"])
def test_an_empty_id(write, empty):
    refused(write(f"image,dx\na,nv\n{empty},mel\n"), "line 3", "column image", "missing")


@pytest.mark.parametrize("again", ["a", " a ", "a.jpg"])
def test_an_id_twice(write, again):
    refused(write(f"image,dx\na,nv\nb,nv\n{again},mel\n"), "line 4", "column image", "on line 2 already")


def test_the_header_alone(write):
    assert read_header(write("image;dx;age\n")) == ("image", "dx", "age")
    with pytest.raises(DataError, match="line 1: two columns"):
        read_header(write("a,a\n"))


cells = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), min_size=1, max_size=8).map(str.strip)


@settings(deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=8), st.sampled_from(",;\t"))
def test_what_csv_writes_is_read(tmp_path_factory, rows, delimiter):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([("first", "second"), *rows])
    path = tmp_path_factory.mktemp("law") / "table.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    table = read_table(path, ("first", "second"))
    expected = [tuple(None if cell.casefold() in MISSING else cell for cell in row) for row in rows]
    assert list(zip(table["first"], table["second"], strict=True)) == expected
