"""The contracts of datasets and checks."""

import contextlib
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self
from unittest import mock

import numpy as np

from lesionkit.checks import Findings
from lesionkit.data.copies import identified
from lesionkit.data.records import Records
from lesionkit.data.survey import Survey, survey
from lesionkit.errors import DataError
from lesionkit.testing.contract import Contract
from lesionkit.testing.inputs import images


def check_dataset(dataset: Callable[..., Records], *arguments: Any, **options: Any) -> None:
    """Holds a dataset to its contract, on a small sample of what it reads.

    The sample is copied first and stays as it is. A dataset may write what is missing, as ``synthetic_lesions`` does.

    Args:
        dataset: as ``datasets.get`` returns it.
        arguments: what it is called with; at least one is the path of the sample's folder or table.
        options: the same, by name; a path that is one word, such as ``Path("train")``, as a :class:`pathlib.Path`.

    Raises:
        AssertionError: a promise is broken: Records of files that are there; the same rows at every call and in any
            order in which the file system lists; no pixel read, so that empty image files do; nothing on disk changed;
            an error that names the path where it is missing or something else.
    """
    contract = Contract.of("datasets", dataset)
    with tempfile.TemporaryDirectory() as folder:
        numbers = itertools.count()

        def copy(path: Any) -> Any:
            there = Path(folder, str(next(numbers)), Path(path).name)
            (shutil.copytree if Path(path).is_dir() else _copy_file)(path, there)
            return type(path)(there)

        where, named = _replaced((list(arguments), options), copy)

        def read(*given: Any, **more: Any) -> Records:
            return dataset(*(given or where), **{**named, **more})

        with contract.keeps("a small sample is read"):
            found = read()
        _check_records(contract, found)
        before = _contents(Path(folder))
        for reverse in (False, True):
            with _listed(reverse=reverse):
                again = _rows(read())
            promise = "rows and classes are the same at every call, in whatever order the file system lists"
            contract.holds(again == _rows(found), promise, f"{again['source'][:3]} after {list(found.source[:3])}")
        contract.holds(_contents(Path(folder)) == before, "files that are there stay as they are", "changed files")
        for source in found.source:
            if Path(source).resolve().is_relative_to(Path(folder).resolve()) and "::" not in source:
                Path(source).write_bytes(b"")  # of the copy alone: a table may name files elsewhere
        with contract.keeps("names and tables are read, never pixels: empty image files do"):
            contract.holds(_rows(read()) == _rows(found), "nothing comes of the pixels", "other rows for empty images")
        missing, other = Path(folder, "not there"), Path(folder, "something else")
        first = _first_path((where, named))
        if first is not None:
            other.write_bytes(b"\0") if Path(first).is_dir() else other.mkdir()
            for path, promise in (
                (missing, "a path that is missing is a DataError that names it"),
                (other, "a file in place of a folder, or a folder of a file, is an error that names it"),
            ):

                def put(old: Any, path: Path = path) -> Any:
                    return type(old)(path) if old is first else old

                given, more = _replaced((where, named), put)
                with contract.may_refuse(promise) as refused:
                    written = read(*given, **more)
                if refused:
                    right = path.name in str(refused[0]) and (path is other or isinstance(refused[0], DataError))
                    contract.holds(right, promise, repr(refused[0]))
                else:  # it writes what is missing
                    _check_records(contract, written)


def check_check(check: Callable[..., Findings], records: Records | None = None, **options: Any) -> None:
    """Holds a check to its contract, on generated images with some faults, without labels, on one image and on none.

    Args:
        check: as ``checks.get`` returns it.
        records: images in which it has to find something.
        options: what it is called with besides the records and the survey.

    Raises:
        AssertionError: a promise is broken: Findings with a summary in words, also when there is nothing to check; each
            finding has a kind and a message and names files of the records or none; details and figures are what JSON
            can hold; the same answer at every call; records, survey and files stay as they are.
    """
    contract = Contract.of("checks", check)
    with tempfile.TemporaryDirectory() as folder:
        faulty = _faulty(Path(folder))
        surveyed = survey(faulty)
        known = identified(faulty, surveyed)
        whole = np.arange(len(known))
        unlabelled = Records(**{**_fields(known), "label": np.full(len(known), -1)})
        cases = [(known[rows], surveyed[rows]) for rows in (whole, whole[:1], whole[:0])] + [(unlabelled, surveyed)]
        before = _contents(Path(folder))
        for one, looks in cases:
            _check_findings(contract, check, one, looks, options)
        contract.holds(_contents(Path(folder)) == before, "nothing on disk is changed", "changed files")
    if records is not None:
        looks = survey(records)
        found = _check_findings(contract, check, identified(records, looks), looks, options)
        contract.holds(len(found), "something is found in the records that were given for it", found.summary)


