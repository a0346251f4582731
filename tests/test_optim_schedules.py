"""Schedules follow torch's, alone, chained and resumed; moving momentum too."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import lamina
from lamina import nn, optim
from lamina.optim import lr_scheduler, swa_utils

SETTINGS = [
    ("LambdaLR", {"lr_lambda": lambda epoch: 1 / (1 + epoch)}),
    ("LambdaLR", {"lr_lambda": [lambda epoch: 0.9**epoch, lambda epoch: 1.0]}),
    ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.9 + 0.01 * epoch}),
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 7, 7, 11], "gamma": 0.3}),
    ("ConstantLR", {"factor": 0.25, "total_iters": 4}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.8, "total_iters": 7}),
    ("LinearLR", {}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("PolynomialLR", {"total_iters": 9, "power": 2.0}),
    ("CosineAnnealingLR", {"T_max": 8, "eta_min": 0.01}),
    ("CosineAnnealingLR", {"T_max": 5}),
    ("CosineAnnealingWarmRestarts", {"T_0": 4}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.01}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.5, "step_size_up": 4}),
    ("CyclicLR", {"base_lr": [0.01, 0.1], "max_lr": 0.5, "step_size_up": 3, "step_size_down": 5}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.5, "step_size_up": 4, "mode": "triangular2"}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.5, "step_size_up": 4, "mode": "exp_range", "gamma": 0.9}),
    (
        "CyclicLR",
        {
            "base_lr": 0.01,
            "max_lr": 0.5,
            "step_size_up": 4,
            "scale_fn": lambda x: 1 / x,
            "cycle_momentum": False,
        },
    ),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 40}),
    ("OneCycleLR", {"max_lr": [0.5, 0.1], "epochs": 8, "steps_per_epoch": 5, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 41, "three_phase": True, "cycle_momentum": False}),
]
IDS = [f"{name}-{i}" for i, (name, _) in enumerate(SETTINGS)]


def make(lib, kind="SGD"):
    """An optimizer of two groups."""
    params = [
        {"params": [lib.nn.Parameter(lib.ones(1))]},
        {"params": [lib.nn.Parameter(lib.ones(1))], "lr": 0.07},
    ]
    options = {"momentum": 0.9} if kind == "SGD" else {}
    return getattr(lib.optim, kind)(params, lr=0.3, **options)


def state_of(optimizer):
    """What a schedule may change."""
    return [
        [group["lr"], group.get("momentum", 0.0), *group.get("betas", ())] for group in optimizer.param_groups
    ]


def follow(ours, theirs, steps, argument=None):
    """Steps two pairs of (optimizer, schedule) and compares them."""
    for epoch in range(steps):
        np.testing.assert_allclose(state_of(ours[0]), state_of(theirs[0]), rtol=1e-12, atol=1e-15)
        assert ours[1].get_last_lr() == pytest.approx([float(x) for x in theirs[1].get_last_lr()], rel=1e-12)
        for optimizer, schedule in (theirs, ours):
            optimizer.step()
            schedule.step(*(() if argument is None else (argument(epoch),)))


@pytest.fixture(autouse=True)
def _torch_warns_of_epochs():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name, options", SETTINGS, ids=IDS)
def test_as_torch(name, options, kind, torch):
    ours, theirs = make(lamina, kind), make(torch, kind)
    follow(
        (ours, getattr(lr_scheduler, name)(ours, **options)),
        (theirs, getattr(torch.optim.lr_scheduler, name)(theirs, **options)),
        40,
    )


@pytest.mark.parametrize("name, options", SETTINGS, ids=IDS)
def test_a_rate_set_by_hand_is_kept_as_torch_does(name, options, torch):
    pairs = []
    for lib in (lamina, torch):
        optimizer = make(lib)
        schedule = getattr(lib.optim.lr_scheduler, name)(optimizer, **options)
        for epoch in range(12):
            optimizer.step()
            schedule.step()
            if epoch == 4:
                optimizer.param_groups[0]["lr"] *= 2
        pairs.append(state_of(optimizer))
    np.testing.assert_allclose(pairs[0], pairs[1], rtol=1e-12)


@pytest.mark.parametrize("name, options", SETTINGS, ids=IDS)
def test_resumed_from_a_state_dict(name, options, torch):
    """Ours after a round trip through JSON-like state, and torch's own state dict."""
    optimizer = make(lamina)
    schedule = getattr(lr_scheduler, name)(optimizer, **options)
    reference = make(torch)
    theirs = getattr(torch.optim.lr_scheduler, name)(reference, **options)
    for _ in range(7):
        for o, s in ((optimizer, schedule), (reference, theirs)):
            o.step()
            s.step()
    again = make(lamina)
    resumed = getattr(lr_scheduler, name)(again, **options)
    again.load_state_dict(optimizer.state_dict())
    state = schedule.state_dict()
    assert all(not callable(v) for v in state.values())
    resumed.load_state_dict(state)
    third = make(lamina)
    from_torch = getattr(lr_scheduler, name)(third, **options)
    third.load_state_dict(reference.state_dict())
    from_torch.load_state_dict(theirs.state_dict())
    for _ in range(12):
        for o, s in ((optimizer, schedule), (again, resumed), (third, from_torch)):
            o.step()
            s.step()
        assert state_of(again) == state_of(optimizer)
        np.testing.assert_allclose(state_of(third), state_of(optimizer), rtol=1e-12)


