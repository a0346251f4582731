"""The variational autoencoder: Kingma & Welling, "Auto-encoding variational Bayes", 2013 (arXiv:1312.6114)."""

from __future__ import annotations

from typing import NamedTuple

from lamina import nn
from lamina.distributions import Normal, kl_divergence
from lamina.nn import functional as F
from lamina.tensor import Tensor


class VAEOutput(NamedTuple):
    """Scores of the pixels [N, features], whose sigmoid is the image; mean and log variance of the code [N, latent]."""

    logits: Tensor
    mean: Tensor
    log_var: Tensor


class VAE(nn.Module):
    """A perceptron to a normal distribution of codes and one back to Bernoulli pixels.

    In training a code is drawn in a way that gradients pass through; in evaluation it is the mean.

    Args:
        features: pixels of an image.
        hidden: units of each hidden layer.
        latent: dimensions of the code.

    Example:
        >>> model = lamina.models.VAE()
        >>> x = lamina.zeros(2, 1, 28, 28)
        >>> result = model(x)
        >>> result.logits.shape, result.mean.shape
        (lamina.Size([2, 784]), lamina.Size([2, 20]))
        >>> model.sample(3).shape
        lamina.Size([3, 784])
    """

    def __init__(self, features: int = 784, hidden: int = 400, latent: int = 20) -> None:
        super().__init__()
        self.latent = latent
        self.fc1 = nn.Linear(features, hidden)
        self.fc21 = nn.Linear(hidden, latent)
        self.fc22 = nn.Linear(hidden, latent)
        self.fc3 = nn.Linear(latent, hidden)
        self.fc4 = nn.Linear(hidden, features)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the code, [N, latent] each, of images [N, ...]."""
        hidden = F.relu(self.fc1(x.flatten(1)))
        return self.fc21(hidden), self.fc22(hidden)

    def decode(self, code: Tensor) -> Tensor:
        """Scores [N, features] of codes [N, latent]."""
        return self.fc4(F.relu(self.fc3(code)))

    def forward(self, x: Tensor) -> VAEOutput:
        mean, log_var = self.encode(x)
        code = mean
        if self.training:
            code = Normal(mean, (0.5 * log_var).exp()).rsample()
        return VAEOutput(self.decode(code), mean, log_var)

    def sample(self, count: int) -> Tensor:
        """Images [count, features] of codes from the prior."""
        return self.decode(self.fc3.weight.new_empty((count, self.latent)).normal_()).sigmoid()


def vae_loss(result: VAEOutput, x: Tensor) -> Tensor:
    """The negative lower bound of the log likelihood, a mean over images: reconstruction + KL divergence to the prior.

    Args:
        result: what the model gave.
        x: the images [N, ...], values in [0, 1].

    Example:
        >>> model, x = lamina.models.VAE(), lamina.zeros(2, 1, 28, 28)
        >>> lamina.models.vae_loss(model(x), x).item() > 0
        True
    """
    logits, mean, log_var = result
    pixels = F.binary_cross_entropy_with_logits(logits, x.flatten(1), reduction="sum")
    divergence = kl_divergence(Normal(mean, (0.5 * log_var).exp()), Normal(0.0, 1.0)).sum()
    return (pixels + divergence) / x.shape[0]
