"""What lesionkit raises: every message says what was got, what is allowed and what to do next."""


class LesionkitError(Exception):
    """The root of every error that lesionkit raises for a reason it understands.

    Example:
        >>> try:
        ...     lk.heads.get("poled")
        ... except lk.LesionkitError as error:
        ...     print(error)
        No 'poled' among the heads. Did you mean 'pooled'? There are: ...
    """


class OptionError(LesionkitError, ValueError):
    """An argument or option has a value that cannot work."""


class UnknownNameError(LesionkitError, LookupError):
    """A name is not registered, or two packages claim it, or its package fails to import."""


class DataError(LesionkitError, ValueError):
    """A folder, table or set of labels is not what its adapter expects."""


class ImageError(DataError):
    """One image cannot be read. Made of its ``source`` and the ``reason`` alone."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(source, reason)
        self.source = source
        self.reason = reason

    def __str__(self) -> str:
        from lesionkit.text import as_text

        return f"{as_text(self.source)}: {self.reason}"


class UnreadableImagesError(DataError):
    """Some images cannot be read. ``errors`` holds one :class:`ImageError` for each.

    Example:
        >>> _ = Path("broken.jpg").write_text("no image")
        >>> lk.inspect(lk.Records(("benign", "malignant"), ["broken.jpg"], [0], ["broken"]))
        Traceback (most recent call last):
            ...
        lesionkit.errors.UnreadableImagesError: 1 image cannot be read:
        ...
    """

    def __init__(self, errors: list[ImageError]) -> None:
        super().__init__(errors)
        self.errors = errors

    def __str__(self) -> str:
        listed = "\n".join(f"  {error}" for error in self.errors)
        noun = "image" if len(self.errors) == 1 else "images"
        return (
            f"{len(self.errors)} {noun} cannot be read:\n{listed}\n"
            'Repair or remove them, or go on without them: on_unreadable="skip" '
            "(--on-unreadable skip on the command line)."
        )


class WeightsError(LesionkitError):
    """A weights file is missing, damaged, or made for another network."""


class WeightsUnavailableError(WeightsError):
    """Published weights are neither in a cache nor can they be downloaded.

    Example:
        >>> try:
        ...     network = lk.build_classifier(records.class_names, backbone="efficientnet_lite0")
        ... except lk.WeightsUnavailableError as error:
        ...     print(error)  # where the weights can be had
    """


class StorageError(LesionkitError, OSError):
    """A file or folder cannot be written: no permission, no space, or in the way of other files."""


class DivergedError(LesionkitError, ArithmeticError):
    """Training has come to a loss that is no number. The model holds the weights of the last finished epoch.

    Example:
        >>> other = lk.build_classifier(records.class_names, image_size=(48, 48), backbone=small)
        >>> lk.trainers.Frozen(learning_rate=1e38).fit(other, train)
        Traceback (most recent call last):
            ...
        lesionkit.errors.DivergedError: ...
    """


class BundleError(LesionkitError, ValueError):
    """A saved folder is not a lesionkit bundle, or a newer lesionkit wrote it."""


class SearchError(LesionkitError):
    """A search in which no trial completed; each trial's error is named."""


class ExportError(LesionkitError):
    """A classifier cannot be written in a format, or answers otherwise in it."""
