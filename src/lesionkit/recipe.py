"""What was asked for, as plain data: parts by name and option, and the documented baseline made of them."""

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

from lesionkit.errors import BundleError, OptionError
from lesionkit.files import checked_version
from lesionkit.options import checked_image_size, checked_seed, checked_share
from lesionkit.text import as_text

SCHEMA_VERSION = 1


@dataclass(frozen=True, init=False)
class Part:
    """A member of a plugin family by name, with the options that it is called with.

    Options are what JSON can hold (None, booleans, numbers, text, lists and mappings of these), so that a part
    survives being written down; lists become tuples.

    Example:
        >>> lk.Part("pooled", dropout=0.3, hidden=[256])
        Part('pooled', dropout=0.3, hidden=(256,))
    """

    name: str
    options: Mapping[str, Any]

    def __init__(self, name: str, /, **options: Any) -> None:
        """Makes the part.

        Raises:
            OptionError: an option's value is not something that JSON can hold.
        """
        if not isinstance(name, str) or not name:
            raise OptionError(f"A part's name is a text such as 'resnet50'. Received: {name!r}")
        object.__setattr__(self, "name", name)
        plain = {key: _plain(value, f"{name}: option {key!r}") for key, value in options.items()}
        object.__setattr__(self, "options", MappingProxyType(plain))

    @classmethod
    def of(cls, part: "str | Part | Mapping[str, Any] | Callable[..., Any]") -> Self:
        """Returns ``part`` as a Part: a name stands for itself without options, a function for its own name.

        A mapping is one that :meth:`to_dict` returned, as a recipe's JSON holds a part; ``"options"`` may be left out.

        Raises:
            OptionError: it is none of these.
        """
        if isinstance(part, cls):
            return part
        if isinstance(part, str):
            return cls(part)
        if callable(part):
            return cls(f"{part.__module__}.{getattr(part, '__qualname__', type(part).__qualname__)}")
        if isinstance(part, Mapping) and "name" in part and set(part) <= {"name", "options"}:
            options = part.get("options", {})
            if isinstance(options, Mapping):
                return cls(part["name"], **options)
        raise OptionError(
            'A part is a registered name such as "unit_range", a Part, {"name": ..., "options": {...}} or a function. '
            f"Received: {part!r}"
        )

    def with_options(self, /, **options: Any) -> "Part":
        """Returns this part with ``options`` added or changed."""
        return Part(self.name, **{**self.options, **options})

    def to_dict(self) -> dict[str, Any]:
        """Returns ``{"name": ..., "options": {...}}``."""
        return {"name": self.name, "options": dict(self.options)}

    def __hash__(self) -> int:
        return hash((self.name, frozenset(self.options)))  # no values: 1, 1.0 and True are equal

    def __reduce__(self) -> Any:
        return _part_from_dict, (self.to_dict(),)

    def __repr__(self) -> str:
        options = "".join(f", {key}={value!r}" for key, value in self.options.items())
        return f"Part({self.name!r}{options})"


