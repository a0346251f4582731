"""Image folders: one subfolder per class, images decoded by Pillow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .dataset import Dataset

if TYPE_CHECKING:
    from PIL.Image import Image

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def pil_loader(path: str | Path) -> Image:
    """Decodes an image file into RGB.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        ValueError: the file is truncated or not an image; the message names it.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("[ImageFolder] decoding needs Pillow: pip install pillow") from error
    with open(path, "rb") as file:
        try:
            return Image.open(file).convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(f"[ImageFolder] {path}: expected a whole image file, got {error}") from error


class ImageFolder(Dataset[tuple[Any, Any]]):
    """Images in folders named after their class: ``root/cat/1.png``, ``root/dog/2.jpg``, …

    Args:
        root: the folder of class folders.
        transform: applied to the image, a Pillow image in RGB unless ``loader`` says otherwise.
        target_transform: applied to the label, an int.
        loader: reads one file.
        is_valid_file: chooses files instead of the usual image extensions.

    Attributes:
        classes: names of the class folders, sorted.
        class_to_idx: label of each class.
        samples: list of (path, label).
        targets: list of labels.

    Raises:
        FileNotFoundError: there is no such folder, no class folder in it or a class without images.
    """

    def __init__(
        self,
        root: str | Path,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] = pil_loader,
        is_valid_file: Callable[[str], bool] | None = None,
    ) -> None:
        self.root = Path(root)
        self.transform = transform
        self.target_transform = target_transform
        self.loader = loader
        if not self.root.is_dir():
            raise FileNotFoundError(f"[ImageFolder] expected a folder, got {self.root}")
        self.classes = sorted(entry.name for entry in self.root.iterdir() if entry.is_dir())
        if not self.classes:
            raise FileNotFoundError(f"[ImageFolder] expected a folder per class in {self.root}, got none")
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        valid = is_valid_file or (lambda path: path.lower().endswith(IMG_EXTENSIONS))
        self.samples = [
            (str(path), label)
            for name, label in self.class_to_idx.items()
            for path in sorted((self.root / name).rglob("*"))
            if path.is_file() and valid(str(path))
        ]
        self.targets = [label for _, label in self.samples]
        if empty := sorted(set(self.classes) - {self.classes[label] for label in self.targets}):
            raise FileNotFoundError(
                f"[ImageFolder] expected images of every class in {self.root}, none of {empty}"
            )

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, label = self.samples[index]
        image = self.loader(path)
        if self.transform is not None:
            image = self.transform(image)
        return image, label if self.target_transform is None else self.target_transform(label)

    def __len__(self) -> int:
        return len(self.samples)
