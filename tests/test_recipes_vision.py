"""Recipes that find things in images: segmentation, spatial transformer, glimpses, captions, transfer."""

from __future__ import annotations

import numpy as np
import pytest
from recipe import is_png, load_recipe, run_recipe

import lamina
from lamina import nn

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")


def test_scenes_are_the_same_every_time_and_their_parts_agree():
    scenes = load_recipe("_scenes")
    train, test = (scenes.Scenes(lamina.data.Digits(part), 30, part, side=48) for part in (True, False))
    for i in range(30):
        scene, again = train[i], train[i]
        assert scene.image.shape == (3, 48, 48) and 0 <= scene.image.min() <= scene.image.max() <= 1
        assert all(np.array_equal(one, other) for one, other in zip(scene, again, strict=True))
        assert 1 <= len(scene.labels) == len(scene.boxes) == len(scene.masks) <= 3
        assert scene.masks.sum(0).max() == 1  # a pixel belongs to one item
        for mask, (x1, y1, x2, y2) in zip(scene.masks, scene.boxes, strict=True):
            rows, columns = np.nonzero(mask)
            assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (x1, y1, x2, y2)
        pixels = scenes.class_map(scene)
        assert set(np.unique(pixels)) == {0, *(scene.labels + 1)}
    assert not np.array_equal(train[0].image, test[0].image)
    with pytest.raises(IndexError, match="below 30, got 30"):
        train[30]


def test_segmentation_finds_the_digits(tmp_path):
    result = run_recipe(
        "segmentation", tmp_path, "--networks", "unet", "--limit", "240", "--epochs", "2", "--batch-size", "8"
    )
    assert result["unet"]["foreground_dice"] > 0.5  # 0.18 if everything were a digit
    assert is_png(tmp_path / "unet" / "scenes.png") and is_png(tmp_path / "unet" / "curves.png")


def test_overlaps_count_pixels():
    overlaps = load_recipe("segmentation").overlaps
    perfect = np.diag(np.arange(1, 12))
    assert overlaps(perfect) == {"dice": 1.0, "iou": 1.0, "foreground_dice": 1.0}
    counts = np.zeros((11, 11), int)
    counts[0, 0], counts[1, 1], counts[1, 2], counts[0, 1] = (
        50,
        6,
        2,
        4,
    )  # class 1: 6 right, 2 missed, 4 too many
    result = overlaps(counts)
    assert result["dice"] == pytest.approx(12 / 18 / 10) and result["iou"] == pytest.approx(6 / 12 / 10)
    assert result["foreground_dice"] == pytest.approx(16 / 20)


def test_bilinear_networks_learn_no_upsampling():
    recipe = load_recipe("segmentation")
    x = lamina.rand(2, 3, 64, 64)
    learnt = {}
    for name in ("unet", "unet-bilinear", "fcn8s", "fcn8s-bilinear"):
        model = recipe.make_network(name)
        assert model(x).shape == (2, 11, 64, 64)
        up = [module for module in model.modules() if isinstance(module, nn.ConvTranspose2d)]
        learnt[name] = any(parameter.requires_grad for module in up for parameter in module.parameters())
    assert learnt == {"unet": True, "unet-bilinear": False, "fcn8s": True, "fcn8s-bilinear": False}


def test_spatial_transformer_helps(tmp_path):
    result = run_recipe("spatial_transformer", tmp_path, "--epochs", "20")
    assert result["with"]["accuracy"] > result["without"]["accuracy"] + 0.1
    assert result["with"]["accuracy"] > 0.6 and result["with"]["upright"] > 0.1
    assert is_png(tmp_path / "with" / "crops.png")


def test_distortions_put_the_digit_where_they_say():
    recipe = load_recipe("spatial_transformer")
    images = lamina.zeros(200, 1, 8, 8)
    images[:, :, 3:5, 3:5] = 1  # a dot in the middle
    images[:, :, 3:5, 6] = 0.5  # and one to the right of it, fainter
    turned, angles = recipe.distort(images, lamina.Generator().manual_seed(3))
    assert turned.shape == (200, 1, 28, 28) and angles.abs().max().item() <= np.pi / 3
    plain = turned.numpy()[:, 0]
    assert (plain.max((1, 2)) > 0.9).all()  # nothing lies outside
    rows = np.mgrid[:28, :28][0]
    centres = [(rows * picture).sum() / picture.sum() for picture in plain]  # pulled towards the faint dot
    brightest = [rows.flat[picture.argmax()] for picture in plain]
    lower = np.array(centres) - brightest
    assert (
        np.corrcoef(lower, np.sin(angles.numpy()))[0, 1] > 0.5
    )  # rows go down: a positive angle turns clockwise


