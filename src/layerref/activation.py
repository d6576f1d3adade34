"""Activations, one rule for each element: Threshold, ReLU, Hardtanh, GELU."""

import math
import warnings

import torch
from torch import Tensor, nn

__all__ = ["GELU", "Hardtanh", "ReLU", "Threshold"]


def _check_ordered(layer: str, input: Tensor) -> None:
    """Refuse the dtypes that torch's layers refuse: bool and complex.

    Examples
    --------
    >>> _check_ordered("ReLU", torch.tensor([1, 2]))
    >>> for dtype in (torch.bool, torch.complex64):
    ...     try:
    ...         _check_ordered("ReLU", torch.zeros(3, dtype=dtype))
    ...     except TypeError as error:
    ...         print(error)
    ReLU compares real numbers, got an input of torch.bool: convert it, for example with
        input.float()
    ReLU compares real numbers, got an input of torch.complex64: convert it, for example with
        input.float()
    """
    if input.dtype == torch.bool or input.is_complex():
        raise TypeError(
            f"{layer} compares real numbers, got an input of {input.dtype}: "
            "convert it, for example with input.float()"
        )


def _at_least_float32(input: Tensor) -> Tensor:
    """Return half precisions as float32, in which limits and intermediate results are exact.

    Examples
    --------
    >>> dtypes = (torch.int8, torch.float16, torch.bfloat16, torch.float32, torch.float64)
    >>> [_at_least_float32(torch.zeros(1, dtype=dtype)).dtype for dtype in dtypes]
    [torch.int8, torch.float32, torch.float32, torch.float32, torch.float64]
    """
    return input.float() if input.is_floating_point() and input.itemsize < 4 else input


class Threshold(nn.Module):
    r"""Replace every element that is not above a threshold by one fixed value.

    .. math:: y = \begin{cases} x & \text{if } x > \mathrm{threshold} \\
        \mathrm{value} & \text{otherwise} \end{cases}

    It is one-sided and it replaces: nothing limits x from above, and the output jumps at the
    threshold unless ``value`` equals it. Clipping to a range is :class:`Hardtanh`. An element
    equal to the threshold is replaced; NaN passes. The gradient is 1 where x passes, else 0.

    Parameters
    ----------
    threshold
        Elements up to and including this number are replaced; any real number.
    value
        What replaces them; any real number.
    inplace
        Write into the input's memory and return the input itself.

    Shape
    -----
    input and output ``(*)``: any shape.

    Raises
    ------
    TypeError
        The input is bool or complex.

    References
    ----------
    :class:`torch.nn.Threshold`.

    Examples
    --------
    >>> x = torch.tensor([-5.0, 1.0, 1.5, 1000.0])
    >>> Threshold(1.0, -9.0)(x).tolist()
    [-9.0, -9.0, 1.5, 1000.0]
    >>> Threshold(1.0, -9.0)(torch.zeros(2, 3, 5)).shape
    torch.Size([2, 3, 5])

    With equal arguments it is ``clamp`` from below; PyTorch's layer agrees:

    >>> torch.equal(Threshold(1.0, 1.0)(x), x.clamp(min=1.0))
    True
    >>> torch.equal(Threshold(1.0, -9.0)(x), nn.Threshold(1.0, -9.0)(x))
    True

    What cannot be compared with a number is refused:

    >>> Threshold(1.0, -9.0)(x > 0)
    Traceback (most recent call last):
        ...
    TypeError: Threshold compares real numbers, got an input of torch.bool: convert it, for
        example with input.float()
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` where it exceeds ``threshold``, else ``value``."""
        _check_ordered("Threshold", input)
        # false for NaN, which therefore passes
        replaced = _at_least_float32(input) <= self.threshold
        if self.inplace:
            return input.masked_fill_(replaced, self.value)
        return input.masked_fill(replaced, self.value)

    def extra_repr(self) -> str:
        """Return the settings as torch prints them."""
        inplace = ", inplace=True" if self.inplace else ""
        return f"threshold={self.threshold}, value={self.value}{inplace}"


