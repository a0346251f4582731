"""The files of ``lamina/models`` run on torch: the same source, with ``torch`` read where it says ``lamina``.

A model uses nothing but torch's names with torch's meaning, so its source is torch's model too.  Built on both, with
one state dict, it gives the same outputs and gradients, or a layer of lamina's differs from torch's.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import lamina

PACKAGE = "models_on_torch"
FOLDER = Path(lamina.__path__[0]) / "models"
READ_AS = (
    (r"from lamina\.nn import fusion", "from harness.torch_twin import fusion"),
    (r"from lamina\.tensor import", "from torch import"),
    (r"from lamina\b", "from torch"),
    (r"import lamina$", "import torch as lamina"),
)


class fusion:  # noqa: N801 (stands in for a module)
    """``lamina.nn.fusion`` for torch: one module after the other."""

    @staticmethod
    def run(modules: Sequence[Any], input: Any, residual: Any = None) -> Any:
        for module in modules[:-1]:
            input = module(input)
        return modules[-1](input if residual is None else input + residual)


def rewritten(source: str) -> str:
    for pattern, replacement in READ_AS:
        source = re.sub(f"^{pattern}", replacement, source, flags=re.MULTILINE)
    return source


class _Twins(MetaPathFinder, Loader):
    """Finds ``models_on_torch.<name>``; packages are empty, so that only what is asked for is loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] != PACKAGE:
            return None
        return spec_from_loader(name, self, is_package=self._path(name).is_dir())

    def exec_module(self, module: ModuleType) -> None:
        path = self._path(module.__name__)
        if not path.is_dir():
            file = path.with_suffix(".py")
            exec(compile(rewritten(file.read_text()), str(file), "exec"), module.__dict__)

    @staticmethod
    def _path(name: str) -> Path:
        return FOLDER.joinpath(*name.split(".")[1:])


def twin(name: str) -> ModuleType:
    """``lamina.models.<name>`` made of torch's layers."""
    if not any(isinstance(finder, _Twins) for finder in sys.meta_path):
        sys.meta_path.append(_Twins())
    return importlib.import_module(f"{PACKAGE}.{name}")


def check_trains_alike(
    torch: Any, name: str, build: Callable[..., Any], *arrays: np.ndarray, mode: str = "train"
) -> None:
    """One forward and backward pass in float64 and one evaluation, of a model and its twin with the same parameters.

    Args:
        torch: the module.
        name: of the file in ``lamina/models``.
        build: ``build(module, nn)`` makes the model, of that file's lamina or torch version.
        arrays: what the model takes.
        mode: ``"eval"`` for a model that draws numbers while training.
    """
    lamina.manual_seed(0)
    ours = _without_chance(build(importlib.import_module(f"lamina.models.{name}"), lamina.nn))
    theirs = _without_chance(build(twin(name), torch.nn))
    theirs.load_state_dict({key: torch.from_numpy(v.numpy()) for key, v in ours.state_dict().items()})
    inputs, same = [lamina.from_numpy(a) for a in arrays], [torch.from_numpy(a) for a in arrays]

    ours.train(mode == "train"), theirs.train(mode == "train")
    results, expected = list(_tensors(ours(*inputs))), list(_tensors(theirs(*same)))
    for a, b in zip(results, expected, strict=True):
        _close(a, b, "output")
    sum((y * y).mean() for y in results if y.requires_grad).backward()
    sum((y * y).mean() for y in expected if y.requires_grad).backward()
    gradients = {key: parameter.grad for key, parameter in theirs.named_parameters()}
    for key, parameter in ours.named_parameters():
        _close(parameter.grad, gradients[key], f"gradient of {key}")
    for key, value in theirs.state_dict().items():
        _close(ours.state_dict()[key], value, key)
    with lamina.no_grad(), torch.no_grad():
        for a, b in zip(_tensors(ours.eval()(*inputs)), _tensors(theirs.eval()(*same)), strict=True):
            _close(a, b, "output in evaluation")


def _without_chance(model: Any) -> Any:
    """The model in float64 with dropout off but batch statistics on."""
    for module in model.modules():
        for rate in ("p", "drop_rate"):
            if hasattr(module, rate):
                setattr(module, rate, 0.0)
    return model.double()


def _tensors(value: Any) -> Iterator[Any]:
    if isinstance(value, (tuple, list)):
        for member in value:
            yield from _tensors(member)
    else:
        yield value


def _close(ours: Any, theirs: Any, what: str) -> None:
    if theirs is None:  # a parameter that took no part
        assert ours is None, what
        return
    a, b = ours.detach().numpy(), theirs.detach().numpy()
    assert a.shape == b.shape, what
    scale = max(1.0, float(np.abs(b).max(initial=0)))  # normalisation over few values amplifies rounding
    np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7 * scale, err_msg=what)
