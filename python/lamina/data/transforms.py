"""Image transforms with torchvision's names and meaning.

An image is a Pillow image, a NumPy array [..., H, W, C] as decoded, or a tensor [..., C, H, W]; ``ToTensor``
leads from the first two to the third. Leading dimensions are a batch: a transform whose ``batched`` is true
treats all its images in one vectorised step, each with random choices of its own. Random choices come from
``sample_generator``, so that they don't depend on which worker makes them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import lamina
from lamina.tensor import Tensor

from .random import sample_generator

Array = NDArray[Any]
PaddingMode = Literal["constant", "edge", "reflect", "symmetric"]


def is_pil(image: object) -> bool:
    """Whether it is a Pillow image; Pillow is not imported to find out."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def to_pil(array: Array) -> Any:
    """[H, W] or [H, W, C] -> Pillow image"""
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(array))


class Transform:
    """Base of transforms that map arrays [..., H, W, C]: it wraps them for tensors and Pillow images."""

    batched = True

    def __call__(self, image: Any) -> Any:
        if isinstance(image, Tensor):
            if image.ndim < 3:
                raise ValueError(f"[{type(self).__name__}] expected [..., C, H, W], got {tuple(image.shape)}")
            result = self.apply(np.moveaxis(image.numpy(), -3, -1))
            return lamina.from_numpy(np.moveaxis(result, -1, -3))
        if isinstance(image, np.ndarray):
            if image.ndim == 2:
                return self.apply(image[..., None])[..., 0]
            if image.ndim > 2:
                return self.apply(image)
            raise ValueError(f"[{type(self).__name__}] expected [..., H, W, C], got {image.shape}")
        if is_pil(image):
            array = np.asarray(image)
            result = self.apply(array if array.ndim == 3 else array[..., None])
            return to_pil(result if array.ndim == 3 else result[..., 0])
        raise TypeError(
            f"[{type(self).__name__}] expected an image, array or tensor, got {type(image).__name__}"
        )

    def apply(self, images: Array) -> Array:
        """[..., H, W, C] -> [..., H', W', C]"""
        raise NotImplementedError(f"{type(self).__name__} defines no apply")


class Compose:
    """Transforms one after the other.

    Example:
        >>> import numpy as np
        >>> from lamina.data import Compose, Normalize, RandomCrop, ToTensor
        >>> transform = Compose([RandomCrop(28, padding=2), ToTensor(), Normalize([0.5], [0.25])])
        >>> transform(np.zeros((64, 28, 28, 1), np.uint8)).shape  # a whole batch at once
        lamina.Size([64, 1, 28, 28])
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)

    @property
    def batched(self) -> bool:
        return all(getattr(transform, "batched", False) for transform in self.transforms)

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image


class Lambda:
    """Any function as a transform; say ``batched`` if it maps batches as well as single images."""

    def __init__(self, lambd: Callable[[Any], Any], batched: bool = False) -> None:
        if not callable(lambd):
            raise TypeError(f"[Lambda] expected a function, got {type(lambd).__name__}")
        self.lambd = lambd
        self.batched = batched

    def __call__(self, image: Any) -> Any:
        return self.lambd(image)


class ToTensor:
    """Array [H, W], [..., H, W, C] or image -> tensor [..., C, H, W]; uint8 becomes float32 in [0, 1]."""

    batched = True

    def __call__(self, image: Any) -> Tensor:
        if not isinstance(image, np.ndarray) and not is_pil(image):
            raise TypeError(f"[ToTensor] expected an array or Pillow image, got {type(image).__name__}")
        array = np.asarray(image)
        if array.ndim < 2:
            raise ValueError(f"[ToTensor] expected [H, W] or [..., H, W, C], got shape {array.shape}")
        planes = array[None] if array.ndim == 2 else np.moveaxis(array, -1, -3)
        if planes.dtype == np.uint8:
            return lamina.from_numpy(np.multiply(planes, np.float32(1 / 255), order="C", dtype=np.float32))
        return lamina.from_numpy(np.array(planes, order="C"))


class Normalize:
    """(x - mean) / std per channel of a tensor [..., C, H, W].

    Raises:
        ValueError: a std is zero, or there is not one mean and std per channel.
    """

    batched = True

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean = np.asarray(mean, np.float64).reshape(-1, 1, 1)
        self.std = np.asarray(std, np.float64).reshape(-1, 1, 1)
        if not np.all(self.std):
            raise ValueError(f"[Normalize] expected a std other than zero, got {std}")

    def __call__(self, image: Tensor) -> Tensor:
        if not isinstance(image, Tensor) or not image.is_floating_point():
            got = image.dtype if isinstance(image, Tensor) else type(image).__name__
            raise TypeError(f"[Normalize] expected a floating tensor (ToTensor() makes one), got {got}")
        values = image.numpy()
        if values.ndim < 3 or any(len(s) not in (1, values.shape[-3]) for s in (self.mean, self.std)):
            raise ValueError(
                f"[Normalize] expected [..., C, H, W] with C = {len(self.mean)}, got {tuple(image.shape)}"
            )
        result = values - self.mean.astype(values.dtype)
        result /= self.std.astype(values.dtype)
        return lamina.from_numpy(result)


class RandomHorizontalFlip(Transform):
    """Left to right with probability ``p``."""

    axis = -2

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"[{type(self).__name__}] expected p in [0, 1], got {p}")
        self.p = p

    def apply(self, images: Array) -> Array:
        chosen = sample_generator().random(images.shape[:-3]) < self.p
        return np.where(chosen[..., None, None, None], np.flip(images, self.axis), images)


class RandomVerticalFlip(RandomHorizontalFlip):
    """Top to bottom with probability ``p``."""

    axis = -3


class CenterCrop(Transform):
    """The middle of an image; smaller ones are padded with zeros first."""

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = _pair("CenterCrop", size)

    def apply(self, images: Array) -> Array:
        height, width = self.size
        h, w = images.shape[-3:-1]
        if h < height or w < width:
            extra_h, extra_w = max(height - h, 0), max(width - w, 0)
            sides = (extra_w // 2, extra_h // 2, (extra_w + 1) // 2, (extra_h + 1) // 2)
            images = _pad(images, sides, "constant", 0)
            h, w = images.shape[-3:-1]
        top, left = round((h - height) / 2), round((w - width) / 2)
        return images[..., top : top + height, left : left + width, :]


class RandomCrop(Transform):
    """A part of ``size`` at a random place.

    Args:
        size: height and width, or one number for both.
        padding: pixels to add first: one number, (left/right, top/bottom) or (left, top, right, bottom).
        pad_if_needed: pad smaller images to ``size`` instead of refusing them.
        fill: value of constant padding.
        padding_mode: "constant", "edge", "reflect" or "symmetric".

    Raises:
        ValueError: the padded image is smaller than ``size``.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: float = 0,
        padding_mode: PaddingMode = "constant",
    ) -> None:
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError(f"[RandomCrop] expected a padding_mode of torchvision, got {padding_mode!r}")
        self.size = _pair("RandomCrop", size)
        self.padding = _sides(padding)
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    def apply(self, images: Array) -> Array:
        height, width = self.size
        images = _pad(images, self.padding, self.padding_mode, self.fill)
        h, w = images.shape[-3:-1]
        if self.pad_if_needed and (h < height or w < width):
            extra_h, extra_w = max(height - h, 0), max(width - w, 0)
            images = _pad(images, (extra_w, extra_h, extra_w, extra_h), self.padding_mode, self.fill)
            h, w = images.shape[-3:-1]
        if h < height or w < width:
            raise ValueError(
                f"[RandomCrop] expected at least {height}×{width} pixels after padding, got {h}×{w}"
            )
        batch = images.shape[:-3]
        generator = sample_generator()
        top = generator.integers(0, h - height + 1, batch).reshape(-1)
        left = generator.integers(0, w - width + 1, batch).reshape(-1)
        flat = images.reshape(-1, *images.shape[-3:])
        windows = np.lib.stride_tricks.sliding_window_view(
            flat, (height, width), (1, 2)
        )  # [N, Y, X, C, h, w]
        crops = np.moveaxis(windows[np.arange(len(flat)), top, left], 1, -1)
        return crops.reshape(*batch, height, width, images.shape[-1])


