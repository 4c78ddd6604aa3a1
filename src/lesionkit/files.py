"""Files and folders written whole or not at all, text and JSON among them; schema versions; the cache folder."""

import contextlib
import errno
import itertools
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import platformdirs

from lesionkit.errors import BundleError, StorageError
from lesionkit.text import as_text

_SYSTEM_NAMES = {"thumbs.db", "desktop.ini", "__macosx"}


def is_hidden(name: str) -> bool:
    """Returns whether a file or folder of this name is hidden or the system's own, and so never an image."""
    return name.startswith(".") or name.casefold() in _SYSTEM_NAMES


def cache_folder() -> Path:
    """Returns the folder for what can be made again: ``LESIONKIT_CACHE``, or the system's place for it."""
    return Path(os.environ.get("LESIONKIT_CACHE") or platformdirs.user_cache_path("lesionkit"))


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a path beside ``path`` to write to; it takes the place of ``path`` once the block is left.

    The suffix is kept, since many writers choose a format by it. When the block raises, ``path`` is as it was.

    Raises:
        StorageError: the file cannot be written.
    """
    target = Path(path)
    with storing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix)
        os.close(handle)
        beside = Path(name)
        try:
            yield beside
            _open_to_readers(beside)
            _flush(beside)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Writes ``text`` as UTF-8 to ``path``, whole or not at all, and returns it.

    What UTF-8 cannot hold, as parts of file names, becomes a backslash escape.

    Raises:
        StorageError: the file cannot be written.
    """
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8", errors="backslashreplace")
    return Path(path)


def write_json(path: str | os.PathLike[str], content: Any) -> Path:
    """Writes ``content``, what JSON can hold, indented to ``path``, whole or not at all, and returns it.

    Raises:
        ValueError: a number in it is NaN or infinite, which JSON does not know.
        StorageError: the file cannot be written.
    """
    return write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


@contextlib.contextmanager
def whole_folder(path: str | os.PathLike[str], replaceable: Collection[str] = ()) -> Iterator[Path]:
    """Yields a new folder beside ``path`` to fill; it takes the place of ``path`` once the block is left.

    An existing ``path`` may be empty, or hold nothing but files named in ``replaceable``, such as ``"a.txt"``,
    ``"b/c.txt"`` or, for an empty folder, ``"d/"``; it stays untouched until the new folder is complete. When the block
    raises, ``path`` is as it was. A link is followed.

    Raises:
        StorageError: ``path`` holds other files or cannot be replaced, or the folder cannot be written.
    """
    target = Path(os.path.realpath(path))
    with storing(target):
        _refuse_fixed(target)
        _refuse_foreign(target, replaceable)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
        try:
            yield beside
            _refuse_foreign(target, replaceable)
            beside.chmod(0o777 & ~_umask())
            _put(beside, target)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def checked_version(version: int, known: int, what: str) -> None:
    """Refuses what a newer lesionkit wrote.

    Args:
        version: the schema version that was read.
        known: the newest that this lesionkit reads.
        what: what was read, to begin the error with.

    Raises:
        BundleError: ``version`` is above ``known``.
    """
    if version > known:
        raise BundleError(
            f"{what} has schema version {version}, this lesionkit reads up to {known}. Upgrade lesionkit to read it."
        )


def foreign_files(folder: Path, replaceable: Collection[str], within: str = "") -> Iterator[str]:
    """Yields what is in a folder and not named in ``replaceable``; of other folders no more than their names."""
    for entry in sorted(folder.iterdir()):
        name = within + entry.name
        if entry.is_dir() and not entry.is_symlink() and any(one.startswith(f"{name}/") for one in replaceable):
            yield from foreign_files(entry, replaceable, f"{name}/")
        elif entry.is_dir() or name not in replaceable:
            yield name


@contextlib.contextmanager
def storing(target: Path) -> Iterator[None]:
    """Turns the operating system's refusals while ``target`` is written into a :class:`StorageError`."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "The disk is full: free some space or choose another place."
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            remedy = "It is not writable: choose another place or change its permissions."
        elif error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
            remedy = "Something of another kind has that name: choose another place."
        elif error.errno == errno.ENAMETOOLONG:
            remedy = "Choose a shorter name."
        else:
            raise
        named = error.filename if isinstance(error.filename, str) else ""
        where = f": {as_text(named)}" if named and Path(named).parent != target.parent else ""
        raise StorageError(f"Cannot write {as_text(target)} ({error.strerror}{where}). {remedy}") from error


def _put(beside: Path, target: Path) -> None:
    """Renames ``beside`` to ``target``; what stood there goes, or comes back when that fails."""
    with tempfile.TemporaryDirectory(
        dir=target.parent, prefix=f".{target.name}-earlier-", ignore_cleanup_errors=True
    ) as aside:
        earlier = Path(aside) / "earlier"
        with contextlib.suppress(FileNotFoundError):
            target.replace(earlier)
        try:
            beside.replace(target)
        except OSError as error:
            with contextlib.suppress(OSError):
                earlier.replace(target)
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise StorageError(
                    f"{as_text(target)} was written by another process meanwhile, whose files stay. Choose another "
                    "folder for each."
                ) from error
            raise


def _refuse_fixed(target: Path) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if target.samefile(".") or target.is_mount():
            raise StorageError(
                f"{as_text(target)} is the working folder or a mount point, which cannot be replaced as a whole. "
                "Choose a folder in it."
            )


def _refuse_foreign(target: Path, replaceable: Collection[str]) -> None:
    foreign: list[str] = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # another process may be replacing it
        if not stat.S_ISDIR(target.stat().st_mode):
            raise StorageError(f"{as_text(target)} is a file where a folder is to be written. Choose another place.")
        foreign = list(itertools.islice(foreign_files(target, replaceable), 4))
    if foreign:
        shown = ", ".join(as_text(name) for name in foreign[:3]) + (", ..." if len(foreign) > 3 else "")
        raise StorageError(
            f"{as_text(target)} holds files that no earlier run wrote ({shown}), and a run replaces the whole "
            "folder. Choose another folder, or move them away."
        )


def _open_to_readers(path: Path) -> None:
    """Gives a temporary file, made for its owner alone, the permissions of an ordinary new one."""
    path.chmod(0o666 & ~_umask())


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