def test_state_goes_through_a_checkpoint(tmp_path):
    optimizer = make(lamina)
    schedule = lr_scheduler.MultiStepLR(optimizer, [1, 3])
    schedule.step()
    path = tmp_path / "state.safetensors"
    lamina.save_checkpoint({"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}, path)
    state = lamina.load_checkpoint(path)
    again = make(lamina)
    resumed = lr_scheduler.MultiStepLR(again, [])
    again.load_state_dict(state["optimizer"])
    resumed.load_state_dict(state["schedule"])
    for _ in range(3):
        schedule.step()
        resumed.step()
    assert state_of(again) == state_of(optimizer)


@pytest.mark.parametrize("name, options", SETTINGS, ids=IDS)
def test_step_to_an_epoch(name, options, torch):
    ours, theirs = make(lamina), make(torch)
    a = getattr(lr_scheduler, name)(ours, **options)
    b = getattr(torch.optim.lr_scheduler, name)(theirs, **options)
    for epoch in (3, 0, 7, 20):
        a.step(epoch)
        b.step(epoch)
        np.testing.assert_allclose(state_of(ours), state_of(theirs), rtol=1e-12, atol=1e-15)


def test_restarts_by_fractions_of_an_epoch(torch):
    for options in ({"T_0": 3}, {"T_0": 2, "T_mult": 3}):
        ours, theirs = make(lamina), make(torch)
        a = lr_scheduler.CosineAnnealingWarmRestarts(ours, **options)
        b = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(theirs, **options)
        follow((ours, a), (theirs, b), 60, argument=lambda i: i / 3)


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2},
        {"mode": "max", "patience": 1, "factor": 0.5},
        {"patience": 1, "threshold": 0.3, "threshold_mode": "abs", "cooldown": 3},
        {"mode": "max", "patience": 0, "threshold": 0.1, "threshold_mode": "abs", "min_lr": [0.05, 0.01]},
        {"patience": 0, "factor": 0.1, "eps": 0.05},
    ],
)
def test_plateau(options, torch):
    metrics = np.random.default_rng(0).standard_normal(60)
    ours, theirs = make(lamina), make(torch)
    follow(
        (ours, lr_scheduler.ReduceLROnPlateau(ours, **options)),
        (theirs, torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)),
        60,
        argument=lambda i: float(metrics[i]),
    )


def test_plateau_resumes():
    optimizer = make(lamina)
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, patience=1)
    for metric in (1.0, 2.0):
        schedule.step(lamina.tensor(metric))
    again = make(lamina)
    resumed = lr_scheduler.ReduceLROnPlateau(again)
    resumed.load_state_dict(schedule.state_dict())
    schedule.step(2.0)
    resumed.step(2.0)
    assert state_of(again) == state_of(optimizer)
    assert again.param_groups[0]["lr"] == pytest.approx(0.03)


def sequential(module, optimizer):
    warm = module.LinearLR(optimizer, start_factor=0.1, total_iters=4)
    wave = module.CosineAnnealingLR(optimizer, T_max=5)
    drop = module.ExponentialLR(optimizer, gamma=0.5)
    return module.SequentialLR(optimizer, [warm, wave, drop], milestones=[4, 12])


def chained(module, optimizer):
    parts = [
        module.ConstantLR(optimizer, factor=0.5, total_iters=3),
        module.ExponentialLR(optimizer, gamma=0.9),
        module.MultiStepLR(optimizer, milestones=[5], gamma=0.1),
    ]
    return module.ChainedScheduler(parts)


def nested(module, optimizer):
    first = module.ChainedScheduler(
        [module.LinearLR(optimizer, total_iters=3), module.ExponentialLR(optimizer, gamma=0.9)]
    )
    return module.SequentialLR(optimizer, [first, module.StepLR(optimizer, 2)], milestones=[5])


