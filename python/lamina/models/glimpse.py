"""Hard attention: Mnih et al., "Recurrent models of visual attention", 2014 (arXiv:1406.6247), trained by REINFORCE."""

from __future__ import annotations

from typing import NamedTuple

import lamina
from lamina import nn
from lamina.distributions import Independent, Normal
from lamina.nn import functional as F
from lamina.tensor import Tensor


class GlimpseOutput(NamedTuple):
    """Scores of the classes, where the model looked, and what its training needs.

    Attributes:
        logits: [N, classes] after the last glimpse.
        locations: [N, T, 2], x and y from -1 (left, top) to 1, of each glimpse.
        log_probs: [N, T - 1], log densities of the chosen locations, those after the first.
        baselines: [N, T - 1], what reward the model expected before each choice.
    """

    logits: Tensor
    locations: Tensor
    log_probs: Tensor
    baselines: Tensor


def glimpses(images: Tensor, locations: Tensor, size: int, scales: int) -> Tensor:
    """Square patches around a place, each twice as wide as the one before and brought to the same size.

    Args:
        images: [N, C, H, W]; beyond the border there are zeros.
        locations: [N, 2], x and y of the centres from -1 to 1.
        size: pixels of a side of the result.
        scales: how many patches.

    Returns:
        [N, scales * C, size, size].

    Example:
        >>> image = lamina.arange(16.0).reshape(1, 1, 4, 4)
        >>> lamina.models.glimpses(image, lamina.zeros(1, 2), size=2, scales=2).flatten(2).tolist()
        [[[5.0, 6.0, 9.0, 10.0], [2.5, 4.5, 10.5, 12.5]]]
    """
    height, width = images.shape[-2:]
    sample = lamina.arange(images.shape[0], device=images.device)[:, None, None]
    column, row = (
        ((locations[:, i].detach() + 1) * (extent / 2)).floor().long().clamp(0, extent - 1)[:, None]
        for i, extent in enumerate((width, height))
    )
    patches = []
    for scale in range(scales):
        side = size << scale
        padded = F.pad(
            images, (side // 2, side - side // 2) * 2
        )  # so that the patch starts at the centre's index
        steps = lamina.arange(side, device=images.device)
        patch = padded[
            sample, :, (row + steps)[:, :, None], (column + steps)[:, None, :]
        ]  # [N, side, side, C]
        patches.append(F.avg_pool2d(patch.permute(0, 3, 1, 2), 1 << scale))
    return lamina.cat(patches, 1)


class RecurrentGlimpseModel(nn.Module):
    """Looks at an image through a few glimpses, each placed by what it has seen, then names the class.

    In training the places are drawn around the network's choice; in evaluation they are that choice, the first is the
    middle.

    Args:
        in_channels: channels of the images.
        num_classes: classes to tell apart.
        num_glimpses: T, how often the model looks.
        size: pixels of a side of a glimpse.
        scales: patches of a glimpse; see :func:`glimpses`.
        hidden: units of the recurrent core.
        std: deviation of a drawn place from the chosen one.

    Example:
        >>> model = lamina.models.RecurrentGlimpseModel(num_glimpses=4)
        >>> result = model(lamina.zeros(2, 1, 28, 28))
        >>> result.logits.shape, result.locations.shape, result.log_probs.shape
        (lamina.Size([2, 10]), lamina.Size([2, 4, 2]), lamina.Size([2, 3]))
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        num_glimpses: int = 6,
        size: int = 8,
        scales: int = 1,
        hidden: int = 256,
        std: float = 0.17,
    ) -> None:
        super().__init__()
        self.num_glimpses, self.size, self.scales, self.hidden, self.std = (
            num_glimpses,
            size,
            scales,
            hidden,
            std,
        )
        half = hidden // 2
        self.what1, self.what2 = nn.Linear(scales * in_channels * size * size, half), nn.Linear(half, hidden)
        self.where1, self.where2 = nn.Linear(2, half), nn.Linear(half, hidden)
        self.core_input, self.core_state = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.locate = nn.Linear(hidden, 2)
        self.baseline = nn.Linear(hidden, 1)
        self.classifier = nn.Linear(hidden, num_classes)

    def _glimpse(self, images: Tensor, location: Tensor) -> Tensor:
        """What is seen and where, joined: [N, hidden]."""
        seen = glimpses(images, location, self.size, self.scales).flatten(1)
        what = self.what2(F.relu(self.what1(seen)))
        where = self.where2(F.relu(self.where1(location)))
        return F.relu(what + where)

    def forward(self, images: Tensor) -> GlimpseOutput:
        count = images.shape[0]
        state, location = images.new_zeros((count, self.hidden)), images.new_zeros((count, 2))
        if self.training:
            location.uniform_(-1, 1)
        locations, log_probs, baselines = [location], [], []
        for step in range(self.num_glimpses):
            state = F.relu(self.core_input(self._glimpse(images, location)) + self.core_state(state))
            if step == self.num_glimpses - 1:
                break
            # Neither the choice nor the baseline sends gradients into the core, which learns from the class alone.
            mean = self.locate(state.detach()).tanh()
            baselines.append(self.baseline(state.detach()).squeeze(1))
            choice = Independent(Normal(mean, self.std), 1)
            location = choice.sample() if self.training else mean.detach()
            log_probs.append(choice.log_prob(location))
            location = location.clamp(-1, 1)
            locations.append(location)
        places = lamina.stack(locations, 1)
        return GlimpseOutput(
            self.classifier(state), places, lamina.stack(log_probs, 1), lamina.stack(baselines, 1)
        )


def glimpse_loss(result: GlimpseOutput, target: Tensor) -> Tensor:
    """Cross-entropy of the class, REINFORCE on the places (reward 1 for the right class), error of the baseline.

    Args:
        result: what the model gave.
        target: [N] classes.

    Example:
        >>> model = lamina.models.RecurrentGlimpseModel()
        >>> loss = lamina.models.glimpse_loss(model(lamina.zeros(2, 1, 28, 28)), lamina.tensor([1, 2]))
        >>> loss.backward()
        >>> model.locate.weight.grad is not None
        True
    """
    logits, _, log_probs, baselines = result
    reward = (logits.detach().argmax(1) == target).to(logits.dtype)[:, None]
    advantage = reward - baselines.detach()
    policy = -(log_probs * advantage).sum(1).mean()
    return F.cross_entropy(logits, target) + policy + ((baselines - reward) ** 2).mean()
