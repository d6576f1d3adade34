"""Random settings for every layer that has a rule: input shapes and arguments, right and wrong.

``DRAWS[name](r)`` takes a ``random.Random`` and returns the shape of the input (or shapes), the
constructor's keyword arguments, and keyword arguments of ``forward`` (which ``rules`` takes, too).
About half of what is drawn is refused by torch, for every reason that its layer knows.
"""

SIZES = (1, 2, 3, 5, 7, 11)
LETTERS = {1: "L", 2: "HW", 3: "DHW"}


def maybe(r, likely, *others, odds=0.8):
    return likely if r.random() < odds else r.choice(others)


def size(r, zero=0.03):
    return 0 if r.random() < zero else r.choice(SIZES)


def some(r, values, axes):
    """Draw one value, or one for each axis, seldom too many."""
    if r.random() < 0.5:
        return r.choice(values)
    count = maybe(r, axes, axes + 1, odds=0.97)
    return tuple(r.choice(values) for _ in range(count))


def spatial(r, axes, channels):
    """Draw (N, C, ...) or (C, ...), seldom of another rank."""
    if r.random() < 0.05:
        return tuple(size(r) for _ in range(r.randint(0, axes + 3)))
    batch = () if r.random() < 0.3 else (size(r),)
    return (*batch, channels, *(size(r) for _ in range(axes)))


def options(r, **drawers):
    """Leave each option out half of the time."""
    return {name: draw() for name, draw in drawers.items() if r.random() < 0.5}


def flip(r):
    return r.random() < 0.5


# ---------------------------------------------------------------- windows
def window(r, axes):
    return options(
        r,
        stride=lambda: some(r, (1, 2, 3, maybe(r, 4, 0, -1)), axes),
        padding=lambda: some(r, (0, 1, 2, maybe(r, 3, -1)), axes),
        dilation=lambda: some(r, (1, 2, maybe(r, 3, 0, -1)), axes),
    )


def kernel(r, axes):
    return some(r, (1, 2, 3, maybe(r, 4, 0, -1, odds=0.9)), axes)


def channels(r):
    groups = r.choice((1, 1, 1, 2, 3))
    a, b = groups * r.choice((1, 2)), groups * r.choice((1, 3))
    if r.random() < 0.05:
        groups = r.choice((0, 2, 5))
    return groups, a, b


def conv(axes):
    def draw(r):
        groups, a, b = channels(r)
        kwargs = {"in_channels": a, "out_channels": b, "kernel_size": kernel(r, axes)}
        kwargs |= window(r, axes)
        kwargs |= options(r, groups=lambda: groups, bias=lambda: flip(r))
        if r.random() < 0.25:
            kwargs["padding"] = r.choice(("same", "valid", "full"))
            if r.random() < 0.7:
                kwargs.pop("stride", None)
        if r.random() < 0.4:
            kwargs["padding_mode"] = r.choice(("reflect", "replicate", "circular", "zeros", "edge"))
        return spatial(r, axes, maybe(r, a, a + 1, odds=0.95)), kwargs, {}

    return draw


def transposed(axes):
    def draw(r):
        groups, a, b = channels(r)
        kwargs = {"in_channels": a, "out_channels": b, "kernel_size": kernel(r, axes)}
        kwargs |= window(r, axes)
        kwargs |= options(r, groups=lambda: groups, bias=lambda: flip(r))
        if r.random() < 0.5:
            kwargs["output_padding"] = some(r, (0, 1, maybe(r, 2, -1, 3)), axes)
        if r.random() < 0.03:
            kwargs["padding_mode"] = r.choice(("reflect", "zeros"))
        x = spatial(r, axes, maybe(r, a, a + 1, odds=0.95))
        forward = {}
        if r.random() < 0.4 and len(x) > axes:
            numbers = [
                v if isinstance(v := kwargs.get(name, default), int) else v[0]
                for name, default in (
                    ("kernel_size", 1),
                    ("stride", 1),
                    ("padding", 0),
                    ("dilation", 1),
                )
            ]
            k, s, p, d = numbers
            wanted = [
                (i - 1) * s - 2 * p + d * (k - 1) + 1 + r.choice((0, 0, 1, 2, -1))
                for i in x[-axes:]
            ]
            full = [*x[:-axes], *wanted]
            forward["output_size"] = maybe(r, wanted, full, wanted[:-1], wanted[0])
        return x, kwargs, forward

    return draw


