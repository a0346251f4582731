"""Datasets, samplers, the loader and its workers: order, seeds, resuming, errors."""

from __future__ import annotations

import threading
import time
from collections import Counter, namedtuple

import numpy as np
import pytest

import lamina
from lamina import data


class Noisy(data.Dataset):
    """Sample i is i plus noise from the sample's own stream."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> float:
        return index + float(data.sample_generator().random())


def batches(loader: data.DataLoader) -> list[list[float]]:
    return [batch.tolist() for batch in loader]


def seeded(seed: int) -> lamina.Generator:
    return lamina.Generator().manual_seed(seed)


def make_loader(n: int = 50, **kwargs) -> data.DataLoader:
    options = {"batch_size": 8, "shuffle": True, "generator": seeded(3), **kwargs}
    return data.DataLoader(Noisy(n), **options)


# -- datasets


def test_tensor_dataset_rows_and_batches():
    dataset = data.TensorDataset(lamina.arange(12).reshape(6, 2), lamina.arange(6))
    assert len(dataset) == 6
    assert [part.tolist() for part in dataset[2]] == [[4, 5], 2]
    assert [part.tolist() for part in dataset.get_batch([5, 0])] == [[[10, 11], [0, 1]], [5, 0]]


def test_tensor_dataset_refuses_unequal_rows():
    with pytest.raises(ValueError, match=r"\[TensorDataset\].*\[2, 3\]"):
        data.TensorDataset(lamina.zeros(2), lamina.zeros(3))


def test_concat_and_subset():
    both = data.TensorDataset(lamina.arange(3)) + data.TensorDataset(lamina.arange(10, 14))
    assert [both[i][0].item() for i in range(len(both))] == [0, 1, 2, 10, 11, 12, 13]
    assert both[-1][0].item() == 13
    subset = data.Subset(both, [6, 0, 3])
    assert [subset[i][0].item() for i in range(3)] == [13, 0, 10]
    assert subset.get_batch([0, 2])[0].tolist() == [13, 10]
    for index in (7, -8):
        with pytest.raises(IndexError):
            both[index]


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [([7, 3], [7, 3]), ([0.5, 0.25, 0.25], [6, 2, 2]), ([1.0], [10]), ([10, 0], [10, 0])],
)
def test_random_split(lengths, sizes):
    parts = data.random_split(Noisy(10), lengths, seeded(0))
    assert [len(part) for part in parts] == sizes
    assert sorted(i for part in parts for i in part.indices) == list(range(10))
    again = data.random_split(Noisy(10), lengths, seeded(0))
    assert [part.indices for part in parts] == [part.indices for part in again]


@pytest.mark.parametrize("lengths", [[7, 4], [-1, 11], [0.5, 0.4]])
def test_random_split_refuses(lengths):
    with pytest.raises(ValueError, match=r"\[random_split\]"):
        data.random_split(Noisy(10), lengths)


# -- samplers


def test_random_sampler_permutes_anew_each_pass():
    sampler = data.RandomSampler(range(100), generator=seeded(1))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second
    assert list(data.RandomSampler(range(100), generator=seeded(1))) == first
    sampler.set_epoch(0)
    assert list(sampler) == first


def test_random_sampler_counts():
    assert len(list(data.RandomSampler(range(5), num_samples=3))) == 3
    more = list(data.RandomSampler(range(5), num_samples=13))
    assert len(more) == 13
    assert sorted(more[:5]) == sorted(more[5:10]) == list(range(5))
    replaced = list(data.RandomSampler(range(4), replacement=True, num_samples=4000, generator=seeded(0)))
    assert all(abs(count - 1000) < 150 for count in Counter(replaced).values())
    assert list(data.RandomSampler(range(0))) == []


def test_weighted_sampler_follows_weights():
    draws = Counter(data.WeightedRandomSampler([1, 0, 3], 4000, generator=seeded(0)))
    assert draws[1] == 0
    assert draws[2] / draws[0] == pytest.approx(3, rel=0.15)
    without = list(data.WeightedRandomSampler([1, 2, 0, 4], 3, replacement=False))
    assert sorted(without) == [0, 1, 3]


def test_subset_sampler_and_batches():
    order = list(data.SubsetRandomSampler([4, 7, 9], generator=seeded(0)))
    assert sorted(order) == [4, 7, 9]
    sampler = data.BatchSampler(data.SequentialSampler(range(7)), 3, drop_last=True)
    assert list(sampler) == [[0, 1, 2], [3, 4, 5]]
    assert len(sampler) == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: data.BatchSampler(range(3), 0, False),
        lambda: data.RandomSampler(range(3), num_samples=0),
        lambda: data.WeightedRandomSampler([0, 0], 1),
        lambda: data.WeightedRandomSampler([1, -1], 1),
        lambda: data.WeightedRandomSampler([1, float("nan")], 1),
        lambda: data.WeightedRandomSampler([1, 0], 2, replacement=False),
        lambda: list(data.RandomSampler(range(0), num_samples=2)),
    ],
)
def test_samplers_refuse(make):
    with pytest.raises(ValueError, match="expected"):
        make()


# -- collating


def test_default_collate_agrees_with_torch(torch):
    Point = namedtuple("Point", "x y")
    samples = [
        {
            "image": np.full((2, 3), i, np.float32),
            "label": i,
            "score": i / 2,
            "name": f"s{i}",
            "p": Point(i, [i]),
        }
        for i in range(3)
    ]
    ours, theirs = data.default_collate(samples), torch.utils.data.default_collate(samples)
    assert ours["name"] == theirs["name"]
    for key in ("image", "label", "score"):
        assert str(ours[key].dtype).split(".")[1] == str(theirs[key].dtype).split(".")[1]
        assert ours[key].tolist() == theirs[key].tolist()
    assert ours["p"].x.tolist() == theirs["p"].x.tolist()
    assert ours["p"].y[0].tolist() == theirs["p"].y[0].tolist()


def test_default_collate_tensors_and_bools():
    stacked, flags = data.default_collate([(lamina.ones(2), True), (lamina.zeros(2), False)])
    assert stacked.tolist() == [[1, 1], [0, 0]]
    assert flags.dtype == lamina.bool


@pytest.mark.parametrize(
    ("samples", "error", "match"),
    [
        ([np.zeros(2), np.zeros(3)], ValueError, r"equal shape, got \(2,\) and \(3,\)"),
        ([[1, 2], [3]], ValueError, "equal length"),
        ([{"a": 1}, {"b": 1}], ValueError, "equal keys"),
        ([], ValueError, "at least one"),
        ([object()], TypeError, "got object"),
    ],
)
def test_default_collate_refuses(samples, error, match):
    with pytest.raises(error, match=match):
        data.default_collate(samples)


# -- the loader


@pytest.mark.parametrize("num_workers", [1, 3])
def test_workers_change_nothing(num_workers):
    plain, threaded = make_loader(), make_loader(num_workers=num_workers)
    for _ in range(2):
        assert batches(plain) == batches(threaded)


def test_epochs_differ_and_seeds_repeat():
    loader = make_loader()
    first, second = batches(loader), batches(loader)
    assert first != second
    assert sorted(int(x) for batch in first for x in batch) == list(range(50))
    again = make_loader()
    assert [batches(again), batches(again)] == [first, second]
    assert batches(make_loader(generator=seeded(4))) != first


def test_manual_seed_rules_the_loader():
    runs = []
    for _ in range(2):
        lamina.manual_seed(11)
        runs.append(batches(make_loader(generator=None)))
    assert runs[0] == runs[1]


def test_two_passes_at_once_are_two_epochs():
    loader = make_loader()
    pairs = list(zip(loader, loader, strict=True))
    assert all(a.tolist() != b.tolist() for a, b in pairs)


def test_lengths_and_drop_last():
    assert [len(b) for b in make_loader(20)] == [8, 8, 4]
    loader = make_loader(20, drop_last=True)
    assert [len(b) for b in loader] == [8, 8]
    assert len(loader) == 2
    assert len(make_loader(20)) == 3
    assert list(make_loader(0, shuffle=False)) == []


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("stop", [0, 1, 4, 7])
def test_resume_in_the_middle_of_an_epoch(num_workers, stop):
    whole = make_loader(num_workers=num_workers)
    expected = batches(whole) + batches(whole)
    loader = make_loader(num_workers=num_workers)
    got = []
    if stop:
        for number, batch in enumerate(loader, 1):
            got.append(batch.tolist())
            if number == stop:
                break
    state = loader.state_dict()
    resumed = make_loader(num_workers=num_workers, generator=seeded(99))
    resumed.load_state_dict(state)
    got += batches(resumed)
    assert len(got) == len(resumed)
    assert got + batches(resumed) == expected


def test_batch_sampler_and_no_batching():
    dataset = data.TensorDataset(lamina.arange(6))
    loader = data.DataLoader(dataset, batch_sampler=[[5, 0], [3]])
    assert [batch[0].tolist() for batch in loader] == [[5, 0], [3]]
    single = data.DataLoader(np.arange(4.0), batch_size=None)
    assert [value.item() for value in single] == [0, 1, 2, 3]
    bulk = data.DataLoader(np.arange(6), batch_size=None, sampler=data.BatchSampler(range(6), 4, False))
    assert [batch.tolist() for batch in bulk] == [[0, 1, 2, 3], [4, 5]]


def test_foreign_datasets_and_collate_fn():
    loader = data.DataLoader([3, 1, 2], batch_size=2, collate_fn=sum)
    assert list(loader) == [4, 2]


def test_worker_exception_reaches_the_consumer_with_its_traceback():
    class Broken(Noisy):
        def __getitem__(self, index):
            if index == 5:
                raise KeyError("sample five is broken")
            return index

    loader = data.DataLoader(Broken(20), batch_size=2, num_workers=2)
    seen = []
    with pytest.raises(KeyError, match="sample five is broken") as caught:
        for batch in loader:
            seen.append(batch.tolist())
    assert seen == [[0, 1], [2, 3]]  # in its turn, although a later batch may have been ready
    assert "__getitem__" in [entry.name for entry in caught.traceback]
    assert threads() == 0


def threads() -> int:
    return sum(thread.name.startswith("lamina-data") for thread in threading.enumerate())


def test_leaving_early_joins_the_workers():
    loader = make_loader(1000, num_workers=3)
    for _ in loader:
        break
    assert threads() == 0
    passes = iter(loader)
    next(passes)
    assert threads() > 0
    passes.close()
    assert threads() == 0


def test_prefetch_is_bounded():
    fetched = []

    class Counting(Noisy):
        def __getitem__(self, index):
            fetched.append(index)
            return index

    loader = data.DataLoader(Counting(100), batch_size=1, num_workers=2, prefetch_factor=3)
    passes = iter(loader)
    next(passes)
    time.sleep(0.1)
    assert len(fetched) <= 1 + 2 * 3
    passes.close()


def test_worker_info_and_init():
    started = []

    class Asking(Noisy):
        def __getitem__(self, index):
            info = data.get_worker_info()
            assert info.num_workers == 2
            assert info.dataset is dataset
            return info.id

    dataset = Asking(40)
    loader = data.DataLoader(dataset, batch_size=1, num_workers=2, worker_init_fn=started.append)
    assert {int(batch.item()) for batch in loader} <= {0, 1}
    assert set(started) <= {0, 1}
    assert started
    assert data.get_worker_info() is None


def test_failing_worker_init_is_raised():
    def fail(number):
        raise OSError(f"worker {number} has no disk")

    with pytest.raises(OSError, match="has no disk"):
        list(make_loader(num_workers=1, worker_init_fn=fail))


def test_timeout():
    class Slow(Noisy):
        def __getitem__(self, index):
            time.sleep(0.5)
            return index

    loader = data.DataLoader(Slow(2), batch_size=1, num_workers=1, timeout=0.05)
    with pytest.raises(RuntimeError, match="no batch arrived within"):
        list(loader)


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 0},
        {"batch_size": -1},
        {"num_workers": -1},
        {"prefetch_factor": 2},
        {"timeout": 3},
        {"num_workers": 1, "prefetch_factor": 0},
        {"shuffle": True, "sampler": [0]},
        {"batch_sampler": [[0]], "batch_size": 2},
        {"batch_sampler": [[0]], "shuffle": True},
        {"batch_size": None, "drop_last": True},
    ],
)
def test_loader_refuses(arguments):
    with pytest.raises(ValueError, match=r"\[(DataLoader|BatchSampler)\]"):
        data.DataLoader(Noisy(4), **arguments)


def test_loader_refuses_what_has_no_items():
    with pytest.raises(TypeError, match="__getitem__"):
        data.DataLoader(iter([1, 2]))


@pytest.mark.skipif(lamina.cuda.is_available(), reason="this machine has a CUDA device")
def test_pin_memory_warns():
    with pytest.warns(UserWarning, match="pin_memory"):
        make_loader(pin_memory=True)


@pytest.mark.skipif(not lamina.cuda.is_available(), reason=lamina.cuda.unavailable_reason())
def test_batches_in_pinned_memory():
    samples = [{"x": np.float32(i), "pair": (i, f"name {i}")} for i in range(4)]
    for batch in data.DataLoader(samples, batch_size=2, pin_memory=True):
        assert batch["x"].is_pinned()
        assert batch["pair"][0].is_pinned()
        assert lamina.equal(batch["x"].to("cuda", non_blocking=True).cpu(), batch["x"])


def test_batched_transforms_change_nothing_with_workers():
    images = np.arange(40 * 8 * 8, dtype=np.uint8).reshape(40, 8, 8, 1)
    transform = data.Compose([data.RandomCrop(8, padding=2), data.RandomHorizontalFlip(), data.ToTensor()])
    dataset = data.ArrayDataset(images, np.arange(40) % 10, transform)
    results = []
    for num_workers in (0, 2):
        loader = data.DataLoader(dataset, 8, shuffle=True, num_workers=num_workers, generator=seeded(5))
        results.append([(x.numpy(), y.numpy()) for x, y in loader])
    for (x, y), (x2, y2) in zip(*results, strict=True):
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(y, y2)
