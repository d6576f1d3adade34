"""The four questions that people ask a layer before they build it."""

from typing import Any

from layerref.rules.inverse import settings_between
from layerref.rules.reading import read_shape, settings_of
from layerref.rules.record import Settings, settle
from layerref.rules.symbolic import count_parameters
from layerref.rules.table import find


def answer(layer: Any, input_shape: Any, kwargs: dict[str, Any]) -> tuple[Any, Any, Settings]:
    """Read the question; return the input's shape, the output's and the settings."""
    rule = find(layer)
    s = settings_of(rule, kwargs)
    x = read_shape(rule.name, input_shape)
    return x, settle(rule.name, rule.shape(x, s))[1], s


def output_shape(layer: Any, input_shape: Any, **kwargs: Any) -> Any:
    r"""Say which shape comes out of a layer, without building it.

    Whole numbers only, exact for every option; the one exception is a float that torch itself
    multiplies with (``scale_factor``, ``output_ratio``), and there the product is torch's.

    Parameters
    ----------
    layer
        The layer's name or class, ours or torch's.
    input_shape
        A tuple of ints. Where ``forward`` takes several tensors, a tuple of such tuples:
        ``(input, h_0)`` and ``(input, (h_0, c_0))`` for recurrent layers (or the input alone),
        ``(query, key, value)`` for attention, ``(tgt, memory)`` for decoders, ``(src, tgt)`` for
        ``Transformer``. Masks change no shape and are left out.
    **kwargs
        The constructor's arguments. ``TransformerEncoder`` and ``TransformerDecoder`` take for
        ``encoder_layer`` or ``decoder_layer`` a layer, or a dict of its arguments; for ``norm``, a
        layer or a dict of LayerNorm's. And these arguments of ``forward``: ``output_size``
        (ConvTranspose), ``need_weights`` (MultiHeadAttention), ``training`` (BatchNorm,
        InstanceNorm, SwitchableNorm2d; a new layer is in training mode, so the default is True).

    Returns
    -------
    tuple
        The shape; a tuple of shapes where ``forward`` returns several tensors.

    Raises
    ------
    ValueError
        torch would refuse this layer or this input; or no layer has this name.
    TypeError
        An argument is unknown, missing or of the wrong type.

    References
    ----------
    Dumoulin and Visin, *A guide to convolution arithmetic for deep learning*, arXiv 1603.07285.

    Notes
    -----
    In a few places torch accepts by oversight what it refuses elsewhere. We refuse:
    a kernel below 1 in ``FractionalMaxPool2d``; a missing channel axis in
    ``AdaptiveAvgPool2d(1)`` and ``AdaptiveAvgPool3d(1)``; a negative number of channels in a
    normalisation that has no tensor of that size; circular padding that crops one side and
    copies more than remains; an output of size 0 or a dilation of 0 in ``ConvTranspose``, which
    depends on the backend; replication, reflection and ``Upsample`` in mode ``area`` where nothing
    of an axis is left; tuples that are too long (``padding`` beside a ``padding_mode``,
    ``output_ratio``); and whatever torch does not check because the batch is empty.

    Examples
    --------
    >>> output_shape("Conv2d", (8, 64, 128, 128), in_channels=64, out_channels=32, kernel_size=3)
    (8, 32, 126, 126)
    >>> output_shape("MaxPool2d", (64, 7, 7), kernel_size=2, ceil_mode=True)       # no batch
    (64, 4, 4)
    >>> output_shape("LSTM", (35, 8, 10), input_size=10, hidden_size=20, bidirectional=True)
    ((35, 8, 40), ((2, 8, 20), (2, 8, 20)))

    It is the shape that the layer gives:

    >>> import torch
    >>> y = torch.nn.MaxPool2d(2, ceil_mode=True)(torch.zeros(64, 7, 7))
    >>> output_shape("MaxPool2d", (64, 7, 7), kernel_size=2, ceil_mode=True) == tuple(y.shape)
    True

    What does not fit is refused in words:

    >>> output_shape("Linear", (8, 32), in_features=64, out_features=10)
    Traceback (most recent call last):
        ...
    ValueError: Linear: the input's last axis has size 32, in_features is 64: they must be
        equal
    >>> output_shape("Linear", (8, 32), in_features=64)
    Traceback (most recent call last):
        ...
    TypeError: Linear needs out_features: pass them as keywords
    >>> output_shape("linear", (8, 32))
    Traceback (most recent call last):
        ...
    ValueError: no layer is called 'linear': did you mean Linear?
    """
    return answer(layer, input_shape, kwargs)[1]


