"""Files of data sets: IDX, MNIST's places, downloads, CIFAR-10, digits, image folders; damaged ones by name."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import struct
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

from lamina import data
from lamina.data.download import download


def idx_bytes(array: np.ndarray) -> bytes:
    code = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}[array.dtype.name]
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_mnist(folder: Path, suffix: str = ".gz", n: int = 7) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pack = gzip.compress if suffix else bytes
    for part in ("train", "t10k"):
        images = np.arange(n * 28 * 28, dtype=np.uint8).reshape(n, 28, 28)
        (folder / f"{part}-images-idx3-ubyte{suffix}").write_bytes(pack(idx_bytes(images)))
        labels = (np.arange(n) % 10).astype(np.uint8)
        (folder / f"{part}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx_bytes(labels)))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_read_idx(tmp_path, dtype, pack):
    array = np.random.default_rng(0).normal(size=(3, 4, 2)).astype(dtype)
    (tmp_path / "x").write_bytes(pack(idx_bytes(array)))
    got = data.read_idx(tmp_path / "x")
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array)


GOOD = idx_bytes(np.zeros((3, 4), np.uint8))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "magic"),
        (b"\x89PNG\r\n\x1a\n", "magic.*89 50 4e 47"),
        (b"\0\0\x0a\x01\0\0\0\0", "magic"),
        (GOOD[:9], "2 sizes in the header, got 5 bytes"),
        (GOOD[:-1], r"12 bytes of values for \(3, 4\), got 11"),
        (GOOD + b"\0", "12 bytes.*got more"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "plausible shape"),
        (gzip.compress(GOOD)[:-10], "whole gzip file"),
        (gzip.compress(GOOD)[:-6] + b"\0\0\0\0\0\0", "whole gzip file"),
        (b"\x1f\x8b" + b"\xff" * 30, "whole gzip file"),
    ],
)
def test_read_idx_names_damaged_files(tmp_path, content, match):
    (tmp_path / "broken-idx").write_bytes(content)
    with pytest.raises(ValueError, match=rf"(?s)broken-idx.*{match}"):
        data.read_idx(tmp_path / "broken-idx")


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_from_the_cache(tmp_path, monkeypatch, suffix):
    write_mnist(tmp_path / "MNIST" / "raw", suffix)
    monkeypatch.setenv("LAMINA_HOME", str(tmp_path))
    dataset = data.MNIST(train=False, download=False)
    assert dataset.images.shape == (7, 28, 28, 1)
    assert dataset[3][1] == 3
    assert dataset.classes[3] == "3"


def test_fashion_mnist_from_the_system_folder(tmp_path, monkeypatch):
    write_mnist(tmp_path / "system")
    monkeypatch.setattr(data.FashionMNIST, "system_folder", tmp_path / "system")
    assert len(data.FashionMNIST(tmp_path / "cache", download=False)) == 7


def test_mnist_that_is_nowhere(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte.*MNIST/raw"):
        data.MNIST(tmp_path, download=False)


@pytest.mark.parametrize(
    ("labels", "match"), [(np.zeros(6, np.uint8), "7 labels"), (np.full(7, 10, np.uint8), "below 10")]
)
def test_mnist_with_wrong_labels(tmp_path, labels, match):
    folder = tmp_path / "MNIST" / "raw"
    write_mnist(folder)
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(idx_bytes(labels))
    with pytest.raises(ValueError, match=rf"train-labels-idx1-ubyte.gz.*{match}"):
        data.MNIST(tmp_path, download=False)


@pytest.fixture
def server(tmp_path):
    """Address of a server of tmp_path/served."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()
        thread.join()


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def test_mnist_downloads_once(tmp_path, server, monkeypatch):
    write_mnist(tmp_path / "served")
    files = {path.name[:-3]: md5(path) for path in (tmp_path / "served").iterdir()}
    monkeypatch.setattr(data.MNIST, "mirrors", (server + "gone/", server))
    monkeypatch.setattr(data.MNIST, "md5", files)
    assert len(data.MNIST(tmp_path / "cache")) == 7
    for path in (tmp_path / "served").iterdir():
        path.unlink()
    assert len(data.MNIST(tmp_path / "cache")) == 7


def test_corrupt_download_is_removed(tmp_path, server, monkeypatch):
    write_mnist(tmp_path / "served")
    monkeypatch.setattr(data.MNIST, "mirrors", (server,))
    with pytest.raises(ValueError, match=r"expected a file with md5:f68b.*removed"):
        data.MNIST(tmp_path / "cache")
    assert list((tmp_path / "cache" / "MNIST" / "raw").iterdir()) == []