def _check_records(contract: Contract, records: Any) -> None:
    contract.holds(isinstance(records, Records), "it returns Records", type(records))
    contract.holds(len(records), "a sample has images", "no rows")
    missing = [one for one in records.source if not Path(str(one).partition("::")[0]).is_file()]
    contract.holds(not missing, "every source is an image file that is there, or container::key", missing[:3])
    for column in ("source", "image_id"):
        strange = [value for value in getattr(records, column) if not isinstance(value, str) or not value]
        contract.holds(not strange, f"{column} holds texts", strange[:3])


def _check_findings(
    contract: Contract, check: Callable[..., Findings], records: Records, surveyed: Survey, options: dict[str, Any]
) -> Findings:
    before, thumbnails = _rows(records), surveyed.thumbnails.copy()
    with contract.keeps(f"it is called with records and their survey, here of {len(records)} images"):
        found, again = (check(records, surveyed, **options) for _ in range(2))
    contract.holds(isinstance(found, Findings), "it returns Findings", type(found))
    contract.holds(found == again, "the same records give the same findings", f"{again} after {found}")
    same = _rows(records) == before and np.array_equal(surveyed.thumbnails, thumbnails)
    contract.holds(same, "records and survey stay as they are", "changed columns")
    contract.holds(found.check and found.summary.strip(), "check and summary are texts, whatever is found", found)
    contract.is_json([found.summary, dict(found.figures)], "summary and figures are what JSON can hold")
    for one in found.found:
        contract.holds(re.fullmatch(r"[a-z][a-z0-9_]*", one.kind), "a finding's kind is in snake_case", one.kind)
        contract.holds(one.message.strip(), "a finding has a message", one)
        contract.is_json([one.message, dict(one.details)], "message and details are what JSON can hold")
        strange = set(one.sources) - set(records.source)
        contract.holds(not strange, "a finding names files of the records", strange)
    return found


def _faulty(folder: Path) -> Records:
    """Returns images two of which have equal bytes under two labels, and one that cannot be read."""
    both = Records.concatenate([images(folder, 4, split="train"), images(folder, 2, split="test", seed=1)])
    shutil.copy(both.source[0], both.source[-1])
    Path(both.source[1]).write_bytes(b"not an image")
    lesions = [None if row % 3 == 0 else f"lesion {row // 2}" for row in range(len(both))]
    return both.join({"image_id": list(both.image_id), "lesion_id": lesions})


def _fields(records: Records) -> dict[str, Any]:
    return {"class_names": records.class_names, "name": records.name, **records.columns()}


def _rows(records: Records) -> dict[str, Any]:
    columns = {name: list(values) for name, values in records.columns().items()}
    return {"class_names": records.class_names, "skipped": records.skipped, **columns}


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _copy_file(path: Any, there: Path) -> None:
    there.parent.mkdir(parents=True)
    shutil.copy(path, there)


def _is_path(value: Any) -> bool:
    return isinstance(value, str | os.PathLike) and bool(os.fspath(value)) and Path(value).exists()


def _replaced(value: Any, change: Callable[[Any], Any], *, words: bool = True) -> Any:
    """Returns ``value`` with each path of something that exists in it changed; a word by name is no path: "train"."""
    if isinstance(value, list | tuple):
        return type(value)([_replaced(item, change, words=words) for item in value])
    if isinstance(value, dict):
        return {key: _replaced(item, change, words=False) for key, item in value.items()}
    word = isinstance(value, str) and value.isidentifier()
    return change(value) if _is_path(value) and (words or not word) else value


def _first_path(value: Any) -> Any:
    """Returns the first path of something that exists in ``value``; None where there is none."""
    found: list[Any] = []

    def keep(path: Any) -> Any:
        found.append(path)
        return path

    _replaced(value, keep)
    return found[0] if found else None


@contextlib.contextmanager
def _listed(*, reverse: bool) -> Iterator[None]:
    """Has Python list folders in the order of the names, or the other way round."""
    scan, names, glob, rglob = os.scandir, os.listdir, Path.glob, Path.rglob

    def scandir(path: Any = ".") -> "_Entries":
        with scan(path) as entries:
            return _Entries(sorted(entries, key=lambda entry: entry.name, reverse=reverse))

    def listdir(path: Any = ".") -> list[Any]:
        return sorted(names(path), reverse=reverse)

    def globbed(method: Any) -> Any:  # Python 3.13 took hold of os.scandir for it when it began
        return lambda *given, **more: iter(sorted(method(*given, **more), reverse=reverse))

    with (
        mock.patch("os.scandir", scandir),
        mock.patch("os.listdir", listdir),
        mock.patch.object(Path, "glob", globbed(glob)),
        mock.patch.object(Path, "rglob", globbed(rglob)),
    ):
        yield


class _Entries:
    """What ``os.scandir`` returns, of entries in a list."""

    def __init__(self, entries: list[Any]) -> None:
        self._entries = iter(entries)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return next(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def close(self) -> None:
        """Does nothing."""
