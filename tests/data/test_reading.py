"""Files as read: bytes and their SHA-256, or why there are none; in order, a little ahead of need."""

import hashlib
import threading

import pytest

from lesionkit.data.reading import AHEAD, read, read_ahead


def test_a_file_is_its_bytes_and_their_digest(tmp_path):
    path = tmp_path / "mole.jpg"
    path.write_bytes(b"bytes")
    assert read(str(path)) == (hashlib.sha256(b"bytes").hexdigest(), b"bytes", None)


@pytest.mark.parametrize(
    ("name", "reason"), [("none.jpg", "no such file"), ("empty.jpg", "0 bytes"), (".", "a folder")]
)
def test_what_cannot_be_read_says_why(tmp_path, name, reason):
    (tmp_path / "empty.jpg").touch()
    picture_id, data, error = read(str(tmp_path / name))
    assert (picture_id, data) == ("", b"")
    assert reason in str(error)


def test_sources_come_in_order_and_no_more_are_begun_than_ahead():
    begun, lock = [], threading.Lock()

    def note(source):
        with lock:
            begun.append(source)
        return source

    sources = range(10 * AHEAD)
    made = read_ahead(note, sources)
    for number in range(5):
        assert next(made) == number
        assert len(begun) <= AHEAD + number + 1
    assert list(made) == list(sources)[5:]