def depthwise(r):
    a = r.choice((1, 2, 3))
    kwargs = {"in_channels": a, "kernel_size": kernel(r, 2)} | window(r, 2)
    kwargs |= options(r, depth_multiplier=lambda: r.choice((1, 2)), bias=lambda: flip(r))
    if r.random() < 0.2:
        kwargs["padding"] = r.choice(("same", "valid"))
    return spatial(r, 2, maybe(r, a, a + 1, odds=0.95)), kwargs, {}


def separable(r):
    x, kwargs, forward = depthwise(r)
    return x, {"out_channels": r.choice((1, 2, 5)), **kwargs}, forward


def max_pool(axes):
    def draw(r):
        kwargs = {"kernel_size": kernel(r, axes)} | window(r, axes)
        kwargs |= options(r, ceil_mode=lambda: flip(r), return_indices=lambda: flip(r))
        return spatial(r, axes, size(r)), kwargs, {}

    return draw


def avg_pool(axes):
    def draw(r):
        kwargs = {"kernel_size": kernel(r, axes)} | window(r, axes)
        kwargs.pop("dilation", None)
        kwargs |= options(r, ceil_mode=lambda: flip(r), count_include_pad=lambda: flip(r))
        if axes > 1:
            kwargs |= options(r, divisor_override=lambda: r.choice((None, 1, 3, 0, -2)))
        return spatial(r, axes, size(r)), kwargs, {}

    return draw


def adaptive(axes, maximum):
    def draw(r):
        targets = (1, 2, 5, 7, *((None,) if axes > 1 else ()), maybe(r, 3, 0, -1))
        kwargs = {"output_size": some(r, targets, axes)}
        if maximum:
            kwargs |= options(r, return_indices=lambda: flip(r))
        return spatial(r, axes, size(r)), kwargs, {}

    return draw


def fractional(axes):
    def draw(r):
        kwargs = {"kernel_size": some(r, (1, 2, 3, maybe(r, 2, 0, -1)), axes)}
        if r.random() < 0.5:
            kwargs["output_size"] = some(r, (1, 2, 3, maybe(r, 5, 0, -1)), axes)
        if r.random() < 0.5:
            kwargs["output_ratio"] = some(r, (0.3, 0.5, 0.29, 0.75, maybe(r, 0.9, 1.0, 0.0)), axes)
        kwargs |= options(r, return_indices=lambda: flip(r))
        return spatial(r, axes, size(r)), kwargs, {}

    return draw


def upsample(r):
    axes = r.choice((1, 2, 3))
    fitting = {1: "linear", 2: "bilinear bicubic", 3: "trilinear"}[axes].split()
    others = ("linear", "bilinear", "bicubic", "trilinear", "nearest", "cubic")
    kwargs = {"mode": maybe(r, r.choice((*fitting, "nearest", "nearest-exact", "area")), *others)}
    if r.random() < 0.5:
        kwargs["size"] = some(r, (1, 3, 7, maybe(r, 5, 0, -1)), axes)
    if r.random() < 0.5:
        factors = (2, 0.5, 1.5, 0.3, 0.1 * 3, 2.3, 3, maybe(r, 0.7, 0.0, -1.0))
        kwargs["scale_factor"] = some(r, factors, axes)
    if r.random() < 0.25:
        kwargs["align_corners"] = r.choice((True, False, None))
    if r.random() < 0.2:
        kwargs["recompute_scale_factor"] = r.choice((True, False, None))
    x = (size(r), size(r), *(size(r) for _ in range(axes)))
    return x, kwargs, {}


def unfold(r):
    kwargs = {"kernel_size": kernel(r, 2)} | window(r, 2)
    return spatial(r, 2, size(r)), kwargs, {}