class Resize(Transform):
    """Scales with Pillow's antialiased resampling.

    Args:
        size: (height, width), or one number for the shorter side, keeping the proportions.
        interpolation: "nearest", "bilinear", "bicubic", "box", "hamming" or "lanczos".

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        TypeError: an array is neither uint8 nor float32.
    """

    def __init__(self, size: int | Sequence[int], interpolation: str = "bilinear") -> None:
        if interpolation not in ("nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"):
            raise ValueError(f"[Resize] expected an interpolation of Pillow, got {interpolation!r}")
        self.shorter_side = size if isinstance(size, int) else None
        self.size = _pair("Resize", size)
        self.interpolation = interpolation

    def __call__(self, image: Any) -> Any:
        if is_pil(image):
            return self._resize(image)
        return super().__call__(image)

    def apply(self, images: Array) -> Array:
        if images.dtype not in (np.uint8, np.float32):
            raise TypeError(f"[Resize] expected uint8 or float32, got {images.dtype}")
        planes = np.moveaxis(images, -1, -3)  # Pillow's float images have one channel
        flat = planes.reshape(-1, *planes.shape[-2:])
        resized = np.stack([np.asarray(self._resize(to_pil(plane))) for plane in flat])
        return np.moveaxis(resized.reshape(*planes.shape[:-2], *resized.shape[1:]), -3, -1)

    def _resize(self, image: Any) -> Any:
        from PIL.Image import Resampling

        width, height = image.size
        target_h, target_w = self.size
        if self.shorter_side is not None:
            short, long = self.shorter_side, int(self.shorter_side * max(width, height) / min(width, height))
            target_h, target_w = (long, short) if width <= height else (short, long)
        return image.resize((target_w, target_h), Resampling[self.interpolation.upper()])


def _pair(name: str, size: int | Sequence[int]) -> tuple[int, int]:
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) == 1:
        pair = (pair[0], pair[0])
    if len(pair) != 2 or any(not isinstance(s, int) or s <= 0 for s in pair):
        raise ValueError(f"[{name}] expected a positive size or (height, width), got {size}")
    return pair


def _sides(padding: int | Sequence[int] | None) -> tuple[int, int, int, int]:
    """torchvision's paddings -> (left, top, right, bottom)"""
    sides = (padding or 0,) if padding is None or isinstance(padding, int) else tuple(padding)
    if len(sides) not in (1, 2, 4) or any(side < 0 for side in sides):
        raise ValueError(f"[RandomCrop] expected 1, 2 or 4 paddings of at least 0, got {padding}")
    left, top, right, bottom = sides * (4 // len(sides))
    return left, top, right, bottom


def _pad(images: Array, sides: tuple[int, int, int, int], mode: PaddingMode, fill: float) -> Array:
    if not any(sides):
        return images
    left, top, right, bottom = sides
    widths = [(0, 0)] * (images.ndim - 3) + [(top, bottom), (left, right), (0, 0)]
    if mode == "constant":
        return np.pad(images, widths, mode, constant_values=fill)
    return np.pad(images, widths, mode)
