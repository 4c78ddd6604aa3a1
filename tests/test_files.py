"""Files and folders that are whole or not there, whatever happens while they are written."""

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lesionkit.errors import BundleError, StorageError
from lesionkit.files import cache_folder, checked_version, whole_file, whole_folder, write_json, write_text

RUN = ("model.keras", "card.json")


class InterruptedRunError(Exception):
    """What a block raises."""


def fill(folder, content):
    for name in RUN:
        (folder / name).write_text(content)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture
def disk(tmp_path):
    """A function that mounts a disk of 64 kB, where that is permitted, and returns its folder."""
    with contextlib.ExitStack() as stack:

        def mounted(options=""):
            place = tmp_path / "disk"
            place.mkdir()
            mount, umount = shutil.which("mount"), shutil.which("umount")
            if not mount or not umount or os.geteuid() != 0:
                pytest.skip("only root can mount a small disk")
            asked = [mount, "-t", "tmpfs", "-o", f"size=64k{options}", "tmpfs", str(place)]
            done = subprocess.run(asked, capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
            stack.callback(subprocess.run, [umount, str(place)], check=True)
            return place

        yield mounted


def test_the_cache_folder_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("LESIONKIT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("LESIONKIT_CACHE", "")
    assert cache_folder().name == "lesionkit"


def test_a_file_appears_when_the_block_is_left(tmp_path):
    path = tmp_path / "new" / "report.json"
    with whole_file(path) as beside:
        beside.write_text("all of it")
        assert not path.exists()
        assert beside.suffix == ".json"
    assert path.read_text() == "all of it"
    assert names(path.parent) == ["report.json"]


def test_a_file_is_replaced_only_when_complete(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("earlier")
    with whole_file(path) as beside:
        beside.write_text("all of it")
        assert path.read_text() == "earlier"
    assert path.read_text() == "all of it"
    assert names(tmp_path) == ["report.json"]


@pytest.mark.parametrize("error", [InterruptedRunError, KeyboardInterrupt, FileNotFoundError])
@pytest.mark.parametrize("earlier", [None, "earlier"])
def test_a_file_is_as_it_was_when_the_block_raises(tmp_path, earlier, error):
    path = tmp_path / "report.json"
    if earlier:
        path.write_text(earlier)
    with pytest.raises(error), whole_file(path) as beside:
        beside.write_text("half")
        raise error
    assert content(tmp_path) == ({"report.json": earlier} if earlier else {})


def test_a_new_file_has_ordinary_permissions(tmp_path):
    with whole_file(tmp_path / "ours") as beside:
        beside.touch()
    (tmp_path / "ordinary").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_a_file_name_need_not_be_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.json")
    with whole_file(path) as beside:
        beside.write_text("x")
    assert names(tmp_path) == [os.fsdecode(b"caf\xe9.json")]


def test_a_folder_appears_when_the_block_is_left(tmp_path):
    path = tmp_path / "runs" / "baseline"
    with whole_folder(path) as beside:
        fill(beside, "new")
        assert not path.exists()
    assert content(path) == dict.fromkeys(RUN, "new")
    assert names(path.parent) == ["baseline"]


def test_an_earlier_run_is_replaced_only_when_the_new_one_is_complete(tmp_path):
    path = tmp_path / "baseline"
    path.mkdir()
    fill(path, "earlier")
    with whole_folder(path, RUN) as beside:
        (beside / "card.json").write_text("new")
        assert content(path) == dict.fromkeys(RUN, "earlier")
    assert content(path) == {"card.json": "new"}
    assert names(tmp_path) == ["baseline"]


def test_an_empty_folder_is_replaced(tmp_path):
    path = tmp_path / "baseline"
    path.mkdir()
    with whole_folder(path) as beside:
        fill(beside, "new")
    assert content(path) == dict.fromkeys(RUN, "new")
    assert names(tmp_path) == ["baseline"]


@pytest.mark.parametrize("error", [InterruptedRunError, KeyboardInterrupt, FileNotFoundError])
@pytest.mark.parametrize("earlier", [False, True])
def test_a_folder_is_as_it_was_when_the_block_raises(tmp_path, earlier, error):
    path = tmp_path / "baseline"
    if earlier:
        path.mkdir()
        fill(path, "earlier")
    with pytest.raises(error), whole_folder(path, RUN) as beside:
        fill(beside, "half")
        raise error
    assert names(tmp_path) == (["baseline"] if earlier else [])
    assert not earlier or content(path) == dict.fromkeys(RUN, "earlier")


def test_an_earlier_run_comes_back_when_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    path, rename = tmp_path / "baseline", Path.replace
    path.mkdir()
    fill(path, "earlier")

    def failing(self, target):
        if target == path and (self / "new").exists():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), whole_folder(path, RUN) as beside:
        (beside / "new").touch()
    assert content(path) == dict.fromkeys(RUN, "earlier")
    assert names(tmp_path) == ["baseline"]


@pytest.mark.parametrize("earlier", [False, True])
def test_what_a_faster_process_wrote_stays(tmp_path, monkeypatch, earlier):
    path, rename = tmp_path / "baseline", Path.replace
    if earlier:
        path.mkdir()
        fill(path, "earlier")

    def late(self, target):
        if target == path and not path.exists():
            path.mkdir()
            fill(path, "theirs")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", late)
    told = "baseline was written by another process meanwhile"
    with pytest.raises(StorageError, match=told), whole_folder(path, RUN) as beside:
        fill(beside, "ours")
    assert content(path) == dict.fromkeys(RUN, "theirs")
    assert names(tmp_path) == ["baseline"]


def test_files_that_no_run_wrote_are_named_and_left(tmp_path):
    path = tmp_path / "photos"
    path.mkdir()
    fill(path, "earlier")
    for name in ("holiday\n.jpg", "b", "c", "d"):
        (path / name).touch()
    told = r"photos holds files that no earlier run wrote \(b, c, d, \.\.\.\)"
    with pytest.raises(StorageError, match=told), whole_folder(path, RUN):
        pytest.fail("the block is not entered")
    assert len(names(path)) == 6
    assert names(tmp_path) == ["photos"]


def test_files_that_come_while_the_block_runs_are_left(tmp_path):
    path = tmp_path / "baseline"
    with pytest.raises(StorageError, match=r"\(mine\.txt\)"), whole_folder(path, RUN) as beside:
        fill(beside, "new")
        path.mkdir()
        (path / "mine.txt").write_text("mine")
    assert content(path) == {"mine.txt": "mine"}
    assert names(tmp_path) == ["baseline"]


def test_a_folder_with_a_files_name_is_no_earlier_run(tmp_path):
    inner = tmp_path / "baseline" / "model.keras"
    inner.mkdir(parents=True)
    (inner / "mine.txt").touch()
    with pytest.raises(StorageError, match=r"\(model\.keras\)"), whole_folder(tmp_path / "baseline", RUN):
        pytest.fail("the block is not entered")
    assert (inner / "mine.txt").exists()


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    place, link = tmp_path / "big disk" / "runs", tmp_path / "runs"
    place.mkdir(parents=True)
    fill(place, "earlier")
    link.symlink_to(place)
    with whole_folder(link, RUN) as beside:
        fill(beside, "new")
    assert link.is_symlink()
    assert content(place) == dict.fromkeys(RUN, "new")
    assert names(tmp_path) == ["big disk", "runs"]


@pytest.mark.parametrize("absolute", [False, True])
def test_the_working_folder_is_not_replaced(tmp_path, monkeypatch, absolute):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match="is the working folder"), whole_folder(tmp_path if absolute else "."):
        pytest.fail("the block is not entered")


def test_a_relative_path_is_one_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with whole_folder("runs/baseline") as beside:
        fill(beside, "new")
    with whole_file("report.json") as beside:
        beside.write_text("x")
    assert names(tmp_path) == ["report.json", "runs"]


def writers(path):
    return [whole_file(path), whole_folder(path)]


def test_a_file_in_the_way_of_a_folder_is_left(tmp_path):
    path = tmp_path / "baseline"
    path.write_text("mine")
    with pytest.raises(StorageError, match="baseline is a file where a folder is to be written"), whole_folder(path):
        pytest.fail("the block is not entered")
    assert path.read_text() == "mine"


def test_a_folder_in_the_way_of_a_file_is_left(tmp_path):
    path = tmp_path / "report.json"
    path.mkdir()
    with pytest.raises(StorageError, match=r"report.json.*Something of another kind"), whole_file(path) as beside:
        beside.write_text("x")
    assert names(tmp_path) == ["report.json"]
    assert path.is_dir()


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("depth", ["baseline", "runs/baseline"])
def test_nothing_can_be_written_under_a_file(tmp_path, kind, depth):
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / depth
    with pytest.raises(StorageError, match=r"Cannot write .*baseline.*choose another place"), writers(path)[kind]:
        pytest.fail("the block is not entered")
    assert content(tmp_path) == {"file": "mine"}


@pytest.mark.parametrize("kind", [0, 1])
def test_a_name_that_is_too_long_is_told(tmp_path, kind):
    with pytest.raises(StorageError, match="Choose a shorter name"), writers(tmp_path / ("x" * 300))[kind]:
        pytest.fail("the block is not entered")


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_without_permission_is_told(tmp_path, kind):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="not writable"), writers(tmp_path / "baseline")[kind]:
        pytest.fail("the block is not entered")


