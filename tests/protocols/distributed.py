"""DDP and FSDP2: two processes on gloo, started once for all layers."""

import datetime
import json
import warnings

import oracle
import torch
import torch.distributed as dist
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.utils._pytree import tree_map_only

from protocols.cases import CASES
from protocols.judge import TOOLS, has_parameters, refusal, tool

WORLD = 2


def step(s, layer):
    """Return what a step on this process's part of the data gives, sharded tensors in full."""
    rank = dist.get_rank()
    found = oracle.run(layer, s.inputs(seed=rank + 1), {}, rank, s.forward.items())
    return tree_map_only(
        torch.Tensor, lambda t: t.full_tensor() if hasattr(t, "full_tensor") else t, found
    )


@tool(has_parameters)
def ddp(s):
    return step(s, DistributedDataParallel(s.layer()))


@tool(has_parameters)
def fsdp(s):
    return step(s, fully_shard(s.layer()))


def judge(rank, folder, table):
    """Write what one process found: for each entry its refusal by torch, or the failure of ours."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=WORLD,
        timeout=datetime.timedelta(seconds=60),
    )
    found = []
    for name_of_tool, name, number in table:
        verdict = {"refusal": None, "failure": None}
        try:
            verdict["refusal"] = refusal(TOOLS[name_of_tool], name, CASES[name][number])
        except Exception as error:
            verdict["failure"] = f"process {rank}: {type(error).__name__}: {error}"
        found.append(verdict)
    (folder / f"{rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


def verdicts(folder, table):
    """Run the processes; return for each entry what they found, one refusal and one failure."""
    torch.multiprocessing.spawn(judge, (folder, table), nprocs=WORLD)
    both = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(WORLD)]
    merged = [
        {what: a[what] or b[what] for what in ("refusal", "failure")}
        for a, b in zip(*both, strict=True)
    ]
    return dict(zip(map(tuple, table), merged, strict=True))
