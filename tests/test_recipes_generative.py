"""Recipes that make images: autoencoders against PCA, the VAE's bound, the GAN's samples."""

from __future__ import annotations

import numpy as np
import pytest
from recipe import is_png, load_recipe, run_recipe

import lamina

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

DIGITS = ["--data", "digits"]


def test_dense_autoencoder_beats_pca_and_the_convolutional_one_the_mean(tmp_path):
    result = run_recipe(
        "autoencoder", tmp_path, *DIGITS, "--epochs", "25", "--lr", "1e-2", "--batch-size", "32"
    )
    assert result["dense"]["code"] == 8 and result["conv"]["code"] == 16
    assert result["dense"]["mse"] < result["dense"]["pca"]
    assert result["conv"]["mse"] < 0.03  # the mean image has 0.07
    for kind in ("dense", "conv"):
        assert is_png(tmp_path / kind / "images.png") and is_png(tmp_path / kind / "curves.png")


def test_pca_is_the_best_linear_code():
    pca = load_recipe("autoencoder").pca
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 16)) + 5  # three directions hold all of it
    images = lamina.from_numpy(flat.reshape(40, 1, 4, 4))
    assert lamina.allclose(pca(images, images, 3), images)
    assert not lamina.allclose(pca(images, images, 2), images, atol=1e-2)


def test_vae_raises_the_bound_and_its_samples_have_the_statistics_of_digits(tmp_path):
    arguments = [
        *DIGITS,
        "--epochs",
        "30",
        "--hidden",
        "128",
        "--latent",
        "10",
        "--batch-size",
        "32",
        "--lr",
        "3e-3",
    ]
    result = run_recipe("vae", tmp_path, *arguments)
    assert -30 < result["elbo"] < -22  # -33.6 without a look at the image
    assert result["mean"] == pytest.approx(0.30, abs=0.06)  # 0.305 of the real ones
    assert 0.1 < result["spread"] < 0.3  # 0.25; means of distributions vary less
    for name in ("curves", "reconstructions", "samples", "walk"):
        assert is_png(tmp_path / f"{name}.png")


def test_walks_begin_and_end_at_their_codes_and_the_plane_is_the_priors():
    recipe = load_recipe("vae")
    lamina.manual_seed(0)
    model = recipe.VAE(64, 16, 2).eval()
    starts, ends = lamina.randn(3, 2), lamina.randn(3, 2)
    with lamina.no_grad():
        images = recipe.walk(model, starts, ends, 5).reshape(3, 5, 8, 8)
        assert lamina.allclose(images[:, 0], recipe.decode(model, starts), atol=1e-6)
        assert lamina.allclose(images[:, -1], recipe.decode(model, ends), atol=1e-6)
        plane = recipe.plane(model, 3, "cpu")
        assert lamina.allclose(plane[4:5], recipe.decode(model, lamina.zeros(1, 2)), atol=1e-6)


GAN = [*DIGITS, "--width", "8", "--latent", "16", "--lr", "2e-3", "--batch-size", "32"]


def test_gan_draws_what_has_the_statistics_of_digits(tmp_path):
    result = run_recipe("gan", tmp_path, *GAN, "--epochs", "8")
    assert result["mean"] < 0.25 and result["deviation"] < 0.25  # 0.9 and 0.5 of what it draws at first
    for name in ("samples-1", "samples-8", "real", "curves"):
        assert is_png(tmp_path / f"{name}.png")