def test_download_without_a_network(tmp_path):
    with pytest.raises(ConnectionError, match=r"could not fetch http://127.0.0.1:9/x .*put the file at .*/x"):
        download(["http://127.0.0.1:9/x"], tmp_path / "x", "md5:0")
    assert list(tmp_path.iterdir()) == []


def cifar_records(n: int) -> bytes:
    return b"".join(
        bytes([i % 10]) + bytes([10, 20, 30][c] + i for c in range(3) for _ in range(1024)) for i in range(n)
    )


def test_cifar10_downloads_and_reads(tmp_path, server, monkeypatch):
    archive = tmp_path / "served" / "cifar-10-binary.tar.gz"
    folder = tmp_path / data.CIFAR10.folder
    folder.mkdir()
    for name in data.CIFAR10.train_files + data.CIFAR10.test_files:
        (folder / name).write_bytes(cifar_records(3))
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, folder.name)
    monkeypatch.setattr(data.CIFAR10, "url", server + archive.name)
    monkeypatch.setattr(data.CIFAR10, "checksum", f"md5:{md5(archive)}")
    train = data.CIFAR10(tmp_path / "cache")
    assert train.images.shape == (15, 32, 32, 3)
    assert train.images[1, 4, 5].tolist() == [11, 21, 31]
    assert train.targets.tolist() == [0, 1, 2] * 5
    assert len(data.CIFAR10(tmp_path / "cache", train=False, download=False)) == 3
    assert train.classes[0] == "airplane"


@pytest.mark.parametrize(
    ("content", "match"), [(b"", "got 0"), (cifar_records(2)[:-1], "3073"), (b"\x0b" * 3073, "below 10")]
)
def test_cifar10_names_damaged_files(tmp_path, content, match):
    (tmp_path / "data_batch_1.bin").write_bytes(content)
    with pytest.raises(ValueError, match=rf"data_batch_1.bin.*{match}"):
        data.read_cifar10_batch(tmp_path / "data_batch_1.bin")


def test_cifar10_that_is_nowhere(tmp_path):
    with pytest.raises(FileNotFoundError, match="cifar-10-batches-bin"):
        data.CIFAR10(tmp_path, download=False)


def test_digits_hold_out_a_fixed_fifth():
    train, test = data.Digits(train=True), data.Digits(train=False)
    assert len(train) + len(test) == 1797
    assert len(test) == pytest.approx(1797 / 5, abs=5)
    counts = np.bincount(test.targets), np.bincount(train.targets)
    np.testing.assert_allclose(counts[0] / (counts[0] + counts[1]), 0.2, atol=0.01)
    assert train.images.shape[1:] == (8, 8, 1)
    assert train.images.max() == 255
    assert hashlib.sha256(test.images.tobytes()).hexdigest().startswith("0e1fb3981ddae808")


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'lamina\[train\]'"):
        data.Digits()


def test_image_folder(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    for name, value in (("dog", 200), ("cat", 50)):
        (tmp_path / name / "deep").mkdir(parents=True)
        Image.new("L", (5, 4), value).save(tmp_path / name / "b.png")
        Image.new("RGB", (5, 4), (value, 0, 0)).save(tmp_path / name / "deep" / "a.PNG")
        (tmp_path / name / "notes.txt").write_text("not an image")
    dataset = data.ImageFolder(tmp_path, transform=data.ToTensor())
    assert dataset.classes == ["cat", "dog"]
    assert dataset.class_to_idx == {"cat": 0, "dog": 1}
    assert dataset.targets == [0, 0, 1, 1]
    assert [Path(path).name for path, _ in dataset.samples] == ["b.png", "a.PNG"] * 2
    x, label = dataset[2]
    assert tuple(x.shape) == (3, 4, 5)
    assert label == 1
    batch = next(iter(data.DataLoader(dataset, 4, num_workers=2)))
    assert tuple(batch[0].shape) == (4, 3, 4, 5)


def test_image_folder_refuses(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        data.ImageFolder(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="a folder per class"):
        data.ImageFolder(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(FileNotFoundError, match=r"none of \['cat'\]"):
        data.ImageFolder(tmp_path)
    Image.new("RGB", (50, 40)).save(tmp_path / "cat" / "whole.bmp")
    whole = (tmp_path / "cat" / "whole.bmp").read_bytes()
    (tmp_path / "cat" / "cut.bmp").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cat" / "text.jpg").write_text("hello")
    dataset = data.ImageFolder(tmp_path)
    for index, name in ((0, "cut.bmp"), (1, "text.jpg")):
        with pytest.raises(ValueError, match=name):
            dataset[index]
