"""Several processes of one machine on one training: started by torchrun, one rank writes.

The engine's worker starts itself again under `torch.distributed.run` where a stage asks for more than one process.
`accelerate launch` is not used: for several processes on CPU it silently runs one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from constitutional.api import StepFailed
from constitutional.builtin.trainers.parameters import FitParams, Launch, TrainerParams

#: Arguments of transformers that `launch` sets.
OWN = {"fsdp": "launch", "fsdp_config": "launch", "deepspeed": "launch", "ddp_backend": "launch", "local_rank": None,
       "accelerator_config": None, "parallelism_config": None}  # fmt: skip


def of(params: TrainerParams) -> Launch | None:
    """What was asked for; None where one process was."""
    said = params.launch if isinstance(params, FitParams) else None
    return said if said is not None and said.processes > 1 else None


def processes(params: TrainerParams) -> int:
    """How many processes train together."""
    said = of(params)
    return 1 if said is None else said.processes


def mistakes(params: FitParams, sharded: bool = True) -> Iterable[str]:
    """What is wrong with `launch`, a sentence each; `sharded` says whether the trainer can be given weights in parts."""
    said = of(params)
    if said is None or said.strategy == "ddp":
        return
    if not sharded:
        yield (f"`launch.strategy: {said.strategy}` is not for this trainer, which measures the model that it made as a "
               "whole; use `ddp`, with `lora` where memory is short")  # fmt: skip
    if params.lora is not None and params.lora.bits is not None:
        yield f"`lora.bits` and `{said.strategy}` do not go together: the latter shares out weights of one kind; use `ddp`"
    if params.lora is not None and params.lora.merge:
        yield f"`lora.merge` needs whole weights, and `{said.strategy}` shares them out; leave one of the two out"
    if said.strategy == "deepspeed" and find_spec("deepspeed") is None:
        yield "`launch.strategy: deepspeed` needs the package `deepspeed`, which is not installed: `pip install deepspeed`"


def rank(params: TrainerParams) -> int:
    """Which of the processes this is: 0 writes."""
    return int(os.environ.get("RANK", "0")) if of(params) is not None else 0


def begin(params: TrainerParams) -> None:
    """Take the accelerator that belongs to this process.

    Raises:
        StepFailed: if this process is alone, if there are too few of them, or none where the strategy needs some.
    """
    import torch

    said = of(params)
    if said is None:
        return
    _together(int(os.environ.get("WORLD_SIZE", "1")), said.processes)
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if there:
        if there < said.processes:
            raise StepFailed("launch", f"{said.processes} processes, but {there} accelerators on this machine",
                             help=f"`launch: {{processes: {there}}}`")  # fmt: skip
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    elif said.strategy != "ddp":
        raise StepFailed("launch", f"`{said.strategy}` needs an accelerator for each process, and there is none here",
                         help="`strategy: ddp` runs on CPU too")  # fmt: skip


def arguments(params: TrainerParams, cpu: bool) -> dict[str, Any]:
    """What transformers is told."""
    said = of(params)
    if said is None:
        return {}
    if said.strategy == "fsdp":
        return {"fsdp": "full_shard auto_wrap", "fsdp_config": {"state_dict_type": "FULL_STATE_DICT"}}
    if said.strategy == "deepspeed":
        return {"deepspeed": _zero()}
    return {"ddp_backend": "gloo" if cpu else "nccl", "ddp_find_unused_parameters": False}


def _zero() -> dict[str, Any]:
    """ZeRO stage 3; `auto` is filled in by transformers from its own arguments."""
    auto = ("train_micro_batch_size_per_gpu", "train_batch_size", "gradient_accumulation_steps", "gradient_clipping")
    return {"zero_optimization": {"stage": 3, "stage3_gather_16bit_weights_on_model_save": True},
            "bf16": {"enabled": "auto"}, **dict.fromkeys(auto, "auto")}  # fmt: skip


def verify(trainer: Any, params: TrainerParams) -> None:
    """Make sure that as many processes train together as were asked for.

    Raises:
        StepFailed: if not: each would train a model of its own on all rows, and nothing would say so.
    """
    import torch

    _together(int(trainer.accelerator.num_processes), processes(params))
    if trainer.args.device.type == "cpu":
        # In a group accelerate calls it `cpu:0`, onto which torch can load no checkpoint.  The property is computed once.
        vars(trainer.args)["_setup_devices"] = torch.device("cpu")


def _together(there: int, wanted: int) -> None:
    if there != wanted:
        raise StepFailed("launch", f"{wanted} processes were asked for, but {there} train together")


def average(trainer: Any, values: list[float]) -> float:
    """The mean of what all processes have; each has as many."""
    import torch

    mine = torch.tensor(sum(values) / len(values), device=trainer.accelerator.device)
    return float(trainer.accelerator.gather(mine).mean())


def gathered(trainer: Any, params: TrainerParams) -> Any:
    """All weights in one place where the strategy shares them out; None where every process has them."""
    said = of(params)
    if said is None or said.strategy == "ddp":
        return None
    return trainer.accelerator.get_state_dict(trainer.model_wrapped)


def end(trainer: Any, params: TrainerParams) -> None:
    """Wait for each other, then let go."""
    if of(params) is None:
        return
    import torch

    trainer.accelerator.wait_for_everyone()
    torch.distributed.destroy_process_group()
