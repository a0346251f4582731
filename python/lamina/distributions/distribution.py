"""What every distribution is: shapes, checks of arguments, and the questions that can be asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from lamina.autograd import no_grad
from lamina.distributions import constraints
from lamina.distributions.constraints import Constraint
from lamina.distributions.utils import lazy_property
from lamina.size import Size
from lamina.tensor import Tensor

__all__ = ["Distribution"]

D = TypeVar("D", bound="Distribution")


class Distribution:
    """Distributions over events of ``event_shape``, ``batch_shape`` of them side by side.

    A sample has shape ``sample_shape + batch_shape + event_shape``, a log probability ``sample_shape + batch_shape``.
    A kind sets ``arg_constraints`` and ``support``, stores its parameters under their names, and writes ``_log_prob``,
    ``sample`` or ``rsample`` and what else it can answer.

    Args:
        batch_shape: sizes over which parameters differ.
        event_shape: sizes of one draw.
        validate_args: whether parameters and values are checked; default: as
            :meth:`set_default_validate_args` says, at first True.

    Raises:
        ValueError: for a parameter outside its constraint.
    """

    has_rsample: ClassVar[bool] = False  # whether gradients pass through draws to the parameters
    has_enumerate_support: ClassVar[bool] = False
    _validate_args: bool = __debug__

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Says whether distributions check parameters and values where ``validate_args`` is not given."""
        if value not in (True, False):
            raise ValueError(f"[set_default_validate_args] expected True or False, got {value!r}")
        Distribution._validate_args = value

    def __init__(
        self,
        batch_shape: Sequence[int] = (),
        event_shape: Sequence[int] = (),
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    # -- shapes

    @property
    def batch_shape(self) -> Size:
        """The sizes over which parameters differ."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The sizes of one draw."""
        return self._event_shape

    def expand(self: D, batch_shape: Sequence[int]) -> D:
        """The same distribution with its parameters expanded to ``batch_shape``, on the same memory.

        Example:
            >>> lamina.distributions.Normal(0.0, 1.0).expand((3, 2)).batch_shape
            lamina.Size([3, 2])
        """
        result = object.__new__(type(self))
        result.__dict__.update(self.__dict__)
        result._batch_shape = Size(batch_shape)
        for name, value in self.__dict__.items():
            if isinstance(value, Tensor):
                event = value.shape[len(self._batch_shape) :]
                result.__dict__[name] = value.expand((*batch_shape, *event))
            elif isinstance(value, Distribution):
                result.__dict__[name] = value.expand(batch_shape)
        return result

    def _extended_shape(self, sample_shape: Sequence[int] = ()) -> Size:
        """The shape of samples."""
        if isinstance(sample_shape, int):
            raise TypeError(
                f"[{type(self).__name__}] expected sample_shape to be a sequence of sizes, got {sample_shape}"
            )
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    # -- what is known of it

    @property
    def arg_constraints(self) -> Mapping[str, Constraint]:
        """The constraint of each parameter."""
        raise NotImplementedError

    @property
    def support(self) -> Any:
        """The constraint that holds for every draw; None where it is not known."""
        raise NotImplementedError

    @property
    def mean(self) -> Tensor:
        """The expected value, of ``batch_shape + event_shape``."""
        raise NotImplementedError(f"[{type(self).__name__}.mean] is not known")

    @property
    def mode(self) -> Tensor:
        """The likeliest value, of ``batch_shape + event_shape``."""
        raise NotImplementedError(f"[{type(self).__name__}.mode] is not known")

    @property
    def variance(self) -> Tensor:
        """The expected squared distance from the mean, of ``batch_shape + event_shape``."""
        raise NotImplementedError(f"[{type(self).__name__}.variance] is not known")

    @property
    def stddev(self) -> Tensor:
        """The standard deviation, of ``batch_shape + event_shape``."""
        return self.variance.sqrt()

    # -- draws

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of shape ``sample_shape + batch_shape + event_shape``, without gradients."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients pass to the parameters; NotImplementedError unless ``has_rsample``."""
        raise NotImplementedError(
            f"[{type(self).__name__}.rsample] has no reparametrised draws; use sample() and log_prob()"
        )

    # -- questions

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density or mass at ``value``, which broadcasts against ``batch_shape + event_shape``.

        Raises:
            ValueError: for a value of another shape, or outside the support.
        """
        if self._validate_args:
            self._validate_sample(value)
        return self._log_prob(value)

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most ``value``."""
        if self._validate_args:
            self._validate_sample(value)
        return self._cdf(value)

    def icdf(self, value: Tensor) -> Tensor:
        """The inverse of :meth:`cdf`: where the probability ``value`` is reached."""
        raise NotImplementedError(f"[{type(self).__name__}.icdf] is not known")

    def entropy(self) -> Tensor:
        """The expected negative log probability, in nats, of ``batch_shape``."""
        raise NotImplementedError(f"[{type(self).__name__}.entropy] is not known")

    def perplexity(self) -> Tensor:
        """``exp(entropy)``."""
        return self.entropy().exp()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution along a new first dimension.

        Args:
            expand: to ``batch_shape``; else its dimensions have size 1.
        """
        raise NotImplementedError(f"[{type(self).__name__}.enumerate_support] is not known")

    def _log_prob(self, value: Tensor) -> Tensor:
        raise NotImplementedError(f"[{type(self).__name__}.log_prob] is not known")

    def _cdf(self, value: Tensor) -> Tensor:
        raise NotImplementedError(f"[{type(self).__name__}.cdf] is not known")

    def _points(self, values: Tensor, expand: bool) -> Tensor:
        """The points (n,) of the support, of a distribution of numbers, as :meth:`enumerate_support` gives them."""
        points = values.reshape((-1, *(1 for _ in self._batch_shape)))
        return points.expand((-1, *self._batch_shape)) if expand else points

    # -- checks

    def _check_parameters(self) -> None:
        for name, constraint in self.arg_constraints.items():
            derived = isinstance(getattr(type(self), name, None), lazy_property)
            if constraints.is_dependent(constraint) or (derived and name not in self.__dict__):
                continue
            value = getattr(self, name)
            if not constraint.check(value.detach()).all():
                raise ValueError(
                    f"[{type(self).__name__}] expected {name} (shape {tuple(value.shape)}) to satisfy "
                    f"{constraint}, got {value.detach()}"
                )

    def _validate_sample(self, value: Tensor) -> None:
        kind = type(self).__name__
        if not isinstance(value, Tensor):
            raise ValueError(f"[{kind}] expected the value to be a tensor, got {type(value).__name__}")
        if value.ndim < len(self._event_shape) or (
            self._event_shape and value.shape[-len(self._event_shape) :] != self._event_shape
        ):
            raise ValueError(
                f"[{kind}] expected a value whose last sizes are the event shape {tuple(self._event_shape)}, "
                f"got {tuple(value.shape)}"
            )
        expected = self._batch_shape + self._event_shape
        for got, size in zip(reversed(value.shape), reversed(expected)):
            if got != size and got != 1 and size != 1:
                raise ValueError(
                    f"[{kind}] expected a value that broadcasts against batch and event shape {expected}, "
                    f"got {tuple(value.shape)}"
                )
        support = self.support
        if support is not None and not support.check(value.detach()).all():
            raise ValueError(f"[{kind}] expected a value within the support {support}, got {value.detach()}")

    def __repr__(self) -> str:
        names = [name for name in self.arg_constraints if name in self.__dict__]
        shown = (
            f"{name}: {value.item() if value.numel() == 1 else value.shape}"
            for name in names
            for value in (self.__dict__[name].detach(),)
        )
        return f"{type(self).__name__}({', '.join(shown)})"
