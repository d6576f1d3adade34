"""Every layer is at home in PyTorch: where a tool works with torch's layer, it works with ours.

``CASES`` in protocols/cases.py is the table of layers, ``TOOLS`` that of tools. A test is named
``tool-layer-number``: ``-k "Conv2d and strides"`` selects.
"""

import json

import pytest
from filelock import FileLock
from protocols import distributed, graphs, layouts, life, transforms  # noqa: F401  fill TOOLS
from protocols.cases import CASES, NAMES
from protocols.judge import refusal, table
from torch import nn

import layerref

TABLE = table()
TWO = {distributed.ddp.__name__, distributed.fsdp.__name__}


def test_every_layer_has_a_case():
    layers = {n for n in layerref.__all__ if isinstance(getattr(layerref, n), type)}
    assert not layers - set(CASES), "add a line for each of these to CASES in protocols/cases.py"


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(nn, name)])
def test_ours_is_an_instance_of_torchs_class(name):
    assert issubclass(getattr(layerref, name), getattr(nn, name))


@pytest.fixture(scope="session")
def two_processes(request, tmp_path_factory):
    """Return what two processes found for the selected tests; they run once for all workers."""
    folder = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        folder = folder.parent
    selected = [getattr(item, "callspec", None) for item in request.session.items]
    entries = [spec.params["entry"] for spec in selected if spec and "entry" in spec.params]
    wanted = [(tool.name, *which) for tool, *which in entries if tool.name in TWO]
    file = folder / "two.json"
    with FileLock(folder / "two.lock"):
        if not file.exists():
            found = distributed.verdicts(folder, wanted)
            file.write_text(json.dumps([[*entry, verdict] for entry, verdict in found.items()]))
    return {tuple(entry): verdict for *entry, verdict in json.loads(file.read_text())}


@pytest.mark.parametrize("entry", TABLE, ids=[f"{t.name}-{n}-{i}" for t, n, i in TABLE])
@pytest.mark.filterwarnings("ignore")
def test_at_home(entry, record_property, request):
    tool, name, number = entry
    if tool.name in TWO:
        verdict = request.getfixturevalue("two_processes")[tool.name, name, number]
        assert not verdict["failure"], verdict["failure"]
        record_property("refusal", verdict["refusal"])
    else:
        record_property("refusal", refusal(tool, name, CASES[name][number]))
