"""Regularisation by what images show: parts erased, pairs blended, parts of one pasted into another."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

import lamina
from lamina.tensor import Tensor

from .random import sample_generator
from .transforms import Array, Transform


class RandomErasing(Transform):
    """Fills a random rectangle, with probability ``p`` (Zhong et al., arXiv:1708.04896).

    Args:
        p: probability that an image is touched.
        scale: least and greatest share of the image's area.
        ratio: least and greatest height over width.
        value: what fills the rectangle.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> erase = lamina.data.RandomErasing(p=1, scale=(0.25, 0.25), ratio=(1, 1))
        >>> erase(lamina.ones(1, 8, 8)).sum().item()
        48.0
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float = 0,
    ) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"[RandomErasing] expected p in [0, 1], got {p}")
        if len(scale) != 2 or not 0 <= scale[0] <= scale[1] <= 1:
            raise ValueError(f"[RandomErasing] expected a scale from 0 to 1, got {scale}")
        if len(ratio) != 2 or not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f"[RandomErasing] expected positive ratios, the smaller first, got {ratio}")
        self.p, self.value = p, value
        self.scale, self.log_ratio = tuple(scale), (math.log(ratio[0]), math.log(ratio[1]))

    def apply(self, images: Array) -> Array:
        *batch, height, width, _ = images.shape
        draws = sample_generator()
        chosen = draws.random(batch) < self.p
        tries = (*batch, 10)  # of which the first that lies within the image is taken, if any
        area = height * width * draws.uniform(self.scale[0], self.scale[1], tries)
        ratio = np.exp(draws.uniform(self.log_ratio[0], self.log_ratio[1], tries))
        h, w = np.rint(np.sqrt(area * ratio)), np.rint(np.sqrt(area / ratio))
        fits = (h < height) & (w < width)
        first = fits.argmax(-1)[..., None]
        h, w = (np.take_along_axis(size, first, -1)[..., 0] for size in (h, w))
        top, left = (np.floor(draws.random(batch) * (room + 1)) for room in (height - h, width - w))
        rows, columns = np.arange(height), np.arange(width)
        in_rows = (rows >= top[..., None]) & (rows < (top + h)[..., None])  # [..., H]
        in_columns = (columns >= left[..., None]) & (columns < (left + w)[..., None])  # [..., W]
        erased = in_rows[..., :, None] & in_columns[..., None, :] & (chosen & fits.any(-1))[..., None, None]
        return np.where(erased[..., None], np.asarray(self.value, images.dtype), images)


class MixUp:
    """Blends each image of a batch, and its label, with another's (Zhang et al., arXiv:1710.09412).

    Image i becomes λ·x_i + (1 - λ)·x_(i-1), its label the same mixture; λ is one draw of Beta(alpha, alpha) a batch.
    Draws are from lamina's generator.

    Names and meaning are those of torchvision.transforms.v2.

    Args:
        alpha: of the beta distribution: towards 0, hardly any mixing; 1, any λ alike.
        num_classes: C.

    Raises:
        ValueError: ``alpha`` is not above 0, images and labels differ in number, or a label is not a class.
        TypeError: the labels are no integers.

    Example:
        >>> mix = lamina.data.MixUp(alpha=0.4, num_classes=10)
        >>> images, targets = mix(lamina.randn(8, 1, 28, 28), lamina.arange(8))
        >>> images.shape, targets.shape, round(targets.sum().item(), 4)
        (lamina.Size([8, 1, 28, 28]), lamina.Size([8, 10]), 8.0)
    """

    def __init__(self, *, alpha: float = 1.0, num_classes: int) -> None:
        if not alpha > 0:
            raise ValueError(f"[{type(self).__name__}] expected alpha above 0, got {alpha}")
        if num_classes < 1:
            raise ValueError(f"[{type(self).__name__}] expected num_classes of at least 1, got {num_classes}")
        self.alpha, self.num_classes = float(alpha), num_classes

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Images [N, C, H, W] and labels [N] -> images and probabilities of classes [N, num_classes]."""
        from lamina.distributions import Beta
        from lamina.nn.functional import one_hot

        if images.ndim != 4 or labels.shape != images.shape[:1]:
            raise ValueError(
                f"[{type(self).__name__}] expected images [N, C, H, W] and labels [N], got "
                f"{tuple(images.shape)} and {tuple(labels.shape)}"
            )
        self._check_labels(labels)
        share = Beta(self.alpha, self.alpha).sample().item()
        mixed, share = self._mix(images, images.roll(1, 0), share)
        targets = one_hot(labels, self.num_classes).to(images.dtype)
        return mixed, targets * share + targets.roll(1, 0) * (1 - share)

    def _check_labels(self, labels: Tensor) -> None:
        name = type(self).__name__
        if labels.dtype.is_floating_point or labels.dtype.name == "bool":
            raise TypeError(f"[{name}] expected integer labels, got {labels.dtype}")
        if labels.numel():
            low, high = labels.min().item(), labels.max().item()
            if low < 0 or high >= self.num_classes:
                raise ValueError(
                    f"[{name}] expected labels from 0 to {self.num_classes - 1}, got {low if low < 0 else high}"
                )

    def _mix(self, images: Tensor, others: Tensor, share: float) -> tuple[Tensor, float]:
        return images * share + others * (1 - share), share


class CutMix(MixUp):
    """Pastes a part of another image of the batch into each (Yun et al., arXiv:1905.04899).

    The part covers 1 - λ of the image, less where its place, drawn at random, lies over the edge; labels are mixed by
    area. Arguments are those of :class:`MixUp`.
    """

    def _mix(self, images: Tensor, others: Tensor, share: float) -> tuple[Tensor, float]:
        bounds = []
        for size in images.shape[2:]:
            half = size * math.sqrt(1 - share) / 2
            middle = lamina.rand(()).item() * size
            bounds.append(slice(max(0, round(middle - half)), min(size, round(middle + half))))
        mixed = images.clone()
        mixed[:, :, bounds[0], bounds[1]] = others[:, :, bounds[0], bounds[1]]
        height, width = (b.stop - b.start for b in bounds)
        return mixed, 1 - height * width / (images.shape[2] * images.shape[3])
