"""Torch's own words for the layers that torch.nn does not have: the oracle of their protocols."""

import torch
import torch.nn.functional as F
from attention_cases import Theirs
from torch import nn
from torch.utils._pytree import tree_map


class DepthwiseConv2d(nn.Conv2d):
    def __init__(self, in_channels, kernel_size, depth_multiplier=1, *args, **kwargs):
        out_channels = in_channels * depth_multiplier
        super().__init__(
            in_channels, out_channels, kernel_size, *args, groups=in_channels, **kwargs
        )


class SeparableConv2d(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, depth_multiplier=1, **kwargs):
        super().__init__()
        self.depthwise = DepthwiseConv2d(
            in_channels, kernel_size, depth_multiplier, bias=False, **kwargs
        )
        self.pointwise = nn.Conv2d(in_channels * depth_multiplier, out_channels, 1)

    def forward(self, input):
        return self.pointwise(self.depthwise(input))


class SwitchableNorm2d(nn.BatchNorm2d):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, device=None, dtype=None):
        factory = {"device": device, "dtype": dtype}
        super().__init__(num_features, eps, momentum, **factory)
        self.mean_logits = nn.Parameter(torch.zeros(3, **factory))
        self.var_logits = nn.Parameter(torch.zeros(3, **factory))

    def forward(self, input):
        var_in, mean_in = torch.var_mean(input, (2, 3), keepdim=True, correction=0)
        var_ln, mean_ln = torch.var_mean(input, (1, 2, 3), keepdim=True, correction=0)
        if self.training:
            nn.BatchNorm2d.forward(self, input.detach())  # for the running statistics
            var_bn, mean_bn = torch.var_mean(input, (0, 2, 3), keepdim=True, correction=0)
        else:
            mean_bn = self.running_mean[:, None, None]
            var_bn = self.running_var[:, None, None]
        w, v = self.mean_logits.softmax(0), self.var_logits.softmax(0)
        mean = w[0] * mean_in + w[1] * mean_ln + w[2] * mean_bn
        var = v[0] * var_in + v[1] * var_ln + v[2] * var_bn
        output = (input - mean) / torch.sqrt(var + self.eps)
        return output * self.weight[:, None, None] + self.bias[:, None, None]


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.1, max_len=5000):
        super().__init__()
        self.dropout = dropout
        self.register_buffer("pe", torch.empty(max_len, d_model), persistent=False)
        self._apply(lambda t: t)

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        position = torch.arange(self.pe.shape[0], dtype=torch.float64)
        even = torch.arange(0, self.pe.shape[1], 2, dtype=torch.float64)
        angle = position[:, None] / 1e4 ** (even / self.pe.shape[1])
        table = torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, : self.pe.shape[1]]
        self.pe = table.to(self.pe)
        return self

    def forward(self, input):
        table = self.pe[: input.shape[-2]].to(input.dtype)
        return F.dropout(input + table, self.dropout, self.training)


class ScaledDotProductAttention(nn.Module):
    def __init__(self, dropout=0.0):
        super().__init__()
        self.dropout = dropout

    def forward(self, query, key, value):
        weights = torch.softmax(query @ key.mT / query.shape[-1] ** 0.5, -1)
        weights = F.dropout(weights.to(value.dtype), self.dropout, self.training)
        return weights @ value, weights


class MultiHeadAttention(Theirs):
    def __init__(self, h, d_model, dropout=0.1, bias=True):
        super().__init__(d_model, h, dropout, bias, batch_first=True)

    def forward(self, *args, **kwargs):
        output = super().forward(*args, **kwargs)  # whose first axes torch transposes
        return tree_map(torch.Tensor.contiguous, output)


EQUIVALENTS = {
    layer.__name__: layer
    for layer in (
        DepthwiseConv2d, SeparableConv2d, SwitchableNorm2d,
        PositionalEncoding, ScaledDotProductAttention, MultiHeadAttention,
    )
}  # fmt: skip
