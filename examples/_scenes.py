"""Scenes composed of real items (digits, clothes) on cuttings of real photographs, with what is where.

What segmentation, detection, attention and captions of the recipes here learn from. Scene i is the same every time, and
costs no memory until it is asked for.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import lamina
import lamina.nn.functional as F
from lamina.data import ArrayDataset, Dataset


class Scene(NamedTuple):
    """One picture and its K items, from left to right.

    Attributes:
        image: float32 [3, H, W] in [0, 1].
        labels: int64 [K], classes of the items.
        boxes: float32 [K, 4]: x1, y1, x2, y2 in pixels.
        masks: bool [K, H, W]: the pixels of each item that no later one covers.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.int64]
    boxes: NDArray[np.float32]
    masks: NDArray[np.bool_]


def photographs() -> list[NDArray[np.float32]]:
    """scikit-learn's two sample photographs, float32 [H, W, 3] in [0, 1]."""
    try:
        from sklearn.datasets import load_sample_images
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "[scenes] the photographs come with scikit-learn: pip install 'lamina[train]'"
        ) from error
    return [image.astype(np.float32) / 255 for image in load_sample_images().images]


class Scenes(Dataset[Scene]):
    """Items of a data set on cuttings of photographs; no two cover each other by much.

    Training scenes take the left two thirds of each photograph, test scenes the rest.

    Args:
        items: grey images, bright on black, and their labels.
        count: how many scenes.
        train: which part of the photographs.
        side: pixels of a scene's side.
        objects: least and most items of a scene.
        sizes: least and greatest side of an item, in pixels.
        seed: scenes of another seed are others.
        plain: a black background and white items instead of photographs and colours.
    """

    def __init__(
        self,
        items: ArrayDataset,
        count: int,
        train: bool = True,
        side: int = 64,
        objects: tuple[int, int] = (1, 3),
        sizes: tuple[int, int] = (20, 32),
        seed: int = 0,
        plain: bool = False,
    ) -> None:
        self.items, self.count, self.side, self.objects, self.sizes = items, count, side, objects, sizes
        self.seed, self.plain = (seed, int(train)), plain
        self.backgrounds = []
        for picture in [] if plain else photographs():
            cut = picture.shape[1] * 2 // 3
            self.backgrounds.append(picture[:, :cut] if train else picture[:, cut:])

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Scene:
        if not 0 <= index < self.count:
            raise IndexError(f"[Scenes] expected an index below {self.count}, got {index}")
        rng = np.random.default_rng((*self.seed, index))
        picture = self._background(rng)
        places = self._places(rng)
        labels, masks = [], []
        for left, top, size in places:
            which = int(rng.integers(len(self.items)))
            grey = _resized(self.items.images[which, :, :, 0], size)  # [size, size]
            alpha = np.minimum(1, 2 * grey)  # how much of the background an item hides
            region = picture[top : top + size, left : left + size]
            colour = np.ones(3) if self.plain else _contrasting(rng, region)
            region += alpha[..., None] * ((0.5 + 0.5 * grey[..., None]) * colour - region)
            mask = np.zeros((self.side, self.side), bool)
            mask[top : top + size, left : left + size] = alpha > 0.5
            masks = [earlier & ~mask for earlier in masks] + [mask]
            labels.append(int(self.items.targets[which]))
        boxes = [(*np.argwhere(m).min(0)[::-1], *(np.argwhere(m).max(0)[::-1] + 1)) for m in masks]
        return Scene(
            np.ascontiguousarray(picture.transpose(2, 0, 1)),
            np.array(labels, np.int64),
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(masks).reshape(-1, self.side, self.side),
        )

    def _background(self, rng: np.random.Generator) -> NDArray[np.float32]:
        if self.plain:
            return np.zeros((self.side, self.side, 3), np.float32)
        picture = self.backgrounds[rng.integers(len(self.backgrounds))]
        top, left = (int(rng.integers(extent - self.side)) for extent in picture.shape[:2])
        cutting = picture[top : top + self.side, left : left + self.side]
        return (cutting[:, ::-1] if rng.random() < 0.5 else cutting).copy()

    def _places(self, rng: np.random.Generator) -> list[tuple[int, int, int]]:
        """(left, top, side) of each item; centres are at least three quarters of a side apart."""
        wanted = int(rng.integers(self.objects[0], self.objects[1] + 1))
        places: list[tuple[int, int, int]] = []
        for _ in range(50 * wanted):
            size = int(rng.integers(self.sizes[0], self.sizes[1] + 1))
            left, top = (int(x) for x in rng.integers(0, self.side - size + 1, 2))
            apart = [
                max(abs(left + size / 2 - x - s / 2), abs(top + size / 2 - y - s / 2)) > 0.375 * (size + s)
                for x, y, s in places
            ]
            if all(apart):
                places.append((left, top, size))
            if len(places) == wanted:
                break
        return sorted(places)


def _resized(item: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    x = lamina.from_numpy(item[None, None].astype(np.float32) / 255)
    return F.interpolate(x, (size, size), mode="bicubic").clamp(0, 1)[0, 0].numpy()


def _contrasting(rng: np.random.Generator, region: NDArray[np.float32]) -> NDArray[np.float64]:
    """A colour well apart from the region's mean."""
    mean = region.mean((0, 1))
    colours = rng.random((16, 3))
    return colours[np.linalg.norm(colours - mean, axis=1).argmax()]


def class_map(scene: Scene) -> NDArray[np.int64]:
    """The class of each pixel [H, W]: 0 for the background, label + 1 for an item's."""
    pixels = np.zeros(scene.image.shape[1:], np.int64)
    for label, mask in zip(scene.labels, scene.masks, strict=True):
        pixels[mask] = label + 1
    return pixels