@pytest.mark.parametrize("kind", [0, 1])
def test_a_read_only_disk_is_told(disk, kind):
    place = disk(",ro")
    with pytest.raises(StorageError, match=r"baseline.*not writable"), writers(place / "baseline")[kind]:
        pytest.fail("the block is not entered")


@pytest.mark.parametrize("earlier", [None, "earlier"])
def test_a_full_disk_leaves_a_file_as_it_was(disk, earlier):
    path = disk() / "report.json"
    if earlier:
        path.write_text(earlier)
    with pytest.raises(StorageError, match=r"report.json.*The disk is full"), whole_file(path) as beside:
        beside.write_bytes(bytes(1_000_000))
    assert content(path.parent) == ({"report.json": earlier} if earlier else {})


@pytest.mark.parametrize("earlier", [None, "earlier"])
def test_a_full_disk_leaves_a_folder_as_it_was(disk, earlier):
    path = disk() / "baseline"
    if earlier:
        path.mkdir()
        fill(path, earlier)
    with pytest.raises(StorageError, match="The disk is full"), whole_folder(path, RUN) as beside:
        (beside / "card.json").write_text("new")
        (beside / "model.keras").write_bytes(bytes(1_000_000))
    assert names(path.parent) == (["baseline"] if earlier else [])
    assert not earlier or content(path) == dict.fromkeys(RUN, earlier)


