"""Which pixels a classifier's score hangs on: saliency maps, guided backpropagation, occlusion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lamina import nn
from lamina.autograd.engine import grad
from lamina.autograd.grad_mode import enable_grad, no_grad
from lamina.ops import zeros
from lamina.tensor import Tensor


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The network in evaluation mode; afterwards each module is in the mode it had."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def chosen_scores(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """The score of each image's class, [N]."""
    if not isinstance(targets, Tensor):
        raise TypeError(f"[viz] expected targets [N], a tensor of classes, got {type(targets).__name__}")
    scores = model(images)
    if scores.ndim != 2 or tuple(targets.shape) != tuple(scores.shape[:1]):
        raise ValueError(
            "[viz] expected scores [N, classes] of the model and targets [N], "
            f"got {tuple(scores.shape)} and {tuple(targets.shape)}"
        )
    return scores.gather(1, targets.to(scores.device)[:, None]).squeeze(1)


def input_gradient(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """The gradient of each image's class score with respect to its pixels, in the shape of the images."""
    with evaluating(model), enable_grad():
        pixels = images.detach().clone().requires_grad_()
        (gradient,) = grad(chosen_scores(model, pixels, targets).sum(), pixels)
    assert gradient is not None
    return gradient


def saliency(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """How much a small change of each pixel would change the score of the class: |gradient|, the most of the channels.

    Source: Simonyan, Vedaldi & Zisserman, 2013 (arXiv:1312.6034).

    Args:
        model: images -> scores [N, classes]; it runs in evaluation mode, and keeps the mode it has.
        images: [N, C, H, W].
        targets: [N] classes.

    Returns:
        [N, H, W].

    Raises:
        ValueError: if the model gives no score per class, or there is not one target per image.
        TypeError: if the targets are no tensor.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> lamina.viz.saliency(net, lamina.rand(3, 1, 2, 2), lamina.tensor([0, 1, 1])).shape
        lamina.Size([3, 2, 2])
    """
    return input_gradient(model, images, targets).abs().amax(1)


def guided_backprop(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """The gradient where ReLUs pass back positive gradients only: the strokes that speak for the class.

    Source: Springenberg et al., 2014 (arXiv:1412.6806). The network's ReLUs must be modules.

    Args:
        model, images, targets: as for :func:`saliency`.

    Returns:
        [N, C, H, W].

    Raises:
        ValueError: as :func:`saliency`, and if the network has no ReLU among its modules.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> lamina.viz.guided_backprop(net, lamina.rand(3, 1, 2, 2), lamina.tensor([0, 1, 1])).shape
        lamina.Size([3, 1, 2, 2])
    """
    relus = [module for module in model.modules() if isinstance(module, nn.ReLU)]
    if not relus:
        raise ValueError("[guided_backprop] expected a network with nn.ReLU modules, got none")

    def positive(_module: nn.Module, to_input: Any, _from_output: Any) -> Any:
        return tuple(part if part is None else part.clamp(min=0) for part in to_input)

    in_place = [relu.inplace for relu in relus]
    handles = [relu.register_full_backward_hook(positive) for relu in relus]
    try:
        for relu in relus:
            relu.inplace = False  # a hook sees the input and the output
        return input_gradient(model, images, targets)
    finally:
        for relu, before, handle in zip(relus, in_place, handles, strict=True):
            relu.inplace = before
            handle.remove()


def occlusion(
    model: nn.Module, images: Tensor, targets: Tensor, size: int, stride: int = 1, value: float = 0.0
) -> Tensor:
    """The probability of the class while a square covers part of the image: low where the image must be seen.

    Source: Zeiler & Fergus, 2013 (arXiv:1311.2901).

    Args:
        model, images, targets: as for :func:`saliency`.
        size: pixels of the square's side.
        stride: pixels between its places.
        value: what covers.

    Returns:
        [N, rows, columns], one value a place.

    Raises:
        ValueError: as :func:`saliency`, and if the square does not fit into the images.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> lamina.viz.occlusion(net, lamina.rand(3, 1, 4, 4), lamina.tensor([0, 1, 1]), size=2).shape
        lamina.Size([3, 3, 3])
    """
    height, width = images.shape[-2:]
    if not 1 <= size <= min(height, width) or stride < 1:
        raise ValueError(
            f"[occlusion] expected a size from 1 to {min(height, width)} and a positive stride, got {size}, {stride}"
        )
    rows, columns = range(0, height - size + 1, stride), range(0, width - size + 1, stride)
    result = zeros(images.shape[0], len(rows), len(columns), device=images.device)
    with evaluating(model), no_grad():
        chosen_scores(model, images, targets)  # checks them
        for i, top in enumerate(rows):
            for j, left in enumerate(columns):
                covered = images.clone()
                covered[:, :, top : top + size, left : left + size] = value
                shares = model(covered).softmax(1)
                result[:, i, j] = shares.gather(1, targets.to(shares.device)[:, None]).squeeze(1)
    return result
