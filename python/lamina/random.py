"""Random state: the default generator, and generators of one's own."""

from __future__ import annotations

import numpy as np

from lamina import _C
from lamina.devices import CPU
from lamina.devices import device as Device
from lamina.tensor import Tensor

__all__ = [
    "Generator",
    "default_generator",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]


class Generator(_C.Generator):
    """A source of random draws: Philox 4x32-10 under a seed, with a stream of its own for each drawing call.

    Element ``i`` of a call depends on the seed, the number of calls before it and ``i`` alone, so that draws are the
    same on any number of threads, any instruction set and any device.

    Args:
        device: where it draws; the state is the same everywhere, so one generator serves every device.

    Example:
        >>> g = lamina.Generator().manual_seed(7)
        >>> g.initial_seed()
        7
    """

    device: Device = CPU

    def __init__(self, device: Device | str = CPU) -> None:
        super().__init__(False)
        self.device = Device(device)

    def manual_seed(self, seed: int) -> Generator:  # type: ignore[override]
        """Starts anew from ``seed``, any integer from -2^63 to 2^64 - 1, and returns the generator."""
        super().manual_seed(_unsigned(seed))
        return self

    def seed(self) -> int:
        """Starts anew from a seed of the system's, and returns it."""
        return super().seed()

    def initial_seed(self) -> int:
        """The seed that the generator started from."""
        return super().initial_seed()

    def get_state(self) -> Tensor:  # type: ignore[override]
        """The state, as a uint8 tensor of 16 bytes: seed and number of calls."""
        return Tensor(_C.from_numpy(np.frombuffer(bytearray(super().get_state()), dtype=np.uint8)))

    def set_state(self, new_state: Tensor) -> None:  # type: ignore[override]
        """Goes back to a state that :meth:`get_state` returned.

        Raises:
            TypeError: if it is no uint8 tensor.
            ValueError: if it has not 16 elements.
        """
        dtype = getattr(new_state, "dtype", None)
        if not isinstance(new_state, Tensor) or str(dtype) != "lamina.uint8":
            raise TypeError(f"[set_state] expected a uint8 tensor, got {dtype or type(new_state).__name__}")
        super().set_state(new_state.numpy().tobytes())

    def __getstate__(self) -> bytes:
        return super().get_state()

    def __setstate__(self, state: bytes) -> None:
        Generator.__init__(self)
        super().set_state(state)

    def __repr__(self) -> str:
        return f"<lamina.Generator device={self.device}>"


def _process_generator() -> Generator:
    generator = Generator.__new__(Generator)
    _C.Generator.__init__(generator, True)
    return generator


def _unsigned(seed: int) -> int:
    seed = int(seed)
    if not -(2**63) <= seed < 2**64:
        raise ValueError(f"[manual_seed] expected a seed from -2^63 to 2^64 - 1, got {seed}")
    return seed % 2**64


#: The generator that draws where none is given.  It starts from a seed of the system's.
default_generator = _process_generator()


def manual_seed(seed: int) -> Generator:
    """Starts the default generator anew from ``seed``, and returns it.

    Args:
        seed: any integer from -2^63 to 2^64 - 1; negative ones count from 2^64.

    Raises:
        ValueError: if the seed is out of range.

    Example:
        >>> lamina.manual_seed(0).initial_seed()
        0
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Starts the default generator anew from a seed of the system's, and returns it."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state, as a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Puts the default generator back into a state that :func:`get_rng_state` returned."""
    default_generator.set_state(new_state)
