"""Rules of the normalisations: the shape stays, parameters belong to channels or features."""

from collections.abc import Iterable, Sequence
from typing import Any

from layerref.rules.arithmetic import Number, equal, implies, product
from layerref.rules.record import (
    Entry,
    Need,
    Parameter,
    Rule,
    Settings,
    Steps,
    batched_or_not,
    fits_layout,
    need,
    same_size,
)

AFFINE = Parameter("affine", "bool", True)
BIAS = Parameter("bias", "bool", True)
CHANNELS = Parameter("num_features", "int", letter="C", low=0, example=6)
EPS = Parameter("eps", "float", 1e-5)
MOMENTUM = Parameter("momentum", "float", 0.1, optional=True)
TRAINING = Parameter("training", "bool", True)


def channel_weights(s: Settings, channels: Number) -> list[Entry]:
    """One scale and one shift for each channel."""
    weight = Entry("weight", (channels,), s.affine)
    return [weight, Entry("bias", (channels,), s.affine * s.bias)]


def channel_state(s: Settings) -> list[Entry]:
    """Scale, shift, and the buffers that running statistics need."""
    running = [("running_mean", (s.num_features,)), ("running_var", (s.num_features,))]
    buffers = [*running, ("num_batches_tracked", ())]
    return [
        *channel_weights(s, s.num_features),
        *(Entry(key, shape, s.track_running_stats, learned=False) for key, shape in buffers),
    ]


def own_channels(channels: Number, s: Settings) -> Iterable[Need]:
    """Need the channels that parameters or buffers were made for, if there are any."""
    fits = same_size(channels, s.num_features, "channel", "num_features")
    yield fits._replace(holds=implies(s.affine + s.track_running_stats, fits.holds))


def several_values(flag: Any, values: Number, which: str) -> Need:
    """Need more than one value to take a mean over, where the flag holds."""
    return need(
        implies(flag, (values < 1) | (values > 1)),
        "mean and variance are taken over {which}, which is a single value here: give a larger "
        "batch or more positions, or choose another normalisation",
        which=which,
    )


def batch_norm_shape(x: Any, s: Settings) -> Steps[Any]:
    """Keep the shape; a channel is normalised over several values, unless by running statistics."""
    yield from fits_layout(x, s)
    own_statistics = s.training + (1 - s.track_running_stats)
    values = x[0] * product(x[2:])
    yield several_values(own_statistics, values, "the batch and the positions of a channel")
    text = "eps is greater than 0 where the batch is normalised by itself, got {eps}"
    yield need(implies(own_statistics, s.eps > 0), text, eps=s.eps)
    yield need(s.eps >= 0, "eps is at least 0, got {eps}", eps=s.eps)
    yield from own_channels(x[1], s)
    return x


def instance_norm_shape(x: Any, s: Settings) -> Steps[Any]:
    """Keep the shape; a channel of one sample has several positions."""
    yield from fits_layout(x, s)
    channels, *sizes = x[-1 - s.axes :]
    own_statistics = s.training + (1 - s.track_running_stats)
    which = "the positions of a channel of one sample"
    yield several_values(own_statistics, product(sizes), which)
    yield from own_channels(channels, s)
    text = "with affine=True there is at least one sample, got {shape}"
    yield need(implies(s.affine, x[0] > 0), text, shape=tuple(x))
    return x


def group_norm_check(s: Settings) -> Iterable[Need]:
    """Need groups of equal size."""
    yield need(
        equal(s.num_channels % s.num_groups, 0),
        "num_groups divides num_channels, got {groups} groups and {channels} channels",
        groups=s.num_groups,
        channels=s.num_channels,
    )


def group_norm_shape(x: Any, s: Settings) -> Steps[Any]:
    """Keep the shape; torch refuses a batch whose groups hold one value in all."""
    yield from fits_layout(x, s)
    fits = same_size(x[1], s.num_channels, "channel", "num_channels")
    yield fits._replace(holds=implies(s.affine, fits.holds))
    text = "num_groups divides the channels, got {groups} groups and {channels} channels"
    yield need(equal(x[1] % s.num_groups, 0), text, groups=s.num_groups, channels=x[1])
    values = x[0] * x[1] // s.num_groups * product(x[2:])
    yield several_values(1, values, "the channels and positions of a group")
    return x


