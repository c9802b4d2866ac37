"""What all trainers can be told, and how it becomes transformers' arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from constitutional.api import Cosmetic, Params, StageParams


class Lora(Params):
    """Low-rank adapters (Hu et al. 2021, arXiv 2106.09685) in place of all weights."""

    r: int = Field(default=16, ge=1)
    """Rank."""

    alpha: float = Field(default=32.0, gt=0)
    """Scale: the adapter is multiplied by alpha / r."""

    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout on the adapter's input."""

    target_modules: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    """Which modules get one."""

    bits: Literal[4] | None = None
    """Bits of the frozen weights while the adapter is trained: 4 is QLoRA (Dettmers et al. 2023, arXiv 2305.14314)."""

    merge: bool = False
    """Merge into the weights at the end, so that the step leaves a whole model."""


class Launch(Params):
    """Several processes on this machine, each with an accelerator of its own, started by torchrun."""

    processes: int = Field(ge=1, le=64)
    """How many processes; each takes `batch_size` rows a step."""

    strategy: Literal["ddp", "fsdp", "deepspeed"] = "ddp"
    """Each process has all weights (`ddp`, also on CPU), or a part of them (`fsdp`; `deepspeed`: ZeRO stage 3)."""


class EarlyStopping(Params):
    """Measure a held-out part every few steps, stop when it no longer improves, and keep the best weights."""

    patience: int = Field(default=3, ge=1)
    """Measurements without improvement before training stops."""

    share: float = Field(default=0.1, gt=0, lt=1)
    """Share of the prompts that is held out, by hash."""

    every: int | None = Field(default=None, ge=1)
    """Optimiser steps between measurements; a tenth of an epoch where left out."""

    min_improvement: float = Field(default=0.0, ge=0)
    """How far the loss must fall to count as improvement."""


#: Trackers that transformers knows, and the package that each needs.
TRACKERS: dict[str, str] = {
    "azure_ml": "azureml", "clearml": "clearml", "codecarbon": "codecarbon", "comet_ml": "comet_ml", "dagshub": "dagshub",
    "dvclive": "dvclive", "flyte": "flytekit", "kubeflow": "kubeflow", "mlflow": "mlflow", "neptune": "neptune",
    "swanlab": "swanlab", "tensorboard": "tensorboard", "trackio": "trackio", "wandb": "wandb",
}  # fmt: skip