@pytest.mark.parametrize("compose", [sequential, chained, nested])
def test_composed(compose, torch):
    ours, theirs = make(lamina), make(torch)
    follow((ours, compose(lr_scheduler, ours)), (theirs, compose(torch.optim.lr_scheduler, theirs)), 20)


@pytest.mark.parametrize("compose", [sequential, chained, nested])
def test_composed_resumes(compose):
    optimizer, again = make(lamina), make(lamina)
    schedule, resumed = compose(lr_scheduler, optimizer), compose(lr_scheduler, again)
    for _ in range(6):
        schedule.step()
    again.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(schedule.state_dict())
    for _ in range(9):
        schedule.step()
        resumed.step()
        assert state_of(again) == state_of(optimizer)


def test_inverse_time():
    optimizer = make(lamina)
    schedule = lr_scheduler.InverseTimeLR(optimizer, decay=0.5)
    for epoch in range(20):
        assert schedule.get_last_lr() == pytest.approx([0.3 / (1 + 0.5 * epoch), 0.07 / (1 + 0.5 * epoch)])
        schedule.step()
    schedule.step(4)
    assert schedule.get_last_lr() == pytest.approx([0.1, 0.07 / 3])


def test_warm_up_over_any_schedule():
    optimizer, plain = make(lamina), make(lamina)
    below = lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    schedule = lr_scheduler.WarmupLR(optimizer, total_iters=4, start_factor=0.2, schedule=below)
    reference = lr_scheduler.CosineAnnealingLR(plain, T_max=10)
    for step in range(12):
        factor = 0.2 + 0.8 * min(step, 4) / 4
        expected = [lr * factor for lr in reference.get_last_lr()]
        assert schedule.get_last_lr() == pytest.approx(expected, abs=1e-15)
        assert [group["lr"] for group in optimizer.param_groups] == schedule.get_last_lr()
        schedule.step()
        reference.step()


def test_warm_up_resumes():
    optimizer, again = make(lamina), make(lamina)
    a = lr_scheduler.WarmupLR(optimizer, 5, schedule=lr_scheduler.ExponentialLR(optimizer, 0.9))
    b = lr_scheduler.WarmupLR(again, 5, schedule=lr_scheduler.ExponentialLR(again, 0.9))
    for _ in range(3):
        a.step()
    again.load_state_dict(optimizer.state_dict())
    b.load_state_dict(a.state_dict())
    for _ in range(6):
        a.step()
        b.step()
        assert state_of(again) == state_of(optimizer)


def test_a_rate_in_a_tensor_is_changed_in_place():
    lr = lamina.tensor(0.5)
    optimizer = optim.SGD([nn.Parameter(lamina.ones(1))], lr=lr)
    lr_scheduler.ExponentialLR(optimizer, 0.5).step()
    assert optimizer.param_groups[0]["lr"] is lr
    assert lr.item() == 0.25


def test_resuming_needs_the_initial_rate():
    with pytest.raises(KeyError, match="initial_lr"):
        lr_scheduler.StepLR(make(lamina), 3, last_epoch=4)
    optimizer = make(lamina)
    for group in optimizer.param_groups:
        group["initial_lr"] = 1.0
    assert lr_scheduler.LambdaLR(optimizer, lambda epoch: epoch, last_epoch=4).get_last_lr() == [5.0, 5.0]


BAD = [
    (lambda o: lr_scheduler.StepLR("sgd", 3), TypeError),
    (lambda o: lr_scheduler.StepLR(o, 0), ValueError),
    (lambda o: lr_scheduler.LambdaLR(o, [abs]), ValueError),
    (lambda o: lr_scheduler.LambdaLR(o, 3.0), TypeError),
    (lambda o: lr_scheduler.ConstantLR(o, factor=1.5), ValueError),
    (lambda o: lr_scheduler.LinearLR(o, start_factor=0.0), ValueError),
    (lambda o: lr_scheduler.LinearLR(o, end_factor=1.1), ValueError),
    (lambda o: lr_scheduler.PolynomialLR(o, total_iters=0), ValueError),
    (lambda o: lr_scheduler.CosineAnnealingLR(o, 0), ValueError),
    (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 0), ValueError),
    (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2, T_mult=0), ValueError),
    (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2).step(-1), ValueError),
    (lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, mode="square"), ValueError),
    (lambda o: lr_scheduler.CyclicLR(o, [0.1], 1.0), ValueError),
    (lambda o: lr_scheduler.OneCycleLR(o, 1.0), ValueError),
    (lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=0), ValueError),
    (lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=5, pct_start=2.0), ValueError),
    (lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=5, anneal_strategy="log"), ValueError),
    (lambda o: [lr_scheduler.OneCycleLR(o, 1.0, total_steps=2).step(n) for n in (1, 2, 3)], ValueError),
    (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), ValueError),
    (lambda o: lr_scheduler.ReduceLROnPlateau(o, mode="best"), ValueError),
    (lambda o: lr_scheduler.ReduceLROnPlateau(o, threshold_mode="none"), ValueError),
    (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 1)], [3]), ValueError),
    (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(make(lamina), 1)], []), ValueError),
    (lambda o: lr_scheduler.ChainedScheduler([]), ValueError),
    (lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ReduceLROnPlateau(o)]), ValueError),
    (lambda o: lr_scheduler.WarmupLR(o, 0), ValueError),
    (lambda o: lr_scheduler.WarmupLR(o, 3, schedule="cosine"), TypeError),
    (lambda o: lr_scheduler.InverseTimeLR(o, -1.0), ValueError),
    (lambda o: swa_utils.SWALR(o, 0.1, anneal_strategy="log"), ValueError),
    (lambda o: swa_utils.SWALR(o, 0.1, anneal_epochs=-1), ValueError),
    (lambda o: swa_utils.get_ema_avg_fn(1.5), ValueError),
    (lambda o: swa_utils.AveragedModel(nn.Linear(1, 1), avg_fn=max, multi_avg_fn=max), ValueError),
]