@dataclass(frozen=True)
class Recipe:
    """All that a run is made of: the parts by name, the image size, the share held out, the seed.

    Attributes:
        preprocessor: how RGB in [0, 255] becomes what the backbone reads.
        backbone: the network without its top; the option ``weights`` is ``"imagenet"``, a file or None.
        head: the layers from the feature map to the probabilities.
        image_size: (height, width) in pixels.
        trainer: how the model is fitted.
        augmenter: random changes of the training images, or None.
        validation: share of the training images held out while training, in [0, 1).
        seed: of every random choice: the split, the initial weights, the order of the images, dropout.

    Example:
        >>> recipe = lk.Recipe(backbone=lk.Part("efficientnet_lite0"), trainer=lk.Part("Frozen", epochs=5), seed=1)
        >>> lk.Recipe.from_json(recipe.to_json()) == recipe
        True
    """

    preprocessor: Part = field(default_factory=lambda: Part("unit_range"))
    backbone: Part = field(default_factory=lambda: Part("resnet50", weights="imagenet"))
    head: Part = field(default_factory=lambda: Part("pooled"))
    image_size: tuple[int, int] = (128, 128)
    trainer: Part = field(default_factory=lambda: Part("Frozen"))
    augmenter: Part | None = None
    validation: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("preprocessor", "backbone", "head", "trainer"):
            object.__setattr__(self, name, Part.of(getattr(self, name)))
        if self.augmenter is not None:
            object.__setattr__(self, "augmenter", Part.of(self.augmenter))
        object.__setattr__(self, "image_size", checked_image_size(self.image_size))
        checked_share(self.validation, "validation")
        checked_seed(self.seed)

    def to_json(self) -> str:
        """Returns the recipe as JSON text, with a schema version."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
        return text.encode("utf-8", "backslashreplace").decode("utf-8")  # file names need not be UTF-8

    def to_dict(self) -> dict[str, Any]:
        """Returns the recipe as what JSON can hold, with a schema version."""
        return {"schema_version": SCHEMA_VERSION} | {
            item.name: value.to_dict() if isinstance(value, Part) else value for item, value in _fields(self)
        }

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what :meth:`to_json` wrote.

        Raises:
            BundleError: the text is not a recipe, or a newer lesionkit wrote it.
        """
        try:
            return cls.from_dict(json.loads(text))
        except json.JSONDecodeError as error:
            raise BundleError(f"Not a recipe: {error}") from error

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Reads what :meth:`to_dict` returned; see :meth:`from_json`."""
        if not isinstance(data, Mapping) or not isinstance(data.get("schema_version"), int):
            raise BundleError("Not a recipe: a mapping with a whole-number schema_version is expected.")
        checked_version(data["schema_version"], SCHEMA_VERSION, "The recipe")
        known = {item.name for item in dataclasses.fields(cls)}
        unknown = sorted(data.keys() - known - {"schema_version"})
        if unknown:
            raise BundleError(f"Not a recipe: unknown entries {', '.join(unknown)}. Known: {', '.join(sorted(known))}.")
        parts = ("preprocessor", "backbone", "head", "trainer", "augmenter")
        try:
            values: dict[str, Any] = {
                key: _part_from_dict(value) if key in parts and value is not None else value
                for key, value in data.items()
                if key != "schema_version"
            }
            return cls(**values)
        except (KeyError, TypeError, OptionError) as error:
            raise BundleError(f"Not a recipe: {error}") from error


def documented_baseline() -> Recipe:
    """Returns the documented baseline: 128 x 128 pixels in 0..1, frozen ImageNet ResNet50, Adam, 10 epochs.

    What its authors left out is our choice; :data:`OUR_CHOICES` names it.

    Example:
        >>> lk.documented_baseline().backbone
        Part('resnet50', weights='imagenet')
    """
    return Recipe(
        preprocessor=Part("unit_range"),
        backbone=Part("resnet50", weights="imagenet"),
        head=Part("pooled", hidden=(256,), dropout=0.0, pooling="avg"),
        image_size=(128, 128),
        trainer=Part("Frozen", epochs=10, learning_rate=1e-3, batch_size=32),
        validation=0.2,
        seed=0,
    )


def following(then: str | Part | Mapping[str, Any]) -> Part:
    """Returns the preprocessor that a part's option ``then`` names.

    Raises:
        OptionError: it is nothing that :meth:`Part.of` takes; the text names the option.
    """
    if isinstance(then, str | Part | Mapping) and then:
        try:
            return Part.of(then)
        except OptionError as error:
            raise OptionError(f"then: {error}") from None
    raise OptionError(f'then is a preprocessor, such as "unit_range". Received: {then!r}')


def watches(recipe: Recipe) -> bool:
    """Returns whether training depends on the images that it watches."""
    options = recipe.trainer.options
    phases = [options, options.get("first") or {}]
    return recipe.trainer.name not in ("Frozen", "FineTune") or any(one.get("patience") for one in phases)


#: What the documented baseline reached on its test set, and the size of its two sets of images.
DOCUMENTED = MappingProxyType({"accuracy": 0.4661, "loss": 2.8345, "n_train": 2239, "n_test": 118})

#: The entries of the documented recipe that its authors did not state.
OUR_CHOICES = ("head", "trainer.learning_rate", "trainer.batch_size", "validation", "seed")


def differences(recipe: Recipe) -> list[str]:
    """Returns, in words, each entry in which ``recipe`` differs from the documented baseline."""
    ours, documented = flat(recipe), flat(documented_baseline())
    found = []
    for key in sorted(ours.keys() | documented.keys()):
        got, stated = ours.get(key, "left out"), documented.get(key, "left out")
        if got != stated:
            choice = any(key == name or key.startswith(f"{name}.") for name in OUR_CHOICES)
            origin = "our default, the authors did not say" if choice else "documented"
            found.append(f"{key}: {_shown(got)} instead of {_shown(stated)} ({origin})")
    return found


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Part):
        return _plain(value.to_dict(), where)
    if isinstance(value, list | tuple):
        return tuple(_plain(item, where) for item in value)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(item, where) for key, item in value.items()}
    raise OptionError(
        f"{where} is not something that JSON can hold (None, booleans, finite numbers, text, lists and mappings "
        f"of these). Received: {value!r}"
    )


def _part_from_dict(data: Mapping[str, Any]) -> Part:
    return Part(data["name"], **data["options"])


def _fields(recipe: Recipe) -> Iterator[tuple[Any, Any]]:
    return ((item, getattr(recipe, item.name)) for item in dataclasses.fields(recipe))


def flat(recipe: Recipe) -> dict[str, Any]:
    """Returns the entries of a recipe by name, those of a part's options as ``"head.dropout"``."""
    found: dict[str, Any] = {}
    for item, value in _fields(recipe):
        found[item.name] = value.name if isinstance(value, Part) else value
        if isinstance(value, Part):
            found |= {f"{item.name}.{key}": option for key, option in value.options.items()}
    return found


def _shown(value: Any) -> str:
    return " x ".join(map(str, value)) if isinstance(value, tuple) and len(value) == 2 else as_text(str(value))