def parameter_count(layer: Any, **kwargs: Any) -> int:
    """Say how many numbers a layer learns.

    Buffers, such as BatchNorm's running statistics, do not count.

    Parameters
    ----------
    layer, **kwargs
        As for :func:`output_shape`.

    Raises
    ------
    ValueError
        No input would fit these settings; or no layer has this name.
    TypeError
        An argument is unknown, missing or of the wrong type.

    References
    ----------
    The parameters of :class:`torch.nn.Module`.

    Examples
    --------
    >>> parameter_count("GRU", input_size=64, hidden_size=32)     # two biases for each gate
    9408
    >>> parameter_count("MultiHeadAttention", h=8, d_model=64)    # whatever h is
    16640
    >>> parameter_count("BatchNorm2d", num_features=64)
    128

    It is the number of elements of all parameters, whatever their shapes:

    >>> from torch import nn
    >>> layer = nn.GRU(64, 32)
    >>> layer.weight_ih_l0.shape, layer.weight_hh_l0.shape, layer.bias_ih_l0.shape
    (torch.Size([96, 64]), torch.Size([96, 32]), torch.Size([96]))
    >>> parameter_count("GRU", input_size=64, hidden_size=32) == 96 * 64 + 96 * 32 + 2 * 96
    True
    >>> sum(p.numel() for p in layer.parameters())
    9408
    >>> parameter_count("MultiHeadAttention", h=7, d_model=64)
    Traceback (most recent call last):
        ...
    ValueError: MultiHeadAttention: h divides d_model, got 7 heads and a width of 64
    >>> parameter_count("GRU", input_size=64, hidden_size=3.2)
    Traceback (most recent call last):
        ...
    TypeError: GRU: hidden_size takes an int, got 3.2
    """
    return int(count_parameters(settings_of(find(layer), kwargs)))


def flops(layer: Any, input_shape: Any, **kwargs: Any) -> int:
    """Say how many floating-point operations the matrix products of one forward pass take.

    Counted as torch's ``FlopCounterMode`` counts: each multiplication and each addition of a
    matrix product, convolution or attention is one, so that m × k times k × n is 2·m·n·k. Not
    counted: biases, activations, norms, pooling, padding, softmax, lookups, the gates of recurrent
    layers, and the backward pass. A convolution counts its padding as input.

    Some fused kernels are invisible to torch's counter: on a CPU it sees 0 for an LSTM and leaves
    out the attention in ``scaled_dot_product_attention``, and in evaluation it sees nothing of a
    transformer's fast path. ``flops`` is what the counter sees on the ``meta`` device, where there
    are no fused kernels: all of the products, so the number does not depend on device and mode.

    Parameters
    ----------
    layer, input_shape, **kwargs
        As for :func:`output_shape`.

    Raises
    ------
    ValueError
        torch would refuse this layer or this input; or no layer has this name.
    TypeError
        An argument is unknown, missing or of the wrong type.

    References
    ----------
    The counter is ``torch.utils.flop_counter.FlopCounterMode``.

    Examples
    --------
    >>> flops("Linear", (8, 64), in_features=64, out_features=10) == 2 * 8 * 64 * 10
    True
    >>> flops("Conv2d", (8, 64, 128, 128), in_channels=64, out_channels=32, kernel_size=3)
    4682022912
    >>> flops("MaxPool2d", (8, 64, 128, 128), kernel_size=2)
    0

    A convolution with a kernel of 1 is a Linear at each position of its output:

    >>> pointwise = {"in_channels": 64, "out_channels": 32, "kernel_size": 1}
    >>> N, C, H, W = output_shape("Conv2d", (8, 64, 16, 16), **pointwise)
    >>> linear = flops("Linear", (N * H * W, 64), in_features=64, out_features=32)
    >>> flops("Conv2d", (8, 64, 16, 16), **pointwise) == linear
    True

    Without a shape there is no answer:

    >>> flops("Linear", 64, in_features=64, out_features=10)
    Traceback (most recent call last):
        ...
    TypeError: Linear: a shape is a tuple of ints, such as (8, 3, 32, 32), or a tuple of shapes
        where forward takes several inputs, got 64
    >>> flops("Linear", (8, -64), in_features=64, out_features=10)
    Traceback (most recent call last):
        ...
    ValueError: Linear: a size is at least 0, got the shape (8, -64)
    """
    x, y, s = answer(layer, input_shape, kwargs)
    return int(s.rule.products(x, y, s))


