"""The contract of reports."""

import contextlib
import dataclasses
import itertools
import json
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lesionkit.errors import StorageError
from lesionkit.evaluation.evaluation import Evaluation
from lesionkit.testing.contract import Contract
from lesionkit.testing.inputs import HOSTILE_NAMES, bare_evaluation, full_evaluation

_WHOLE = "the file is complete or absent"
_TEXT = (".csv", ".html", ".json", ".md", ".tex", ".txt")


class _StoppedError(Exception):
    """What stops a report in the middle."""


def check_report(report: Callable[..., Path], suffix: str, **options: Any) -> None:
    """Holds a report to its contract, on generated evaluations: of one all is known, of another nothing but answers.

    Args:
        report: as ``reports.get`` returns it.
        suffix: of its file, such as ``".html"``.
        options: what it is called with besides the evaluation and the path.

    Raises:
        AssertionError: a promise is broken: it returns the Path of a file, and writes nothing else; an earlier file is
            replaced whole, and stays when it fails halfway; strange names do no harm, or are an error of lesionkit;
            a place that cannot be written is a StorageError; the evaluation stays as it is.
    """
    contract = Contract.of("reports", report)
    full, bare = full_evaluation(), bare_evaluation()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "folder", f"report{suffix}")
        with contract.keeps("it writes an evaluation of which nothing is known but answers, and makes the folder"):
            _check_written(contract, report(bare, str(path), **options), path)
        earlier, same = path.read_bytes(), path.with_name("same")
        os.link(path, same)  # a second name for the earlier file, which changes with it when it is written over
        whole, asked = _failing(full, after=None)
        with contract.keeps("it writes an evaluation of which all is known"):
            _check_written(contract, report(whole, path, **options), path)
        contract.holds(path.read_bytes() != earlier, "an earlier file is replaced", "the earlier one")
        promise = f"{_WHOLE}: the earlier one stays until the new one is there (lesionkit.files.whole_file)"
        contract.holds(same.read_bytes() == earlier, promise, "the earlier file was written over")
        same.unlink()
        kept = all(getattr(whole, item.name) is getattr(full, item.name) for item in dataclasses.fields(full))
        contract.holds(kept, "the evaluation stays as it is", "another attribute")
        steps = next(asked)
        for after in (0, steps // 2, steps - 1):
            _check_fails_whole(contract, report, _failing(whole, after)[0], path, options)
        strange = full_evaluation(HOSTILE_NAMES)
        nameless = dataclasses.replace(bare, source=("",) * len(bare), image_id=("",) * len(bare))
        for what, one in (("strange names", strange), ("images without files or ids", nameless)):
            path.unlink()
            with (
                warnings.catch_warnings(),
                contract.may_refuse(f"{what} do no harm, or are a LesionkitError") as refused,
            ):
                warnings.simplefilter("ignore")  # of fonts that lack a letter
                _check_written(contract, report(one, path, **options), path)
            contract.holds(not (refused and path.exists()), f"{_WHOLE}, where it is refused", refused)
            path.touch()
        promise = "a place that cannot be written is a StorageError"
        with contract.may_refuse(promise) as refused:
            report(full, path / f"below{suffix}", **options)
        contract.holds(refused and isinstance(refused[0], StorageError), promise, refused or "no error")


def _check_written(contract: Contract, returned: Any, path: Path) -> None:
    contract.holds(isinstance(returned, Path) and returned == path, "it returns the Path that it wrote", returned)
    contract.holds(path.is_file() and path.stat().st_size > 0, "the file is there, and not empty", path)
    if path.suffix not in _TEXT:
        return
    with contract.keeps("a text is in UTF-8, JSON without NaN"):
        text = path.read_bytes().decode()
        if path.suffix == ".json":
            json.loads(text, parse_constant=_refused)
    contract.holds(path.suffix != ".html" or HOSTILE_NAMES[0] not in text, "names are no markup", HOSTILE_NAMES[0])


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _check_fails_whole(
    contract: Contract, report: Callable[..., Path], failing: Evaluation, path: Path, options: dict[str, Any]
) -> None:
    """Holds that a failure leaves the folder as it was, with a file of before in it."""
    before = path.read_bytes()
    with contextlib.suppress(Exception):
        report(failing, path, **options)
        return
    promise = f"{_WHOLE}, when it fails halfway"
    left = path.read_bytes() if path.exists() else b"nothing"
    contract.holds(left == before, f"{promise}: the earlier one stays", left[:60])
    others = sorted(one.name for one in path.parent.iterdir() if one != path)
    contract.holds(not others, f"{promise}, and nothing else is left behind", others)


def _failing(evaluation: Evaluation, after: int | None) -> tuple[Evaluation, "itertools.count[int]"]:
    """Returns a copy that raises when one of its attributes is asked for once more than ``after`` times, and the count.

    What it has computed before it knows.
    """
    asked = itertools.count()

    class Failing(Evaluation):
        def __getattribute__(self, name: str) -> Any:
            if not name.startswith("__") and next(asked) == after:
                raise _StoppedError(f"stopped at {name}")
            return super().__getattribute__(name)

    copy = object.__new__(Failing)
    vars(copy).update(vars(evaluation))
    return copy, asked