class TrainerParams(StageParams):
    """Parameters of every trainer."""

    epochs: float = Field(default=1.0, gt=0)
    """Passes over the data."""

    max_steps: int | None = Field(default=None, ge=1)
    """Stop after this many optimiser steps, whatever `epochs` says."""

    learning_rate: float = Field(default=1e-5, gt=0)
    """Peak learning rate of AdamW."""

    batch_size: int = Field(default=16, ge=1)
    """Rows a device and step."""

    gradient_accumulation: int = Field(default=1, ge=1)
    """Batches to an optimiser step."""

    scheduler: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "cosine"
    """How the learning rate falls."""

    warmup: float = Field(default=0.1, ge=0)
    """Warm-up: a share of all steps below 1, a number of steps from 1 on."""

    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay."""

    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are clipped to this norm."""

    max_length: int = Field(default=1024, ge=8)
    """Tokens of prompt and completion together; longer rows are dropped and counted, never cut."""

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto` is bfloat16 where the accelerator has it."""

    gradient_checkpointing: bool = False
    """Less memory for more time."""

    attention: Literal["auto", "eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention"] = "auto"
    """The implementation of attention; `auto` is transformers' own choice."""

    lora: Lora | None = None
    """Train low-rank adapters instead of all weights: `{r: 16, alpha: 32}`."""

    checkpoint_every: Annotated[int, Cosmetic()] = Field(default=200, ge=1)
    """Optimiser steps between checkpoints, to go on from after a crash."""

    report_to: Annotated[tuple[str, ...], Cosmetic()] = ()
    """Trackers that transformers knows: `[tensorboard]`.  The run's events have the same metrics always."""

    trainer_args: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the trainer's own configuration class, by their names there."""


class FitParams(TrainerParams):
    """Parameters of trainers that fit rows which are there from the start."""

    launch: Launch | None = None
    """Train in several processes: `{processes: 2, strategy: ddp}`; one where left out."""

    early_stopping: EarlyStopping | None = None
    """Stop when a held-out part no longer improves, and keep the best: `{patience: 3, share: 0.1}`."""

    liger: bool = False
    """Fused kernels of the package `liger-kernel`, which must be installed and needs an accelerator."""


#: Arguments that are set from our own parameters or from the run, and so are not to be given twice.
OURS = {
    "output_dir": None, "num_train_epochs": "epochs", "max_steps": "max_steps", "learning_rate": "learning_rate",
    "per_device_train_batch_size": "batch_size", "gradient_accumulation_steps": "gradient_accumulation",
    "lr_scheduler_type": "scheduler", "warmup_steps": "warmup", "warmup_ratio": "warmup", "weight_decay": "weight_decay",
    "max_grad_norm": "max_grad_norm", "max_length": "max_length", "bf16": "precision", "fp16": "precision",
    "gradient_checkpointing": "gradient_checkpointing", "save_steps": "checkpoint_every", "report_to": "report_to",
    "seed": None, "data_seed": None, "push_to_hub": None, "save_strategy": None, "use_cpu": None, "remove_unused_columns": None,
    "trust_remote_code": None, "model_init_kwargs": None, "log_completions_hub_repo": None,
    "packing": "packing", "completion_only_loss": None, "center_rewards_coefficient": "centring",
}  # fmt: skip


def training_arguments(params: TrainerParams, seed: int, workdir: Path, rows: int) -> dict[str, Any]:
    """Keyword arguments of `transformers.TrainingArguments` and of TRL's configurations."""
    import torch

    from constitutional.builtin.trainers import launch, stopping

    cpu = not (torch.cuda.is_available() or torch.backends.mps.is_available())
    bfloat = params.precision == "bfloat16" or (
        params.precision == "auto" and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    )
    usual = max(1, min(10, rows // max(1, params.batch_size * launch.processes(params) * 10)))
    logged = max(1, int(params.trainer_args.get("logging_steps", usual)))
    return {
        "output_dir": str(workdir / "checkpoints"),
        "num_train_epochs": params.epochs,
        "max_steps": params.max_steps or -1,
        "learning_rate": params.learning_rate,
        "per_device_train_batch_size": params.batch_size,
        "per_device_eval_batch_size": params.batch_size,
        "gradient_accumulation_steps": params.gradient_accumulation,
        "lr_scheduler_type": params.scheduler,
        "warmup_steps": params.warmup if params.warmup < 1 else int(params.warmup),
        "weight_decay": params.weight_decay,
        "max_grad_norm": params.max_grad_norm,
        "gradient_checkpointing": params.gradient_checkpointing,
        "save_strategy": "steps",
        # a checkpoint between two lines of the log would leave a line that knows only the steps after it
        "save_steps": -(-params.checkpoint_every // logged) * logged,
        "save_total_limit": 2,
        "logging_steps": logged,
        "logging_nan_inf_filter": False,
        "report_to": list(params.report_to) or "none",
        "seed": seed % 2**32,
        "data_seed": seed % 2**32,
        "bf16": bfloat,
        "use_cpu": cpu,
        "disable_tqdm": True,
        "push_to_hub": False,
        "remove_unused_columns": False,
        "dataloader_pin_memory": not cpu,
        **({"use_liger_kernel": True} if isinstance(params, FitParams) and params.liger else {}),
        **launch.arguments(params, cpu),
        **stopping.arguments(params, rows, logged),
        **params.trainer_args,
    }
