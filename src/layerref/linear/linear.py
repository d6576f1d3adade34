"""The fully connected layer."""

import torch  # noqa: F401  (the examples use it)
from torch import Tensor, nn

from layerref.twin import Twin


class Linear(Twin, nn.Linear):
    r"""Map the features of each position by one matrix and one shift.

    .. math:: y = x W^\top + b, \qquad y_j = \sum_i W_{ji} x_i + b_j

    Only the last axis takes part; every other index is one independent sample, so an input may
    have any number of axes from one upwards. Both W and b start uniform in
    :math:`\pm 1/\sqrt{\mathrm{in\_features}}`. Train and eval agree.

    Parameters
    ----------
    in_features
        Size of the last axis of the input; >= 0.
    out_features
        Size of the last axis of the output; >= 0.
    bias
        Learn the shift b.

    Shape
    -----
    input ``(*, in_features)``, at least one axis; output ``(*, out_features)``.
    ``weight`` is ``(out_features, in_features)``: one row for each output feature.

    Raises
    ------
    ValueError
        The input's last axis does not have ``in_features`` elements.
    TypeError
        The input's dtype is not the weight's (autocast excepted).

    References
    ----------
    He, Zhang, Ren and Sun, *Delving Deep into Rectifiers*, arXiv 1502.01852, section 2.2 (the
    initial values, with the gain of a leaky ReLU of slope :math:`\sqrt 5`).

    Examples
    --------
    Only the last axis changes:

    >>> layer = Linear(5, 3)
    >>> layer(torch.zeros(2, 7, 5)).shape                            # N=2, L=7, E=5
    torch.Size([2, 7, 3])

    With the same parameters it equals PyTorch's:

    >>> theirs = nn.Linear(5, 3)
    >>> layer.load_state_dict(theirs.state_dict())
    <All keys matched successfully>
    >>> x = torch.randn(2, 7, 5)
    >>> torch.testing.assert_close(layer(x), theirs(x))
    """

    takes = "own"

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input @ weight.T + bias``."""
        output = input @ self.weight.T
        # autocast lowers the product only; the sum stays in its dtype
        return output if (bias := self.bias) is None else output + bias.to(output.dtype)