def test_hard_attention_learns_to_look(tmp_path):
    arguments = ["--clutter", "0", "--limit", "2000", "--epochs", "8", "--hidden", "128", "--lr", "3e-3"]
    result = run_recipe("hard_attention", tmp_path, *arguments)
    assert result["accuracy"] > 0.2  # a guess has 10 %
    assert result["wandering"] > 0.02 and 0 < result["staring"] <= 1  # it does not stare at one place
    assert is_png(tmp_path / "glimpses.png")


def test_soft_attention_writes_and_measures_where_it_looks(tmp_path):
    size = ["--batch-size", "8", "--hidden", "64", "--lr", "2e-3"]
    result = run_recipe("soft_attention", tmp_path, "--most", "1", "--limit", "1200", "--epochs", "4", *size)
    assert result["accuracy"] > 0.25  # a guess has 10 %
    assert result["attention"] > 0.25  # looking everywhere has 10 %
    assert is_png(tmp_path / "attention.png")


def test_share_of_attention_in_boxes():
    recipe = load_recipe("soft_attention")
    weights = lamina.zeros(1, 3, 49)
    weights[0, 0, 7 * 2 + 3] = 1.0  # row 2, column 3: pixels 24 to 32 across, 16 to 24 down
    weights[0, 1] = 1 / 49
    whole, half, unnamed = [24, 16, 32, 24], [0, 0, 28, 56], [0, 0, 0, 0]
    share = recipe.share_in_boxes(weights, lamina.tensor([[whole, half, unnamed]]).float())
    assert share == pytest.approx((1 + 0.5) / 2)


def test_transfer_trains_three_ways_and_draws(tmp_path):
    result = run_recipe(
        "transfer", tmp_path, "--data", "digits", "--epochs", "4", "--new-epochs", "10", "--steps", "20"
    )
    assert result["pretrained"] > 0.9
    assert all(result[way] > 0.4 for way in ("scratch", "frozen", "fine-tuned"))  # a guess has 20 %
    for name in ("filters", "embedding", "attribution", "classes", "inversion"):
        assert is_png(tmp_path / f"{name}.png"), name
    before, after = (
        lamina.load_checkpoint(tmp_path / way / "checkpoint.safetensors")["model"]
        for way in ("pretrained", "frozen")
    )
    for key, tensor in before.items():
        same = tensor.numpy().tobytes() == after[key].numpy().tobytes()
        assert same != key.startswith("classifier"), key


def test_average_precision_by_hand():
    """One class, three digits: 0.9 right, 0.8 wrong, 0.7 right, 0.6 the first digit once more, one never found."""
    recipe = load_recipe("_average_precision")
    boxes = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], float)
    guesses = np.array([[0, 0, 10, 9], [60, 60, 70, 70], [20, 0, 30, 10], [0, 0, 10, 10]], float)

    def masks(corners):
        filled = np.zeros((len(corners), 96, 96), bool)
        for mask, (x1, y1, x2, y2) in zip(filled, corners.astype(int), strict=True):
            mask[y1:y2, x1:x2] = True
        return filled

    truth = {"boxes": boxes, "labels": np.ones(3, int), "masks": masks(boxes)}
    found = {"boxes": guesses, "labels": np.ones(4, int), "masks": masks(guesses)}
    found["scores"] = np.array([0.9, 0.8, 0.7, 0.6])
    assert recipe.box_iou(boxes[:1], guesses[:2]).tolist() == [[pytest.approx(0.9), 0]]
    for kind in ("boxes", "masks"):
        precision = recipe.average_precision([found], [truth], kind, [0.5])
        assert precision == pytest.approx((1 + 2 / 3) / 3)
        perfect = {**truth, "scores": np.ones(3)}
        assert recipe.average_precision([perfect], [truth], kind, [0.5, 0.95]) == pytest.approx(1)
    # At 0.95 the first guess is wrong; the last finds its digit, as the third of the two right ones' precision says.
    assert recipe.average_precision([found], [truth], "boxes", [0.95]) == pytest.approx((2 / 4 + 2 / 4) / 3)
    none = {key: part[:0] for key, part in found.items()}
    assert recipe.average_precision([none], [truth], "masks", [0.5]) == 0


def test_instance_segmentation_finds_digits_of_one_kind(tmp_path):
    short = ["--kinds", "1", "--limit", "60", "--epochs", "3", "--batch-size", "2", "--lr", "2e-3"]
    result = run_recipe("instance_segmentation", tmp_path, *short)
    assert result["box_ap50"] > 0.4 and result["mask_ap50"] > 0.2
    assert result["box_ap"] <= result["box_ap50"] and result["mask_ap"] <= result["mask_ap50"]
    assert is_png(tmp_path / "detections.png")