class ReLU(nn.Module):
    r"""Replace negative elements by zero.

    .. math:: y = \max(x, 0)

    The gradient is 1 above zero and 0 elsewhere, at zero itself too. NaN passes.

    Parameters
    ----------
    inplace
        Write into the input's memory and return the input itself.

    Shape
    -----
    input and output ``(*)``: any shape.

    Raises
    ------
    TypeError
        The input is bool or complex.

    References
    ----------
    Nair and Hinton, *Rectified Linear Units Improve Restricted Boltzmann Machines*, ICML 2010,
    section 2.

    Examples
    --------
    >>> x = torch.tensor([[-2.0, 0.0, 3.0]])
    >>> ReLU()(x).tolist()
    [[0.0, 0.0, 3.0]]
    >>> ReLU()(x).shape
    torch.Size([1, 3])

    It is the threshold (0, 0), commutes with positive factors, and equals PyTorch's:

    >>> torch.equal(ReLU()(x), Threshold(0, 0)(x))
    True
    >>> torch.equal(ReLU()(4 * x), 4 * ReLU()(x))
    True
    >>> torch.equal(ReLU()(x), nn.ReLU()(x))
    True

    Complex numbers have no sign, so they are refused:

    >>> ReLU()(torch.tensor([1j]))
    Traceback (most recent call last):
        ...
    TypeError: ReLU compares real numbers, got an input of torch.complex64: convert it, for
        example with input.float()
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` where it is positive, else zero."""
        _check_ordered("ReLU", input)
        # clamp(min=0) has the same values, but a gradient of 1 at zero
        return (
            input.masked_fill_(input <= 0, 0) if self.inplace else input.masked_fill(input <= 0, 0)
        )

    def extra_repr(self) -> str:
        """Return the settings as torch prints them."""
        return "inplace=True" if self.inplace else ""