def layer_norm_shape(x: Any, s: Settings) -> Steps[Any]:
    """Keep the shape; its last axes are the normalised ones."""
    sizes = s.normalized_shape
    fits = len(x) >= len(sizes)
    for got, wanted in zip(x[len(x) - len(sizes) :], sizes):
        fits &= equal(got, wanted)
    yield need(
        fits,
        "the last axes of the input have the sizes normalized_shape, {sizes}, got {shape}",
        sizes=sizes,
        shape=tuple(x),
    )
    return x


def some_axes(s: Settings) -> Iterable[Need]:
    """Need an axis to normalise."""
    yield need(len(s.normalized_shape) > 0, "normalized_shape names at least one axis, got ()")


def shape_weights(s: Settings) -> list[Entry]:
    """One scale and one shift for each normalised element."""
    weight = Entry("weight", s.normalized_shape, s.elementwise_affine)
    return [weight, Entry("bias", s.normalized_shape, s.elementwise_affine * s.bias)]


def running(
    name: str,
    layouts: Sequence[str],
    shape: Any,
    axes: int,
    affine: bool,
    tracked: bool,
    **more: Any,
) -> Rule:
    """Build the rule of BatchNorm or InstanceNorm, which may keep running statistics."""
    return Rule(
        name,
        "normalization",
        (
            *(CHANNELS, EPS, MOMENTUM),
            Parameter("affine", "bool", affine),
            Parameter("track_running_stats", "bool", tracked),
            BIAS,
        ),
        tuple(layouts),
        shape,
        channel_state,
        axes=axes,
        forward=(TRAINING,),
        **more,
    )


def switchable_state(s: Settings) -> list[Entry]:
    """BatchNorm's tensors, and three weights each for means and variances."""
    weight, bias, *buffers = channel_state(Settings(**vars(s), **RUNNING))
    return [weight, bias, Entry("mean_logits", (3,)), Entry("var_logits", (3,)), *buffers]


RUNNING = {"affine": 1, "track_running_stats": 1, "bias": 1}
NORMALIZED = Parameter("normalized_shape", "sizes", letter="E", low=0, example=64)
ELEMENTWISE = Parameter("elementwise_affine", "bool", True)

RULES = [
    *(
        running(
            f"BatchNorm{axes}d",
            ["N C", "N C L"] if axes == 1 else batched_or_not("C", axes)[:1],
            batch_norm_shape,
            axes,
            affine=True,
            tracked=True,
            mode="differs",
            mode_note="same if track_running_stats=False: then eval uses the batch, too",
        )
        for axes in (1, 2, 3)
    ),
    *(
        running(
            f"InstanceNorm{axes}d",
            batched_or_not("C", axes),
            instance_norm_shape,
            axes,
            affine=False,
            tracked=False,
            mode_note="differs if track_running_stats=True",
        )
        for axes in (1, 2, 3)
    ),
    Rule(
        "SwitchableNorm2d",
        "normalization",
        (CHANNELS, EPS, MOMENTUM),
        ("N C H W",),
        lambda x, s: batch_norm_shape(x, Settings(**vars(s), **RUNNING)),
        switchable_state,
        axes=2,
        mode="differs",
        forward=(TRAINING,),
    ),
    Rule(
        "LayerNorm",
        "normalization",
        (NORMALIZED, EPS, ELEMENTWISE, BIAS),
        ("N L E", "* E"),
        layer_norm_shape,
        shape_weights,
        some_axes,
    ),
    Rule(
        "RMSNorm",
        "normalization",
        (NORMALIZED, Parameter("eps", "float", None, optional=True), ELEMENTWISE),
        ("N L E", "* E"),
        layer_norm_shape,
        lambda s: [Entry("weight", s.normalized_shape, s.elementwise_affine)],
        some_axes,
    ),
    Rule(
        "GroupNorm",
        "normalization",
        (
            Parameter("num_groups", "int", letter="G", low=1, example=3),
            Parameter("num_channels", "int", letter="C", low=0, example=6),
            EPS,
            AFFINE,
            BIAS,
        ),
        ("N C H W", "N C *"),
        group_norm_shape,
        lambda s: channel_weights(s, s.num_channels),
        group_norm_check,
    ),
]
