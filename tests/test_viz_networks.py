"""lamina.viz on networks: attribution, synthesis, embeddings, coloured text, where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import nn, viz

pytest.importorskip("matplotlib")


class Dot(nn.Module):
    """Scores 0 and 3 times the pixel (row 1, column 2)."""

    def forward(self, x):
        pixel = x[:, 0, 1, 2]
        return lamina.stack([0 * pixel, 3 * pixel], 1)


IMAGES, ONES = lamina.rand(2, 1, 4, 4) + 0.5, lamina.tensor([1, 1])


def test_saliency_is_the_gradient():
    result = viz.saliency(Dot(), IMAGES, ONES)
    expected = np.zeros((2, 4, 4))
    expected[:, 1, 2] = 3
    assert np.array_equal(result.numpy(), expected)
    assert not IMAGES.requires_grad


def test_attribution_leaves_the_network_as_it_was():
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(16, 2),
    )
    net[1].eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    first = viz.guided_backprop(net, IMAGES, ONES)
    assert lamina.equal(first, viz.guided_backprop(net, IMAGES, ONES))  # no dropout
    viz.occlusion(net, IMAGES, ONES, 2)
    viz.maximise_class(net, IMAGES, ONES, steps=2)
    assert net.training and not net[1].training and net[2].inplace
    assert not net[2]._backward_hooks
    assert all(lamina.equal(before[key], value) for key, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_guided_backpropagation_drops_what_speaks_against():
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    with lamina.no_grad():
        net[1].weight.copy_(lamina.eye(2))
        net[3].weight.copy_(lamina.tensor([[2.0, -5.0]]))
    x = lamina.ones(1, 1, 1, 2)
    target = lamina.tensor([0])
    assert viz.guided_backprop(net, x, target).flatten().tolist() == [2, 0]
    assert viz.saliency(net, x, target).flatten().tolist() == [2, 5]


def test_guided_backpropagation_through_a_fused_residual_network():
    net = lamina.models.SmallResNet(widths=(16, 32))
    images = lamina.randn(2, 1, 8, 8)
    guided = viz.guided_backprop(net, images, ONES)
    assert guided.shape == images.shape and guided.abs().max().item() > 0
    assert not lamina.allclose(guided.abs().amax(1), viz.saliency(net, images, ONES))


def test_occlusion_falls_where_the_pixel_is_covered():
    result = viz.occlusion(Dot(), IMAGES, ONES, size=2, value=-10).numpy()
    assert result.shape == (2, 3, 3)
    covers = np.zeros((3, 3), bool)
    covers[0:2, 1:3] = True  # squares of two pixels that hold row 1, column 2
    assert (result[:, covers] < 0.01).all() and (result[:, ~covers] > 0.8).all()
    assert viz.occlusion(Dot(), IMAGES, ONES, size=2, stride=2).shape == (2, 2, 2)


def test_maximised_classes_score_higher():
    lamina.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))
    start = lamina.zeros(2, 1, 4, 4)
    image = viz.maximise_class(net, start, lamina.tensor([0, 1]), steps=30)
    gained = (net(image) - net(start)).detach().numpy()
    assert gained[0, 0] > 0.2 and gained[1, 1] > 0.2
    assert start.abs().max().item() == 0


def test_inverted_features_are_those_of_the_image():
    lamina.manual_seed(0)
    image = lamina.rand(1, 1, 6, 6)
    linear = nn.Conv2d(1, 8, 3, padding=1)
    found = viz.invert_features(linear, image, lamina.zeros(1, 1, 6, 6), steps=400, smoothness=0.0)
    assert (found - image).abs().max().item() < 0.05  # all pixels can be told from the features
    mean = viz.invert_features(
        lambda x: x.mean((2, 3)), image, lamina.zeros(1, 1, 6, 6), steps=400, smoothness=0.0
    )
    assert mean.mean().item() == pytest.approx(image.mean().item(), abs=0.02)
    assert (mean - image).abs().max().item() > 0.2  # here they can't


def test_principal_components_find_the_directions_of_spread():
    rng = np.random.default_rng(0)
    features = np.outer(rng.normal(size=50), [3.0, 4.0, 0.0]) + [1.0, 2.0, 3.0]
    points = viz.principal_components(features)
    spread = features.std(0)
    assert points.std(0) == pytest.approx([np.linalg.norm(spread), 0], abs=1e-9)


def test_plots_of_embeddings_and_text(tmp_path):
    figure = viz.plot_embedding([[0, 1], [2, 3], [4, 5]], [0, 2, 2], "abc", tmp_path / "embedding.png")
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["a", "c"]
    figure = viz.plot_text(
        "ab$\nc", {"one": [1, -1, 0, 0.5, 0], "two": np.zeros(5)}, 2, tmp_path / "text.png"
    )
    axes = figure.axes[0]
    assert [text.get_position() for text in axes.texts] == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)]
    assert axes.images[0].get_array()[0].tolist() == [1, -1]
    assert all((tmp_path / f"{name}.png").stat().st_size > 0 for name in ("embedding", "text"))


@pytest.mark.parametrize(
    "call",
    [
        lambda: viz.saliency(Dot(), IMAGES, lamina.tensor([1])),
        lambda: viz.saliency(nn.Identity(), IMAGES, ONES),
        lambda: viz.guided_backprop(Dot(), IMAGES, ONES),
        lambda: viz.occlusion(Dot(), IMAGES, ONES, 5),
        lambda: viz.occlusion(Dot(), IMAGES, ONES, 2, 0),
        lambda: viz.occlusion(Dot(), IMAGES, lamina.tensor([1]), 2),
        lambda: viz.maximise_class(Dot(), IMAGES, lamina.tensor([1])),
        lambda: viz.principal_components(np.zeros((5, 1))),
        lambda: viz.plot_embedding(np.zeros((5, 3)), np.zeros(5)),
        lambda: viz.plot_embedding(np.zeros((5, 2)), np.zeros(4)),
        lambda: viz.plot_text("", {"one": []}),
        lambda: viz.plot_text("ab", {}),
        lambda: viz.plot_text("ab", {"one": [1]}),
    ],
)
def test_networks_and_plots_refuse(call):
    with pytest.raises(ValueError, match="expected"):
        call()


def test_targets_must_be_a_tensor():
    with pytest.raises(TypeError, match=r"\[viz\] expected targets \[N\], a tensor of classes, got int"):
        viz.saliency(Dot(), IMAGES, 1)
