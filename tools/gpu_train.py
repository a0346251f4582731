"""Trains the network of examples/train.py on a device, on drawn images: nothing is downloaded, no extra is needed.

    python tools/gpu_train.py [device]

Ten classes of images are a pattern each, under noise. Steps run eager and captured, from the same start: their losses
must have the same bits, and new images must be told apart. Prints the accuracy and the time of a step; exits non-zero
where either fails.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

import lamina
from lamina.models import SmallResNet
from lamina.nn import functional as F

CLASSES, SIDE, WIDTHS = 10, 8, (16, 32, 64)
NOISE = 0.5  # of patterns of 1


def draw(rng: np.random.Generator, patterns: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    labels = rng.integers(0, CLASSES, count)
    noise = rng.standard_normal((count, 1, SIDE, SIDE)).astype(np.float32)
    return patterns[labels] + NOISE * noise, labels


def train(
    device: str, captured: bool, steps: int, batch: int
) -> tuple[list[float], float, Callable[..., lamina.Tensor]]:
    """Losses, seconds a step over the second half, and the trained network."""
    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((CLASSES, 1, SIDE, SIDE)).astype(np.float32)
    lamina.manual_seed(0)
    model = SmallResNet(1, CLASSES, WIDTHS, False).to(device)
    optimizer = lamina.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)

    def step(x: lamina.Tensor, y: lamina.Tensor) -> lamina.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        return loss.detach()

    run = lamina.capture(step) if captured else step
    losses, begun = [], 0.0
    for i in range(steps):
        if i == steps // 2:
            losses[-1].item()
            begun = time.perf_counter()
        x, y = (lamina.tensor(a, device=device) for a in draw(rng, patterns, batch))
        losses.append(run(x, y))
    values = [loss.item() for loss in losses]
    seconds = (time.perf_counter() - begun) / (steps - steps // 2)
    model.eval()
    x, y = draw(rng, patterns, 4 * batch)

    def accuracy() -> lamina.Tensor:
        with lamina.inference_mode():
            scores = model(lamina.tensor(x, device=device)).cpu()
        return (scores.argmax(1) == lamina.tensor(y)).float().mean()

    return values, seconds, accuracy


def main(device: str = "cuda", steps: int = 200, batch: int = 64, wanted: float = 0.95) -> int:
    losses, seconds, accuracy = train(device, False, steps, batch)
    fast_losses, fast_seconds, fast_accuracy = train(device, True, steps, batch)
    right = [accuracy().item(), fast_accuracy().item()]
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f} in {steps} steps; {right[0]:.1%} of new images right")
    print(f"a step of {batch} images: {1e3 * seconds:.2f} ms eager, {1e3 * fast_seconds:.2f} ms captured")
    if fast_losses != losses or right[0] != right[1]:
        print("WRONG: captured steps differ from eager ones")
        return 1
    if right[0] < wanted:
        print(f"WRONG: expected at least {wanted:.0%}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