def settings_for(layer: Any, size_in: Any, size_out: Any, **pinned: Any) -> list[dict[str, Any]]:
    """Say which settings turn one size into another, the plainest first.

    First come settings by which every input is seen: no gap between windows, nothing left over at
    the end. Among those, first the ones that pad by half of the window at most, then those with
    dilation 1, then the smallest sum of kernel, stride and padding (of a transposed convolution,
    with twice the output padding). Every answer was confirmed by the rule behind
    :func:`output_shape`; at most ten are given.

    Parameters
    ----------
    layer
        The layer's name or class.
    size_in, size_out
        Sizes of one axis before and after, the same on all spatial axes; or tuples, with one size
        for each of them. For ``Linear`` and recurrent layers, sizes of the feature axis.
    **pinned
        Arguments of the constructor that are already decided, such as ``kernel_size=3``.

    Returns
    -------
    list of dict
        Keyword arguments for the constructor, to which others that the sizes do not depend on, such
        as ``in_channels``, have to be added.

    Raises
    ------
    ValueError
        No setting does it, and why; or no layer has this name.
    TypeError
        A pinned argument is unknown or of the wrong type.

    References
    ----------
    Dumoulin and Visin, *A guide to convolution arithmetic for deep learning*, arXiv 1603.07285,
    whose relationships are solved for kernel, stride, padding and dilation.

    Examples
    --------
    >>> for settings in settings_for("Conv2d", 56, 28)[:2]:
    ...     print(settings)
    {'kernel_size': 2, 'stride': 2, 'padding': 0, 'dilation': 1}
    {'kernel_size': 3, 'stride': 2, 'padding': 1, 'dilation': 1}
    >>> settings_for("ConvTranspose2d", 28, 56, kernel_size=3)[0]
    {'kernel_size': 3, 'stride': 2, 'padding': 1, 'output_padding': 1, 'dilation': 1}
    >>> settings_for("Upsample", (28, 14), (56, 28))
    [{'scale_factor': 2}, {'size': (56, 28)}]

    Each answer gives the shape that was asked for:

    >>> answers = settings_for("MaxPool2d", 9, 4)
    >>> all(output_shape("MaxPool2d", (64, 9, 9), **s) == (64, 4, 4) for s in answers)
    True
    >>> settings_for("MaxPool2d", 28, 56)
    Traceback (most recent call last):
        ...
    ValueError: MaxPool2d cannot turn 28 into 56: it lets no axis grow by more than 1
    >>> settings_for("MaxPool2d", 28, 14, kernel=3)
    Traceback (most recent call last):
        ...
    TypeError: MaxPool2d has no parameter 'kernel': did you mean kernel_size?
    """
    rule = find(layer)
    before, after = (size if isinstance(size, tuple) else (size,) for size in (size_in, size_out))
    for size in (*before, *after):
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"a size is an int from 1, got {size!r}")
    if len(before) != len(after) or len(before) not in (1, rule.axes or len(before)):
        raise ValueError(
            f"{rule.name}: give one size, or one for each of its {rule.axes} axes, before and "
            f"after, got {size_in} and {size_out}"
        )
    return settings_between(rule, before, after, pinned)
