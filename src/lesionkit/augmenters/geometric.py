"""Augmentation that only moves pixels, and the one for dermoscopy, which changes the light a little as well."""

import keras

from lesionkit.augmenters.layers import RandomAffine, RandomLight
from lesionkit.options import checked_seed


def flip_rotate_shift(
    *, flips: str = "both", rotation: float = 20.0, shift: float = 0.1, seed: int = 0
) -> keras.layers.Layer:
    """Returns the documented augmentation: flips, rotations, shifts; (B, H, W, 3) in [0, 255] to the same.

    How far to turn and shift is not documented: the defaults are ours.

    Args:
        flips: ``"none"``, ``"horizontal"``, ``"vertical"`` or ``"both"``.
        rotation: most degrees either way, up to 180.
        shift: most shift either way, as a share of width and height.
        seed: of the draws, where the layer is used in a model of your own.

    Raises:
        OptionError: an option out of its range.

    Example:
        >>> layer = lk.augmenters.get("flip_rotate_shift")(rotation=10, seed=1)
        >>> images = np.full((2, 48, 48, 3), 100.0)
        >>> bool(np.all(layer(images, training=False) == images))
        True
    """
    return RandomAffine(flips=flips, rotation=rotation, shift=shift, seed=seed, name="flip_rotate_shift")


def dermoscopy(
    *,
    zoom: float = 0.2,
    shift: float = 0.08,
    brightness: float = 0.15,
    contrast: float = 0.15,
    colour: float = 0.05,
    seed: int = 0,
) -> keras.layers.Layer:
    """Returns what taking a dermoscopic image again may change; (B, H, W, 3) in [0, 255] to the same.

    A dermoscope has no up or down: any angle, both mirrors. Distance and aim vary: zoom and shift. Lamps and cameras
    differ: brightness, contrast and the colour of the light, mildly. What a diagnosis rests on stays: asymmetry,
    border, colours and structure are scored (the ABCD rule: Nachbar et al. 1994, J Am Acad Dermatol 30(4), 551-559). So
    there is no shear and no elastic distortion, which change the first two and the structure, and no turn of the hue,
    which changes the third. Perez et al. 2018, arXiv:1809.01442, compare 13 sets of augmentations on melanoma, elastic
    ones among them; to leave these out is our choice, and so are the defaults.

    Args:
        zoom: sizes change by a factor from 1 / (1 + zoom) to 1 + zoom.
        shift: most shift either way, as a share of width and height.
        brightness: most change of brightness, as a share.
        contrast: most change of contrast, as a share.
        colour: most change of each channel's gain, as a share.
        seed: of the draws, where the layer is used in a model of your own.

    Raises:
        OptionError: an option out of its range.

    Example:
        >>> layer = lk.augmenters.get("dermoscopy")(zoom=0.1, seed=1)
        >>> images = np.full((2, 48, 48, 3), 100.0)
        >>> bool(np.all(layer(images, training=False) == images))
        True
    """
    other = (checked_seed(seed) + 1) % 2**32  # equal seeds would draw equal numbers
    return keras.Sequential(
        [
            RandomAffine(flips="both", rotation=180.0, zoom=zoom, shift=shift, seed=seed, name="affine"),
            RandomLight(brightness=brightness, contrast=contrast, colour=colour, seed=other, name="light"),
        ],
        name="dermoscopy",
    )
