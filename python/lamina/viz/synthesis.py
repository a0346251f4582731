"""Images made for a network: the one that a class wants, and the one that features still tell."""

from __future__ import annotations

from collections.abc import Callable

from lamina import nn
from lamina.autograd.engine import grad
from lamina.autograd.grad_mode import enable_grad, no_grad
from lamina.nn import functional as F
from lamina.tensor import Tensor

from .attribution import chosen_scores, evaluating


def maximise_class(
    model: nn.Module, start: Tensor, targets: Tensor, steps: int = 100, lr: float = 1.0, decay: float = 0.01
) -> Tensor:
    """Climbs from images to ones that the network gives a high score for a class, kept small and smooth.

    Each step adds ``lr`` times the normalised gradient of the score, takes ``decay`` of the image away and, every
    fourth time, blurs it a little.

    Source: Simonyan, Vedaldi & Zisserman, 2013 (arXiv:1312.6034); blurring: Yosinski et al., 2015 (arXiv:1506.06579).

    Args:
        model: images -> scores [N, classes]; it runs in evaluation mode, and keeps the mode it has.
        start: [N, C, H, W], such as noise or zeros; it stays as it is.
        targets: [N] classes.
        steps, lr, decay: of the climb.

    Returns:
        [N, C, H, W].

    Raises:
        ValueError: if the model gives no score per class, or there is not one target per image.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> image = lamina.viz.maximise_class(net, lamina.zeros(1, 1, 2, 2), lamina.tensor([1]), steps=5)
        >>> (net(image)[0, 1] > net(lamina.zeros(1, 1, 2, 2))[0, 1]).item()
        True
    """
    images = start.detach().clone()
    with evaluating(model):
        for step in range(steps):
            with enable_grad():
                pixels = images.detach().requires_grad_()
                (gradient,) = grad(chosen_scores(model, pixels, targets).sum(), pixels)
            assert gradient is not None
            norm = gradient.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None, None]
            images = (1 - decay) * images + lr * gradient / norm
            if step % 4 == 3 and min(images.shape[-2:]) > 2:
                images = 0.8 * images + 0.2 * F.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    return images


def invert_features(
    features: Callable[[Tensor], Tensor],
    images: Tensor,
    start: Tensor,
    steps: int = 200,
    lr: float = 0.05,
    smoothness: float = 0.01,
) -> Tensor:
    """Finds images whose features are those of the given ones: what a layer still knows of them.

    Minimises, by Adam, the squared distance of the features, relative to their size, and the total variation of the
    image.

    Source: Mahendran & Vedaldi, 2014 (arXiv:1412.0035).

    Args:
        features: images -> features [N, ...]; a network in evaluation mode, or a part of one.
        images: [N, C, H, W].
        start: where to begin, in the shape of the images, such as noise.
        steps, lr: of the descent.
        smoothness: the weight of the total variation.

    Returns:
        [N, C, H, W].

    Example:
        >>> x = lamina.rand(1, 1, 4, 4)
        >>> y = lamina.viz.invert_features(nn.Flatten(), x, lamina.zeros(1, 1, 4, 4), smoothness=0.0)
        >>> (y - x).abs().max().item() < 0.1
        True
    """
    from lamina.optim import Adam

    with no_grad():
        wanted = features(images).detach()
        size = wanted.square().sum().clamp(min=1e-12)
    found = start.detach().clone().requires_grad_()
    optimizer = Adam([found], lr)
    with enable_grad():
        for _ in range(steps):
            apart = (features(found) - wanted).square().sum() / size
            rows, columns = found[:, :, 1:] - found[:, :, :-1], found[:, :, :, 1:] - found[:, :, :, :-1]
            loss = apart + smoothness * (rows.abs().mean() + columns.abs().mean())
            (found.grad,) = grad(loss, found)
            optimizer.step()
    return found.detach()
