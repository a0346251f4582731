"""Models that give images, maps or places: segmentation, autoencoders, generators, transformers and glimpses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from harness.torch_twin import check_trains_alike

import lamina
from lamina import models, nn


def _drawn(model: Any, nn: Any) -> Any:
    """The model with every parameter drawn, those that start as zeros too: else their neighbours have no gradients."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0.0, 0.1)
    return model


class Small(NamedTuple):
    module: str
    build: Callable[[Any, Any], Any]
    shape: tuple[int, ...]
    mode: str = "train"


SMALL = {
    "unet": Small("unet", lambda m, nn: m.UNet(2, 3, (3, 4, 5)), (2, 2, 12, 8)),
    "unet of the paper": Small("unet", lambda m, nn: m.UNet(1, 2, (3, 4, 5), padding=0), (1, 1, 44, 48)),
    "unet with batch norm": Small("unet", lambda m, nn: m.UNet(1, 2, (3, 4), batch_norm=True), (2, 1, 8, 8)),
    "segnet": Small("segnet", lambda m, nn: m.SegNet(3, 5, (1, 2, 3), (4, 5, 6)), (2, 3, 17, 22)),
    **{
        f"fcn{stride}s": Small(
            "fcn",
            lambda m, nn, stride=stride: _drawn(
                m.FCN(stride, 3, 0.0, (1, 1, 2, 1, 1), (2, 3, 4, 4, 4), 5), nn
            ),
            (2, 3, 40, 64),
        )
        for stride in (8, 16, 32)
    },
    "dense autoencoder": Small("autoencoder", lambda m, nn: m.DenseAutoencoder((12, 8, 3)), (3, 1, 3, 4)),
    "convolutional autoencoder": Small(
        "autoencoder", lambda m, nn: m.ConvAutoencoder(2, (4, 5)), (2, 2, 8, 12)
    ),
    "vae": Small("vae", lambda m, nn: m.VAE(12, 8, 3), (4, 1, 3, 4), "eval"),
    "generator": Small("dcgan", lambda m, nn: m.Generator(5, 3, 4, 32), (3, 5)),
    "discriminator": Small("dcgan", lambda m, nn: m.Discriminator(3, 4, 32), (3, 3, 32, 32)),
    "spatial transformer": Small(
        "spatial_transformer", lambda m, nn: _drawn(m.SpatialTransformerNet(2, 5), nn), (2, 2, 28, 28)
    ),
    "glimpses": Small(
        "glimpse", lambda m, nn: m.RecurrentGlimpseModel(2, 5, 4, 4, 2, 8), (3, 2, 12, 10), "eval"
    ),
}


@pytest.mark.parametrize("name", SMALL)
def test_trains_as_the_same_source_on_torch(name, torch):
    module, build, shape, mode = SMALL[name]
    x = np.random.default_rng(0).standard_normal(shape)
    check_trains_alike(torch, module, build, x, mode=mode)


def test_parameters():
    def count(model: nn.Module) -> int:
        return sum(p.numel() for p in model.parameters())

    assert count(models.UNet()) == 31_030_658
    assert count(models.SegNet()) == 29_449_932
    assert count(models.VAE()) == 652_824  # of PyTorch's example
    assert count(models.Generator()) == 3_576_704 and count(models.Discriminator()) == 2_765_568  # likewise
    generator = models.Generator().state_dict()
    assert tuple(generator["main.12.weight"].shape) == (64, 3, 4, 4)
    assert tuple(generator["main.0.weight"].shape) == (100, 512, 4, 4)
    vgg, fcn = models.vgg.vgg_features(models.vgg.STAGES[16]), models.fcn32s(hidden=8)
    fcn.features.load_state_dict(vgg.state_dict())


def test_unet_of_the_paper_loses_its_border():
    model = models.UNet(widths=(2, 2, 2, 2, 2), padding=0)
    with lamina.no_grad():
        assert model(lamina.zeros(1, 1, 572, 572)).shape == (1, 2, 388, 388)
    with pytest.raises(ValueError, match=r"\[UNet\] expected an even height and width .* got \(7, 8\)"):
        models.UNet(widths=(2, 2, 2))(lamina.zeros(1, 1, 14, 16))


