"""Every layer is at home in PyTorch: where a tool works with torch's layer, it works with ours.

``CASES`` in protocols/cases.py is the table of layers, ``TOOLS`` that of tools. A test is named
``tool-layer-number``: ``-k "Conv2d and strides"`` selects.
"""

import pytest
from protocols import layouts, life, transforms  # noqa: F401  they enter their tools into TOOLS
from protocols.cases import CASES, NAMES
from protocols.judge import refusal, table
from torch import nn

import layerref

TABLE = table()


def test_every_layer_has_a_case():
    layers = {n for n in layerref.__all__ if isinstance(getattr(layerref, n), type)}
    assert not layers - set(CASES), "add a line for each of these to CASES in protocols/cases.py"


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(nn, name)])
def test_ours_is_an_instance_of_torchs_class(name):
    assert issubclass(getattr(layerref, name), getattr(nn, name))


@pytest.mark.parametrize(
    ("tool", "name", "number"), TABLE, ids=[f"{t.name}-{n}-{i}" for t, n, i in TABLE]
)
@pytest.mark.filterwarnings("ignore")
def test_at_home(tool, name, number, record_property):
    record_property("refusal", refusal(tool, name, CASES[name][number]))
