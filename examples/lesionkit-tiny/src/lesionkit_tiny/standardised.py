"""Each image by its own brightness and contrast, for pictures of many cameras."""

import keras
from keras import ops


def standardised(image_size: tuple[int, int]) -> keras.Model:
    """Returns RGB minus the image's mean, divided by its standard deviation: values about 0, most in [-3, 3].

    The deviation counts as at least 1 / sqrt(number of values), as in ``tf.image.per_image_standardization``, so
    that an image of one colour becomes 0.
    """
    image = keras.Input((*image_size, 3), name="image", dtype="float32")
    mean = ops.mean(image, axis=(1, 2, 3), keepdims=True)
    deviation = ops.std(image, axis=(1, 2, 3), keepdims=True)
    least = (3 * image_size[0] * image_size[1]) ** -0.5
    return keras.Model(image, (image - mean) / ops.maximum(deviation, least), name="preprocessor")