def test_fcn_starts_as_bilinear_interpolation(torch):
    model = models.fcn8s(num_classes=2, widths=(4, 4, 4, 4, 4), hidden=4)
    for name, stride in (("upscore_last", 2), ("upscore", 8)):
        x = np.random.default_rng(0).standard_normal((1, 2, 5, 6)).astype("float32")
        ours = getattr(model, name)(lamina.from_numpy(x)).detach().numpy()
        theirs = torch.nn.functional.interpolate(torch.from_numpy(x), scale_factor=stride, mode="bilinear")
        inside = (..., slice(stride, -stride), slice(stride, -stride))
        np.testing.assert_allclose(ours[inside], theirs.numpy()[inside], atol=1e-5)
    assert model(lamina.ones(1, 3, 32, 32)).abs().sum().item() == 0
    with pytest.raises(ValueError, match=r"\[FCN\] expected a stride of 8, 16 or 32, got 4"):
        models.FCN(4)


def test_vae_draws_codes_in_training_and_its_loss_is_the_bound(torch):
    lamina.manual_seed(0)
    model = models.VAE(12, 8, 3)
    x = lamina.rand(5, 12)
    assert not lamina.equal(model(x).logits, model(x).logits)
    model.eval()
    result = model(x)
    assert lamina.equal(result.logits, model(x).logits)
    logits, mean, log_var = (torch.from_numpy(t.detach().numpy()) for t in result)
    code = torch.distributions.Normal(mean, (0.5 * log_var).exp())
    divergence = torch.distributions.kl_divergence(code, torch.distributions.Normal(0.0, 1.0)).sum()
    pixels = torch.distributions.Bernoulli(logits=logits, validate_args=False)
    expected = (divergence - pixels.log_prob(torch.from_numpy(x.numpy())).sum()) / 5
    assert models.vae_loss(result, x).item() == pytest.approx(expected.item(), rel=1e-5)
    assert model.sample(2).shape == (2, 12)


def test_vae_learns():
    lamina.manual_seed(0)
    model = models.VAE(16, 32, 2)
    images = (lamina.arange(16) % 4 == lamina.arange(4)[:, None]).float()  # a bar in each of four places
    optimizer = lamina.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(200):
        loss = models.vae_loss(model(images), images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-20:]) < 0.5 * losses[0]


def test_dcgan_sizes():
    for size in (8, 16, 64):
        images = models.Generator(7, 1, 4, size)(lamina.randn(2, 7, 1, 1))
        assert images.shape == (2, 1, size, size) and images.abs().max().item() <= 1
        assert models.Discriminator(1, 4, size)(images).shape == (2,)
    with pytest.raises(ValueError, match=r"\[Generator\] expected an image size of 8, 16, 32, ..., got 48"):
        models.Generator(image_size=48)


def test_glimpses_beyond_the_border_are_zeros():
    image = lamina.arange(1.0, 17.0).reshape(1, 1, 4, 4)
    corner = models.glimpses(image, lamina.tensor([[-1.0, -1.0]]), size=2, scales=1)
    assert corner.tolist() == [[[[0.0, 0.0], [0.0, 1.0]]]]
    x_right = models.glimpses(image, lamina.tensor([[1.0, -1.0]]), size=2, scales=1)
    assert x_right.tolist() == [[[[0.0, 0.0], [3.0, 4.0]]]]


def test_reinforce_moves_glimpses_to_where_the_class_is():
    """The right edge tells the class; a first glimpse in the middle does not see it, so the second has to be chosen."""
    lamina.manual_seed(0)
    model = models.RecurrentGlimpseModel(1, 2, num_glimpses=2, size=4, hidden=32, std=0.4)
    optimizer = lamina.optim.Adam(model.parameters(), 1e-2)

    def batch() -> tuple[lamina.Tensor, lamina.Tensor]:
        target = lamina.randint(0, 2, (64,))
        images = lamina.zeros(64, 1, 12, 12)
        images[:, 0, :, 8:] = (2.0 * target - 1)[:, None, None]
        return images, target

    for _ in range(200):
        images, target = batch()
        loss = models.glimpse_loss(model(images), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    images, target = batch()
    result = model.eval()(images)
    assert result.locations[:, 0].abs().max().item() == 0 and result.locations[:, 1, 0].min().item() > 0.15
    assert (result.logits.argmax(1) == target).float().mean().item() > 0.95
