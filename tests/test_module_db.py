"""Torch's own module tests, run through ours: every input that torch keeps for its layers."""

import copy

import oracle
import pytest
import torch
from torch.testing._internal.common_modules import module_db
from torch.utils._pytree import tree_map_only

import layerref

INFOS = [info for info in module_db if hasattr(layerref, info.module_cls.__name__)]


def inputs_of(info, training):
    torch.manual_seed(0)
    return info.module_inputs_func(
        info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
    )


def detached(tree):
    return tree_map_only(torch.Tensor, lambda t: t.detach().clone(), tree)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("info", INFOS, ids=[info.name for info in INFOS])
@pytest.mark.filterwarnings("ignore")
def test_as_torch_tests_its_own(info, training):
    inputs = inputs_of(info, training)
    assert inputs
    for number, module_input in enumerate(inputs):
        what = f"{info.name}, input {number} ({module_input.desc})"
        given, forward = module_input.constructor_input, module_input.forward_input
        torch.manual_seed(0)
        theirs = info.module_cls(*given.args, **given.kwargs).double().train(training)
        ours = getattr(layerref, info.module_cls.__name__)(*given.args, **given.kwargs)
        ours.double().train(training).load_state_dict(theirs.state_dict())
        reference = copy.deepcopy(ours)  # before a step changes its statistics
        results = [oracle.run(layer, forward.args, forward.kwargs, 0) for layer in (ours, theirs)]
        oracle.assert_close(*results, what)
        if module_input.reference_fn is not None:
            torch.manual_seed(0)
            args, kwargs = detached((forward.args, forward.kwargs))
            expected = module_input.reference_fn(reference, *args, **kwargs)
            # within the bound of torch's own test: its reference for RMSNorm is not more exact
            output = results[0]["output"]
            oracle.assert_close(output, detached(expected), f"{what}, reference", rtol=1e-7)
