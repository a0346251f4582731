"""MNIST and Fashion-MNIST: 60,000 + 10,000 grey images of 28×28 pixels in ten classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from .dataset import ArrayDataset
from .download import cache_home, download
from .idx import read_idx


class MNIST(ArrayDataset):
    """Handwritten digits (LeCun, Cortes & Burges). Samples are (image uint8 [28, 28, 1], label).

    Files are looked for in the cache, then in the system's folder of data sets, then downloaded.

    Args:
        root: cache folder (default: ``$LAMINA_HOME`` or ``~/.cache/lamina``).
        train: the 60,000 training images rather than the 10,000 test images.
        transform: applied to an image, or to a batch of them.
        target_transform: applied to a label.
        download: whether the network may be asked.

    Raises:
        FileNotFoundError: the files are nowhere and ``download`` is false.
        ConnectionError: they could not be downloaded.
        ValueError: a file is damaged; the message names it.
    """

    mirrors: ClassVar[tuple[str, ...]] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    system_folder: ClassVar[Path | None] = None
    md5: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
    }
    class_names: ClassVar[tuple[str, ...]] = tuple("0123456789")

    def __init__(
        self,
        root: str | Path | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = True,
    ) -> None:
        # torchvision's layout, so that both share a cache
        folder = (cache_home() if root is None else Path(root)) / type(self).__name__ / "raw"
        part = "train" if train else "t10k"
        images_file = self._find(folder, f"{part}-images-idx3-ubyte", download)
        labels_file = self._find(folder, f"{part}-labels-idx1-ubyte", download)
        images, labels = read_idx(images_file), read_idx(labels_file)
        if images.ndim != 3 or images.dtype.name != "uint8":
            raise ValueError(f"{images_file}: expected uint8 [N, H, W], got {images.dtype} {images.shape}")
        if labels.shape != images.shape[:1] or labels.max(initial=0) >= len(self.class_names):
            raise ValueError(
                f"{labels_file}: expected {len(images)} labels below {len(self.class_names)}, got shape "
                f"{labels.shape} and labels up to {labels.max(initial=0)}"
            )
        super().__init__(images[..., None], labels, transform, target_transform, self.class_names)

    @classmethod
    def _find(cls, folder: Path, name: str, may_download: bool) -> Path:
        places = [folder] if cls.system_folder is None else [folder, cls.system_folder]
        for place in places:
            for candidate in (place / name, place / f"{name}.gz"):
                if candidate.is_file():
                    return candidate
        if not may_download:
            looked = " or ".join(str(place) for place in places)
            raise FileNotFoundError(
                f"[{cls.__name__}] expected {name} or {name}.gz in {looked}, found neither"
            )
        urls = [f"{mirror}{name}.gz" for mirror in cls.mirrors]
        return download(urls, folder / f"{name}.gz", f"md5:{cls.md5[name]}")


class FashionMNIST(MNIST):
    """Articles of clothing (Xiao, Rasul & Vollgraf, 2017, arXiv:1708.07747), in the form of ``MNIST``.

    Debian's package ``dataset-fashion-mnist`` puts the files into the system's folder.
    """

    mirrors = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
    system_folder = Path("/usr/share/datasets/fashion-mnist")
    md5: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    }
    class_names = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