class Hardtanh(nn.Module):
    r"""Clip every element to a range.

    .. math:: y = \min(\max(x, \mathrm{min\_val}), \mathrm{max\_val})

    The gradient is 1 strictly inside the range and 0 elsewhere, at its two ends too. NaN passes.

    Parameters
    ----------
    min_val
        Lower end of the range.
    max_val
        Upper end of the range, above ``min_val``.
    inplace
        Write into the input's memory and return the input itself.
    min_value, max_value
        Old names of the two; they warn and win.

    Shape
    -----
    input and output ``(*)``: any shape.

    Raises
    ------
    ValueError
        ``max_val`` is not above ``min_val``, or the input has an unsigned dtype and the range
        starts or ends below zero.
    TypeError
        The input is bool or complex.

    References
    ----------
    :class:`torch.nn.Hardtanh`.

    Examples
    --------
    >>> x = torch.tensor([-5.0, 0.5, 9.0])
    >>> Hardtanh()(x).tolist()
    [-1.0, 0.5, 1.0]
    >>> Hardtanh(0.0, 6.0)(torch.zeros(2, 3, 5)).shape                  # also called ReLU6
    torch.Size([2, 3, 5])

    Clipping twice is clipping once; PyTorch's layer agrees:

    >>> torch.equal(Hardtanh()(Hardtanh()(x)), Hardtanh()(x))
    True
    >>> torch.equal(Hardtanh()(x), nn.Hardtanh()(x))
    True

    The range is not empty, fits the dtype, and is one of real numbers:

    >>> Hardtanh(2.0, 2.0)
    Traceback (most recent call last):
        ...
    ValueError: Hardtanh: max_val is above min_val, got min_val=2.0 and max_val=2.0: swap or
        widen the range
    >>> Hardtanh(-1, 6)(torch.tensor([7], dtype=torch.uint8))
    Traceback (most recent call last):
        ...
    ValueError: Hardtanh from -1 to 6 leaves the numbers that torch.uint8 can hold: convert the
        input or raise the range to 0 or more
    >>> Hardtanh()(x > 0)
    Traceback (most recent call last):
        ...
    TypeError: Hardtanh compares real numbers, got an input of torch.bool: convert it, for
        example with input.float()
    """

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        for old, new, value in (
            ("min_value", "min_val", min_value),
            ("max_value", "max_val", max_value),
        ):
            if value is not None:
                message = f"Hardtanh: {old} is the deprecated name of {new}: write {new}={value}"
                warnings.warn(message, FutureWarning, stacklevel=2)
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if self.max_val <= self.min_val:
            raise ValueError(
                f"Hardtanh: max_val is above min_val, got min_val={self.min_val} and "
                f"max_val={self.max_val}: swap or widen the range"
            )

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` clipped to the range from ``min_val`` to ``max_val``."""
        _check_ordered("Hardtanh", input)
        if not input.dtype.is_signed and min(self.min_val, self.max_val) < 0:
            raise ValueError(
                f"Hardtanh from {self.min_val} to {self.max_val} leaves the numbers that "
                f"{input.dtype} can hold: convert the input or raise the range to 0 or more"
            )
        x = _at_least_float32(input)
        low, high = x <= self.min_val, x >= self.max_val
        # clamp has the same values, but a gradient of 1 at the two ends
        if self.inplace:
            return input.masked_fill_(low, self.min_val).masked_fill_(high, self.max_val)
        return input.masked_fill(low, self.min_val).masked_fill(high, self.max_val)

    def extra_repr(self) -> str:
        """Return the settings as torch prints them."""
        inplace = ", inplace=True" if self.inplace else ""
        return f"min_val={self.min_val}, max_val={self.max_val}{inplace}"


class GELU(nn.Module):
    r"""Weigh every element by the probability that a normal draw is below it.

    .. math:: \begin{aligned}
        y &= x\,\Phi(x) = \tfrac{x}{2}\bigl(1 + \operatorname{erf}(x / \sqrt 2)\bigr)
            && \text{approximate = "none"} \\
        y &= \tfrac{x}{2}\bigl(1 + \tanh(\sqrt{2/\pi}\,(x + 0.044715\,x^3))\bigr)
            && \text{approximate = "tanh"}
        \end{aligned}

    Smooth, close to ReLU for large :math:`|x|`, slightly negative for negative x.

    Parameters
    ----------
    approximate
        ``"none"`` for the exact formula, ``"tanh"`` for the second one, which differs from it
        by less than 0.001.

    Shape
    -----
    input and output ``(*)``: any shape, floating point.

    Raises
    ------
    ValueError
        ``approximate`` is another word.
    TypeError
        The input is not of a floating-point dtype.

    References
    ----------
    Hendrycks and Gimpel, *Gaussian Error Linear Units (GELUs)*, arXiv 1606.08415, section 2.

    Examples
    --------
    >>> x = torch.linspace(-6, 6, 25).reshape(5, 5)
    >>> GELU()(x).shape
    torch.Size([5, 5])

    What x loses, -x gains; PyTorch's layer agrees:

    >>> torch.testing.assert_close(GELU()(x) - GELU()(-x), x)
    >>> torch.testing.assert_close(GELU()(x), nn.GELU()(x))
    >>> torch.testing.assert_close(GELU("tanh")(x), nn.GELU("tanh")(x))
    >>> bool((GELU("tanh")(x) - GELU()(x)).abs().max() < 1e-3)
    True

    Another word is refused when the layer is called, as in PyTorch, and so are whole numbers:

    >>> GELU("sigmoid")(x)
    Traceback (most recent call last):
        ...
    ValueError: GELU: approximate is "none" or "tanh", got 'sigmoid': choose one
    >>> GELU()(torch.tensor([1, 2]))
    Traceback (most recent call last):
        ...
    TypeError: GELU takes a floating-point input, got torch.int64: convert it, for example with
        input.float()
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        r"""Return :math:`x\,\Phi(x)`, exactly or by the tanh formula."""
        if self.approximate not in ("none", "tanh"):
            raise ValueError(
                f'GELU: approximate is "none" or "tanh", got {self.approximate!r}: choose one'
            )
        if not input.is_floating_point():
            raise TypeError(
                f"GELU takes a floating-point input, got {input.dtype}: "
                "convert it, for example with input.float()"
            )
        x = _at_least_float32(input)  # 1 + erf(x) cancels for negative x
        if self.approximate == "none":
            below = (1 + torch.erf(x / math.sqrt(2))) / 2
        else:
            below = (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
        return (x * below).to(input.dtype)

    def extra_repr(self) -> str:
        """Return the settings as torch prints them."""
        return f"approximate={self.approximate!r}"