@pytest.mark.parametrize("wrong, error", BAD)
def test_bad_arguments(wrong, error):
    with pytest.raises(error, match=r"^\[?\w+"):
        wrong(make(lamina))


def test_momentum_is_needed_to_cycle_it():
    optimizer = optim.Adagrad([nn.Parameter(lamina.ones(1))])
    with pytest.raises(ValueError, match="cycle_momentum=False"):
        lr_scheduler.CyclicLR(optimizer, 0.1, 1.0)


@pytest.mark.parametrize(
    "options", [{"anneal_epochs": 5}, {"anneal_strategy": "linear"}, {"anneal_epochs": 0}]
)
def test_swalr(options, torch):
    ours, theirs = make(lamina), make(torch)
    a, b = swa_utils.SWALR(ours, 0.02, **options), torch.optim.swa_utils.SWALR(theirs, 0.02, **options)
    follow((ours, a), (theirs, b), 15)


def network(lib):
    return lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4), lib.nn.Linear(4, 1))


def averages(lib, data, **options):
    """The averaged parameters and statistics of four models that are given."""
    model = network(lib)
    utils = lib.optim.swa_utils
    make_function = options.pop("function", None)
    if make_function:
        name, *args = make_function
        key = "multi_avg_fn" if "multi" in name else "avg_fn"
        options[key] = getattr(utils, name)(*args)
    averaged = utils.AveragedModel(model, **options)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        state = {
            k: lib.tensor(rng.uniform(0.5, 2.0, tuple(v.shape)).astype("float32"))
            for k, v in model.state_dict().items()
            if "num_batches" not in k
        }
        model.load_state_dict(state, strict=False)
        averaged.update_parameters(model)
    before = {k: v.numpy().copy() for k, v in averaged.state_dict().items()}
    utils.update_bn([(lib.tensor(x), None) for x in data], averaged)
    after = {k: v.numpy().copy() for k, v in averaged.state_dict().items()}
    return before, after


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"function": ("get_ema_multi_avg_fn", 0.8)},
        {"function": ("get_ema_avg_fn", 0.7)},
        {"function": ("get_swa_avg_fn",)},
        {"function": ("get_swa_multi_avg_fn",)},
        {"function": ("get_ema_multi_avg_fn", 0.5), "use_buffers": True},
    ],
)
def test_averaged_model(options, torch):
    data = np.random.default_rng(9).standard_normal((5, 8, 3)).astype("float32")
    for ours, theirs in zip(averages(lamina, data, **options), averages(torch, data, **options)):
        assert set(ours) == set(theirs)
        for key in theirs:
            np.testing.assert_allclose(ours[key], theirs[key], rtol=1e-5, atol=1e-6, err_msg=key)


def test_averaged_model_runs():
    model = network(lamina)
    averaged = swa_utils.AveragedModel(model)
    averaged.update_parameters(model)
    model.eval()
    averaged.eval()
    x = lamina.randn(2, 3)
    assert averaged(x).tolist() == model(x).tolist()


def test_state_is_plain():
    """Every schedule's state fits JSON, so that any checkpoint can hold it."""
    for name, options in SETTINGS:
        state = getattr(lr_scheduler, name)(make(lamina), **options).state_dict()
        restored = json.loads(json.dumps(state))
        assert math.isfinite(restored["_last_lr"][0])