def fold(r):
    kwargs = {"kernel_size": kernel(r, 2), "output_size": some(r, (3, 5, 7, maybe(r, 4, 0, 1)), 2)}
    kwargs |= window(r, 2)
    per_axis = [
        (v, v) if isinstance(v := kwargs.get(name, default), int) else v[:2]
        for name, default in (
            ("output_size", 1), ("kernel_size", 1), ("stride", 1), ("padding", 0), ("dilation", 1)
        )
    ]  # fmt: skip
    columns, rows = 1, size(r)
    for i, k, s, p, d in zip(*per_axis, strict=True):
        columns *= max((i + 2 * p - d * (k - 1) - 1) // (s or 1) + 1, 0)
        rows *= max(k, 0)
    batch = () if flip(r) else (size(r),)
    if r.random() < 0.04:
        batch = (2, 3)
    return (
        (*batch, maybe(r, rows, rows + 1, odds=0.9), maybe(r, columns, columns + 1, odds=0.9)),
        kwargs,
        {},
    )


def pad(prefix, axes):
    def draw(r):
        values = (0, 1, 2, 3, -1, maybe(r, 1, -2, 6))
        kwargs = {"padding": some(r, values, 2 * axes)}
        if prefix == "Constant":
            kwargs["value"] = 1.5
        x = spatial(r, axes, size(r))
        if prefix in ("Constant", "Zero") and r.random() < 0.2:
            x = tuple(size(r) for _ in range(r.randint(0, 5)))
        return x, kwargs, {}

    return draw


WINDOWED = {
    **{f"Conv{n}d": conv(n) for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": transposed(n) for n in (1, 2, 3)},
    "DepthwiseConv2d": depthwise,
    "SeparableConv2d": separable,
    **{f"MaxPool{n}d": max_pool(n) for n in (1, 2, 3)},
    **{f"AvgPool{n}d": avg_pool(n) for n in (1, 2, 3)},
    **{f"AdaptiveMaxPool{n}d": adaptive(n, True) for n in (1, 2, 3)},
    **{f"AdaptiveAvgPool{n}d": adaptive(n, False) for n in (1, 2, 3)},
    **{f"FractionalMaxPool{n}d": fractional(n) for n in (2, 3)},
    "Upsample": upsample,
    "Unfold": unfold,
    "Fold": fold,
    **{
        f"{prefix}Pad{n}d": pad(prefix, n)
        for prefix in ("Constant", "Zero", "Replication", "Reflection", "Circular")
        for n in (1, 2, 3)
    },
}


# ---------------------------------------------------------------- single elements, last axis
def any_shape(r, low=0):
    return tuple(size(r) for _ in range(r.randint(low, 5)))


def linear(r):
    kwargs = {
        "in_features": maybe(r, r.choice(SIZES), -1, 0, odds=0.95),
        "out_features": r.choice(SIZES),
    }
    kwargs |= options(r, bias=lambda: flip(r))
    last = maybe(r, kwargs["in_features"], 4)
    return (*any_shape(r), max(last, 0))[-5:], kwargs, {}


def embedding(r):
    rows = r.choice(SIZES)
    kwargs = {"num_embeddings": rows, "embedding_dim": r.choice(SIZES)}
    kwargs |= options(
        r,
        padding_idx=lambda: r.choice((None, 0, -1, rows - 1, -rows, rows, -rows - 1)),
        max_norm=lambda: r.choice((None, 1.0)),
        sparse=lambda: flip(r),
    )
    return any_shape(r), kwargs, {}


def flatten(r):
    kwargs = options(r, start_dim=lambda: r.randint(-4, 4), end_dim=lambda: r.randint(-4, 4))
    return any_shape(r), kwargs, {}


def unflatten(r):
    sizes = r.choice(((2, 3), (-1, 3), (3, -1, 1), (6,), (1, 6), (-1, -1), (0, -1), (2, 2), ()))
    x = tuple(r.choice((6, 12, 3, 1)) for _ in range(r.randint(0, 4)))
    return x, {"dim": r.randint(-3, 3), "unflattened_size": sizes}, {}


def plain(**drawers):
    return lambda r: (
        any_shape(r),
        options(r, **{k: lambda d=d: d(r) for k, d in drawers.items()}),
        {},
    )


def threshold(r):
    return any_shape(r), {"threshold": 0.1, "value": 2}, {}


def hardtanh(r):
    kwargs = options(
        r, min_val=lambda: r.choice((-2.0, 0.0, 1.0)), max_val=lambda: r.choice((0.0, 2.0))
    )
    return any_shape(r), kwargs, {}


def dropout(axes):
    def draw(r):
        kwargs = options(
            r, p=lambda: r.choice((0, 0.3, 1.0, 1, 1.5, -0.1)), inplace=lambda: flip(r)
        )
        x = any_shape(r) if flip(r) or not axes else (*any_shape(r)[:2], *(3,) * axes)
        return x, kwargs, {}

    return draw


# ---------------------------------------------------------------- normalisation
def norm_options(r):
    return options(
        r,
        eps=lambda: r.choice((1e-5, 0.1, maybe(r, 1.0, 0.0, -1.0))),
        momentum=lambda: r.choice((None, 0.3)),
        affine=lambda: flip(r),
        track_running_stats=lambda: flip(r),
        bias=lambda: flip(r),
    )


def batch_norm(axes):
    def draw(r):
        count = r.choice(SIZES)
        kwargs = {"num_features": count} | norm_options(r)
        right = maybe(r, count, count + 1, odds=0.9)
        ranks = (0, 1) if axes == 1 else (axes,)
        x = (size(r), right, *(size(r) for _ in range(r.choice(ranks))))
        x = maybe(r, x, any_shape(r), odds=0.9)
        return x, kwargs, {"training": flip(r)} if flip(r) else {}

    return draw


def instance_norm(axes):
    def draw(r):
        count = r.choice(SIZES)
        kwargs = {"num_features": count} | norm_options(r)
        if kwargs.get("momentum", 1) is None:
            del kwargs["momentum"]
        x = spatial(r, axes, maybe(r, count, count + 1, odds=0.9))
        return x, kwargs, {"training": flip(r)} if flip(r) else {}

    return draw


def group_norm(r):
    groups = maybe(r, r.choice((1, 2, 3)), 0, odds=0.97)
    count = maybe(r, groups * r.choice((1, 2)), 5, odds=0.9)
    kwargs = {"num_groups": groups, "num_channels": count}
    kwargs |= options(r, affine=lambda: flip(r), bias=lambda: flip(r))
    x = (size(r), maybe(r, count, count + 1, odds=0.9), *any_shape(r)[:3])
    return maybe(r, x, any_shape(r), odds=0.9), kwargs, {}


def last_axes(bias):
    def draw(r):
        sizes = tuple(r.choice(SIZES) for _ in range(maybe(r, r.randint(1, 3), 0, odds=0.97)))
        given = sizes[0] if len(sizes) == 1 and flip(r) else sizes
        kwargs = {"normalized_shape": given} | options(r, elementwise_affine=lambda: flip(r))
        if bias:
            kwargs |= options(r, bias=lambda: flip(r))
        x = (*any_shape(r)[:2], *sizes)
        if r.random() < 0.2:
            x = (*x[:-1], 4) if flip(r) else x[-1:]
        return x, kwargs, {}

    return draw


# ---------------------------------------------------------------- recurrent
def sequence(r, features, batch_first):
    length, batch = size(r, 0.05), r.choice(SIZES)
    steps = (length,) if flip(r) else (batch, length) if batch_first else (length, batch)
    return maybe(r, (*steps, features), any_shape(r), odds=0.92)


def recurrent(name):
    def draw(r):
        a, h = maybe(r, r.choice(SIZES), 0, odds=0.97), maybe(r, r.choice(SIZES), 0, odds=0.97)
        kwargs = {"input_size": a, "hidden_size": h}
        kwargs |= options(
            r,
            num_layers=lambda: maybe(r, r.choice((1, 2, 3)), 0, odds=0.95),
            bias=lambda: flip(r),
            batch_first=lambda: flip(r),
            dropout=lambda: maybe(r, 0.5, 1.5, -1, odds=0.95),
            bidirectional=lambda: flip(r),
        )
        if name == "LSTM":
            kwargs |= options(r, proj_size=lambda: maybe(r, r.choice((0, 1, 2)), 11))
        if name == "RNN":
            kwargs |= options(r, nonlinearity=lambda: maybe(r, r.choice(("tanh", "relu")), "sin"))
        x = sequence(r, maybe(r, a, a + 1, odds=0.95), kwargs.get("batch_first"))
        if r.random() < 0.3 and len(x) in (2, 3):
            batch = () if len(x) == 2 else (x[0] if kwargs.get("batch_first") else x[1],)
            count = kwargs.get("num_layers", 1) * (1 + kwargs.get("bidirectional", False))
            seen = kwargs.get("proj_size", 0) or h
            h0 = (count, *batch, seen)
            wrong = ((count + 1, *batch, seen), (count, *batch, seen + 1), (count, seen))
            states = (h0, (count, *batch, h)) if name == "LSTM" else h0
            if r.random() < 0.2:
                states = (
                    (r.choice(wrong), (count, *batch, h)) if name == "LSTM" else r.choice(wrong)
                )
            x = (x, states)
        return x, kwargs, {}

    return draw


def cell(name):
    def draw(r):
        a, h = r.choice(SIZES), r.choice(SIZES)
        kwargs = {"input_size": a, "hidden_size": h} | options(r, bias=lambda: flip(r))
        if name == "RNNCell":
            kwargs |= options(r, nonlinearity=lambda: maybe(r, r.choice(("tanh", "relu")), "sin"))
        batch = () if flip(r) else (size(r),)
        x = maybe(r, (*batch, maybe(r, a, a + 1, odds=0.9)), any_shape(r), odds=0.9)
        if r.random() < 0.4 and len(x) in (1, 2):
            right = (*x[:-1], h)
            state = maybe(r, right, (*x[:-1], h + 1), odds=0.8)
            x = (x, (state, right) if name == "LSTMCell" else state)
        return x, kwargs, {}

    return draw


# ---------------------------------------------------------------- attention, transformer
def heads(r):
    h = maybe(r, r.choice((1, 2, 3)), 0, odds=0.97)
    return h, maybe(r, h * r.choice((1, 2)), 5, odds=0.93)


def multi_head(r):
    h, width = heads(r)
    kwargs = {"h": h, "d_model": width} | options(
        r, dropout=lambda: r.choice((0.0, 0.5)), bias=lambda: flip(r)
    )
    batch = () if flip(r) else (r.choice(SIZES),)
    source = r.choice(SIZES)
    query, key, value = (
        (*maybe(r, batch, (4,), odds=0.97), length, maybe(r, width, width + 1, odds=0.97))
        for length in (r.choice(SIZES), source, maybe(r, source, 4, odds=0.97))
    )
    return (query, key, value), kwargs, {"need_weights": True} if flip(r) else {}


def layer_options(r):
    h, width = heads(r)
    return {"d_model": width, "nhead": h, "dim_feedforward": r.choice(SIZES)} | options(
        r,
        dropout=lambda: maybe(r, r.choice((0.0, 0.5)), 1.5, odds=0.95),
        activation=lambda: maybe(r, r.choice(("relu", "gelu")), "sine", odds=0.95),
        batch_first=lambda: flip(r),
        norm_first=lambda: flip(r),
        bias=lambda: flip(r),
    )


def tokens(r, kwargs, batch, length):
    shape = (length,)
    if batch is not None:
        shape = (batch, length) if kwargs.get("batch_first") else (length, batch)
    return (*shape, maybe(r, kwargs["d_model"], 4, odds=0.95))


def encoder_layer(r):
    kwargs = layer_options(r)
    x = tokens(r, kwargs, r.choice((None, *SIZES)), r.choice(SIZES))
    return maybe(r, x, any_shape(r), odds=0.95), kwargs, {}


def decoder_layer(r):
    kwargs = layer_options(r)
    batch = r.choice((None, *SIZES))
    other = maybe(r, batch, None, 4, odds=0.93)
    lengths = r.choice(SIZES), r.choice(SIZES)
    return (tokens(r, kwargs, batch, lengths[0]), tokens(r, kwargs, other, lengths[1])), kwargs, {}


def stack(name, layer):
    def draw(r):
        x, inner, _ = layer(r)
        kwargs = {name: inner, "num_layers": maybe(r, r.choice((1, 2, 3)), 0, -1, odds=0.95)}
        if flip(r):
            kwargs["norm"] = {"normalized_shape": inner["d_model"]}
        return x, kwargs, {}

    return draw


def transformer(r):
    (tgt, src), kwargs, _ = decoder_layer(r)
    kwargs |= {"num_encoder_layers": r.choice((1, 2)), "num_decoder_layers": r.choice((1, 2))}
    return (src, tgt), kwargs, {}


OTHERS = {
    "Linear": linear,
    "Embedding": embedding,
    "Flatten": flatten,
    "Unflatten": unflatten,
    "Threshold": threshold,
    "ReLU": plain(inplace=flip),
    "GELU": plain(approximate=lambda r: r.choice(("none", "tanh", "erf"))),
    "Hardtanh": hardtanh,
    **{f"Dropout{f'{n}d' if n else ''}": dropout(n) for n in (0, 1, 2, 3)},
    **{f"BatchNorm{n}d": batch_norm(n) for n in (1, 2, 3)},
    **{f"InstanceNorm{n}d": instance_norm(n) for n in (1, 2, 3)},
    "GroupNorm": group_norm,
    "LayerNorm": last_axes(True),
    "RMSNorm": last_axes(False),
    **{name: recurrent(name) for name in ("RNN", "LSTM", "GRU")},
    **{name: cell(name) for name in ("RNNCell", "LSTMCell", "GRUCell")},
    "MultiHeadAttention": multi_head,
    "TransformerEncoderLayer": encoder_layer,
    "TransformerDecoderLayer": decoder_layer,
    "TransformerEncoder": stack("encoder_layer", encoder_layer),
    "TransformerDecoder": stack("decoder_layer", decoder_layer),
    "Transformer": transformer,
}


def switchable_norm(r):
    x, kwargs, forward = batch_norm(2)(r)
    return x, {k: v for k, v in kwargs.items() if k in ("num_features", "eps", "momentum")}, forward


def scaled_dot_product(r):
    lead = any_shape(r)[:2]
    queries, keys, width = r.choice(SIZES), r.choice(SIZES), r.choice(SIZES)
    shapes = (
        (*lead, queries, width),
        (*maybe(r, lead, (1,) * len(lead), (4,)), keys, maybe(r, width, width + 1, odds=0.95)),
        (*maybe(r, lead, (), (4,)), maybe(r, keys, keys + 1, odds=0.95), r.choice(SIZES)),
    )
    return shapes, options(r, dropout=lambda: r.choice((0.0, 0.5, maybe(r, 0.5, 1.0, -1)))), {}


def positional_encoding(r):
    width = r.choice(SIZES)
    kwargs = {"d_model": maybe(r, width, 0, odds=0.97)}
    kwargs |= options(
        r,
        dropout=lambda: maybe(r, 0.5, 1.5),
        max_len=lambda: maybe(r, r.choice(SIZES), 0, odds=0.95),
    )
    x = (r.choice(SIZES), maybe(r, width, width + 1, odds=0.9))
    return maybe(r, (*(() if flip(r) else (size(r),)), *x), any_shape(r), odds=0.9), kwargs, {}


OURS = {  # not in torch.nn: compared with layerref's own layer
    "SwitchableNorm2d": switchable_norm,
    "ScaledDotProductAttention": scaled_dot_product,
    "PositionalEncoding": positional_encoding,
}
DRAWS = WINDOWED | OTHERS | OURS
