"""Records to a label patch: what the evidence says about copies and wrong labels among the training images."""

import collections
from collections.abc import Iterator, Sequence

import numpy as np

from lesionkit.auditing.patches import Change, relative_paths, text_names
from lesionkit.data import taxonomy
from lesionkit.data.copies import pictures_of
from lesionkit.data.identities import alike
from lesionkit.data.records import Records
from lesionkit.errors import OptionError
from lesionkit.options import checked_count
from lesionkit.text import as_text

#: What to do with one picture under several labels where nothing says which is right: leave all, drop all, or keep
#: the label of the class with the fewest training images.
POLICIES = ("keep", "drop_both", "prefer_rarer")


def suggest_patch(records: Records, *, policy: str = "keep", min_per_class: int = 10) -> tuple[Change, ...]:
    """Returns what could be done about the training images of ``records``; changes nothing.

    - A training image that is a copy of an image in another split: drop it, since that other one is scored.
    - One picture under several labels: where a joined diagnosis fits one label alone, drop the others; else ``policy``.
    - Equal files under one label: drop all but the first. Near copies are listed and kept, for a look.
    - A label that a joined diagnosis excludes: relabel, where exactly one class fits it; else listed and kept.

    Args:
        records: with ``picture_id`` and, where near copies count, ``copy_id``.
        policy: one of :data:`POLICIES`.
        min_per_class: least number of training images that the policy may leave a class.

    Raises:
        OptionError: an unknown policy, or one that would leave a class fewer; it tells what each policy leaves.

    Example:
        >>> found = lk.audit(records, only=["exact_duplicates"])
        >>> lk.suggest_patch(found.records, policy="prefer_rarer", min_per_class=5)  # these images have no copies
        ()
    """
    if policy not in POLICIES:
        raise OptionError(f"policy is one of {', '.join(POLICIES)}. Received: {policy!r}")
    checked_count(min_per_class, "min_per_class", least=0)
    suggested = {one: tuple(_Case(records, one).changes()) for one in POLICIES}
    left = {one: _left(records, changes) for one, changes in suggested.items()}
    short = {one: _short(counts, left["keep"], min_per_class) for one, counts in left.items()}
    if short[policy]:
        others = "; ".join(f"{one}: {few or 'enough of each'}" for one, few in short.items())
        raise OptionError(
            f"policy={policy!r} would leave fewer than {min_per_class} training images of a class ({short[policy]}). "
            f"Choose another policy or a lower min_per_class. What each leaves: {others}."
        )
    return suggested[policy]


class _Case:
    """The records with what is asked of them again and again: names, paths, meanings, sizes of the classes."""

    def __init__(self, records: Records, policy: str) -> None:
        self.records, self.policy = records, policy
        self.names, self.paths = text_names(records), relative_paths(records)
        self.training = np.isin(records.split, ("", "train"))
        self.meant = [taxonomy.of_class(name) for name in records.class_names]
        self.told = [taxonomy.of_diagnosis(value) for value in records.diagnosis]
        labelled = records.label[self.training & (records.label >= 0)]
        self.sizes = np.bincount(labelled, minlength=len(self.names))

    def changes(self) -> Iterator[Change]:
        settled = set()
        for rows in alike(pictures_of(self.records)):
            for row, action, evidence in self._about_copies(rows):
                settled.add(row)
                yield self._change(row, action, evidence)
        for row in np.flatnonzero(self.training & (self.records.label >= 0)).tolist():
            if row in settled or taxonomy.agree(self.meant[self.records.label[row]], self.told[row]):
                continue
            fitting = self._fitting(range(len(self.names)), row)
            classes = " or ".join(self.names[label] for label in fitting) or "no class of this set"
            evidence = f"{self._said(row)}, which is {classes}"
            if len(fitting) == 1:
                yield self._change(row, "relabel", evidence, self.names[fitting[0]])
            else:
                yield self._change(row, "keep", evidence)

    def _about_copies(self, rows: list[int]) -> Iterator[tuple[int, str, str]]:
        """Yields (row, action, evidence) for the training images of one picture."""
        label = self.records.label
        scored = [row for row in rows if not self.training[row]]
        own = [row for row in rows if self.training[row] and label[row] >= 0]
        if scored:
            for row in own:
                yield row, "drop", f"{self._like(row, scored[0])}, which is no training image"
            return
        right, why = self._right_labels(own)
        for place, row in enumerate(own):
            others = [one for one in own if label[one] != label[row]]
            twins = [one for one in own[:place] if label[one] == label[row]]
            equal = [one for one in twins if self._same_bytes(one, row)]
            if label[row] in right and (equal or (twins and not others)):
                evidence = f"{self._like(row, (equal or twins)[0])}, under the same label"
                yield row, "drop" if equal else "keep", evidence
            elif others:
                filed = self.names[label[others[0]]]
                evidence = f"{self._like(row, others[0])}, filed under {filed}; {why}"
                yield row, "keep" if label[row] in right else "drop", evidence

    def _right_labels(self, rows: list[int]) -> tuple[list[int], str]:
        """Returns the labels of one picture that may stay, and why."""
        labels = sorted({self.records.label[row] for row in rows})
        if len(labels) < 2:
            return labels, ""
        diagnosed = next((row for row in rows if self.told[row]), None)
        fitting = [] if diagnosed is None else self._fitting(labels, diagnosed)
        why = "nothing says which is right" if diagnosed is None else self._said(diagnosed)
        if len(fitting) == 1:
            return fitting, why
        rarest = min(labels, key=lambda one: (self.sizes[one], one))
        right = {"keep": labels, "drop_both": [], "prefer_rarer": [rarest]}[self.policy]
        return right, f"{why}, so policy {self.policy}"

    def _fitting(self, labels: Sequence[int], row: int) -> list[int]:
        return [label for label in labels if self.meant[label] & self.told[row]]

    def _said(self, row: int) -> str:
        how = f", confirmed by {self.records.confirmed_by[row]}" if self.records.confirmed_by[row] else ""
        return as_text(f"{self.records.diagnosis[row].replace(':', ' says ', 1)}{how}")

    def _like(self, row: int, other: int) -> str:
        return f"{'same bytes as' if self._same_bytes(row, other) else 'near copy of'} {self.paths[other]}"

    def _same_bytes(self, row: int, other: int) -> bool:
        pictures = self.records.picture_id
        return bool(pictures[row] is not None and pictures[row] == pictures[other])

    def _change(self, row: int, action: str, evidence: str, suggested: str = "") -> Change:
        now = self.names[self.records.label[row]]
        return Change(self.paths[row], as_text(self.records.image_id[row]), now, action, suggested, evidence)


def _left(records: Records, changes: Sequence[Change]) -> dict[str, int]:
    """Returns class name -> training images that a patch leaves."""
    names, training = text_names(records), np.isin(records.split, ("", "train"))
    left = collections.Counter(dict.fromkeys(names, 0))
    left.update(names[label] for label in records.label[training] if label >= 0)
    for change in changes:
        left[change.label_now] -= change.action != "keep"
        left[change.suggested_label] += change.action == "relabel"
    return {name: left[name] for name in names}


def _short(counts: dict[str, int], kept: dict[str, int], least: int) -> str:
    """Returns in words the classes that a policy leaves fewer images than ``least`` and than the policy ``keep``."""
    return ", ".join(f"{number} of {name}" for name, number in counts.items() if number < min(least, kept[name]))