def test_a_disk_as_a_whole_is_not_replaced(disk):
    with pytest.raises(StorageError, match="mount point"), whole_folder(disk()):
        pytest.fail("the block is not entered")


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize(
    ("code", "told"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "disk is full"),
        (errno.EACCES, "not writable"),
        (errno.EROFS, "not writable"),
    ],
)
def test_what_the_system_refuses_is_told_with_the_name(tmp_path, kind, code, told):
    path = tmp_path / "baseline"
    with pytest.raises(StorageError, match=f"{path}.*{told}"), writers(path)[kind]:
        raise OSError(code, os.strerror(code))
    assert names(tmp_path) == []


def test_another_file_that_is_refused_is_named(tmp_path):
    told = r"\(Permission denied: /elsewhere/weights\.h5\)"
    with pytest.raises(StorageError, match=told), whole_folder(tmp_path / "baseline"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/elsewhere/weights.h5")


WRITER = """
import sys, time
from pathlib import Path
from lesionkit.errors import StorageError
from lesionkit.files import whole_folder

path, token, start, rounds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
names = [f"{number}.txt" for number in range(5)]
written = 0
time.sleep(max(0, start - time.time()))
for number in range(rounds):
    try:
        with whole_folder(path, names) as beside:
            for name in names:
                (beside / name).write_text(f"{token} {number}")
        written += 1
    except StorageError as error:
        assert "another process" in str(error), error
print(written)
"""


@pytest.mark.parametrize("rounds", [1, 200])
def test_two_processes_at_once_leave_one_whole_run(tmp_path, rounds):
    path, start = tmp_path / "baseline", str(time.time() + 1)
    writing = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), token, start, str(rounds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for token in ("one", "two")
    ]
    results = [process.communicate(timeout=60) for process in writing]
    assert [error for _, error in results] == ["", ""]
    assert sum(int(written) for written, _ in results) >= rounds
    left = content(path)
    assert sorted(left) == [f"{number}.txt" for number in range(5)]
    assert len(set(left.values())) == 1
    assert names(tmp_path) == ["baseline"]


def test_text_is_written_as_utf8_with_what_it_cannot_hold_escaped(tmp_path):
    path = write_text(tmp_path / "new" / "a.md", "café \udce9\n")
    assert path.read_bytes() == "café \\udce9\n".encode()


def test_json_is_strict_and_leaves_the_earlier_file(tmp_path):
    path = write_json(tmp_path / "a.json", {"score": 0.5})
    assert path.read_text(encoding="utf-8") == '{\n  "score": 0.5\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"score": float("nan")})
    assert json.loads(path.read_text(encoding="utf-8")) == {"score": 0.5}


def test_only_a_newer_schema_is_refused():
    checked_version(1, 2, "The card")
    checked_version(2, 2, "The card")
    with pytest.raises(BundleError, match=r"^The card has schema version 3, this lesionkit reads up to 2\. Upgrade"):
        checked_version(3, 2, "The card")
