"""What happens around every training: quiet libraries, weights in, adapters, checkpoints, progress, weights out."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

from constitutional.api import ConstitutionalError, Inputs, StepFailed, WholeContext
from constitutional.builtin.backends.loading import base_of, inspect_folder, is_folder, load_tokenizer, resolve
from constitutional.builtin.trainers import adapters, launch, stopping
from constitutional.builtin.trainers.parameters import Lora, TrainerParams

#: Values of a log that would differ between two runs of the same training, by speed or by where one was interrupted.
UNSTEADY = ("runtime", "per_second", "time", "flos", "num_tokens", "train_loss")


def quiet() -> None:
    """Keep libraries from telemetry, progress bars and advice."""
    os.environ.update(HF_HUB_DISABLE_TELEMETRY="1", TRL_EXPERIMENTAL_SILENCE="1", TOKENIZERS_PARALLELISM="false")
    import datasets
    import transformers

    transformers.utils.logging.set_verbosity_error()
    datasets.disable_progress_bars()


def begin(params: TrainerParams) -> None:
    """Quiet libraries, and the accelerator of this process."""
    quiet()
    launch.begin(params)


def tokenizer_of(model: str) -> Any:
    """The tokenizer of a model, padding on the right as trainers want it."""
    tokenizer = load_tokenizer(base_of(resolve(model)), None)
    tokenizer.padding_side = "right"
    return tokenizer


def load(model: str, automatic: Any, params: TrainerParams, **options: Any) -> Any:
    """Weights for training, in float32 or as `lora.bits` says; an adapter from an earlier step is merged into its base first."""
    import torch

    place = resolve(model)
    if is_folder(place):
        inspect_folder(Path(place))
    base = base_of(place)
    if params.attention != "auto":
        options["attn_implementation"] = params.attention
    options["dtype"] = torch.float32
    few = adapters.quantisation(params.lora) if base == place else {}
    loaded = automatic.from_pretrained(base, local_files_only=is_folder(base), use_safetensors=True, trust_remote_code=False,
                                       **options, **few)  # fmt: skip
    if base != place:
        loaded = adapters.merged_below(loaded, place, automatic, params.lora, options)
    # peft writes this name into a new adapter: the weights that it was trained on, with the adapter in them
    loaded.name_or_path = place
    return adapters.prepared(loaded, params.lora)


def reference_of(inputs: Inputs) -> str | None:
    """The model at the optional port `reference`; None where nothing is connected."""
    try:
        return inputs.model("reference")
    except ConstitutionalError:
        return None


def whole(model: str, workdir: Path, params: TrainerParams) -> str:
    """A folder with all of a policy's weights: TRL loads the reference again from where a policy's weights came from,
    and would leave out an adapter that was merged into them."""
    place = resolve(model)
    if base_of(place) == place:
        return place
    from transformers import AutoModelForCausalLM

    folder = workdir / "start"
    if not (folder / "whole").exists():
        load(place, AutoModelForCausalLM, params).save_pretrained(folder, safe_serialization=True)
        load_tokenizer(base_of(place), None).save_pretrained(folder)
        (folder / "whole").touch()
    return str(folder)


def ends_of(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a turn: the tokenizer's, and those of the model's generation configuration."""
    ends = model.generation_config.eos_token_id
    listed = ends if isinstance(ends, list) else [] if ends is None else [ends]
    return frozenset([*listed, *([tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else [])])


def device_and_precision(params: TrainerParams) -> tuple[Any, Any]:
    """The device of a loop of our own, and the precision to compute in; None is that of the weights."""
    import torch

    from constitutional.builtin.backends.loading import device_of

    device = device_of("auto")
    wanted = params.precision == "bfloat16" or (
        params.precision == "auto" and device == "cuda" and torch.cuda.is_bf16_supported()
    )
    return torch.device(device), torch.bfloat16 if wanted else None


def last_checkpoint(workdir: Path, processes: int = 1, sharded: bool = False) -> str | None:
    """The newest checkpoint that was written to its end: the trainer's state is what its first process writes last."""
    folder = workdir / "checkpoints"
    found = [
        path
        for path in folder.glob("checkpoint-*")
        if path.name[11:].isdecimal() and _complete(path, processes, sharded)
    ]
    return str(max(found, key=lambda path: int(path.name.rpartition("-")[2]))) if found else None


def _complete(checkpoint: Path, processes: int, sharded: bool) -> bool:
    """Whether all is there that training goes on from; shards of weights and optimisers have names of their own."""
    ranks = ["rng_state.pth"] if processes == 1 else [f"rng_state_{rank}.pth" for rank in range(processes)]
    needed = (*ranks, *(() if sharded else ("optimizer.pt", "scheduler.pt")))
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return all((checkpoint / name).is_file() for name in needed) and (sharded or any(checkpoint.glob("*.safetensors")))


def train(trainer: Any, ctx: WholeContext, params: TrainerParams) -> list[dict[str, float]]:
    """Train from the last checkpoint, tell how far it is, and return the log without what is a matter of time."""
    from transformers import PrinterCallback

    launch.verify(trainer, params)
    adapters.precise(trainer.model)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(progress_callback(ctx))
    stop = stopping.of(params)
    if stop is not None:
        trainer.add_callback(stopping.callback(stop))
    trainer.train(resume_from_checkpoint=_resumable(trainer, ctx.workdir, params))
    log = [
        {k: v for k, v in entry.items() if not any(word in k for word in UNSTEADY)}
        for entry in trainer.state.log_history
    ]
    losses = [entry["loss"] for entry in log if "loss" in entry]
    if not all(map(math.isfinite, losses)):
        raise StepFailed("training", "the loss is not a number", help="a smaller learning rate, or float32")
    return log


def _resumable(trainer: Any, workdir: Path, params: TrainerParams) -> str | None:
    """The checkpoint to go on from, the same for all processes; what was not written to its end is taken away."""
    said = launch.of(params)
    shape = (launch.processes(params), said is not None and said.strategy != "ddp")
    folder = workdir / "checkpoints"
    if launch.rank(params) == 0 and folder.is_dir():
        for path in folder.glob("checkpoint-*"):
            if not _complete(path, *shape):
                shutil.rmtree(path, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    return last_checkpoint(workdir, *shape)


def progress_callback(ctx: WholeContext) -> Any:
    from transformers import TrainerCallback

    class Tell(TrainerCallback):  # type: ignore[misc]
        """Passes steps and logged values on."""

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
            steady = {
                k: v
                for k, v in (logs or {}).items()
                if isinstance(v, (int, float)) and not any(w in k for w in UNSTEADY)
            }
            ctx.progress(state.global_step, state.max_steps, **steady)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            ctx.progress(state.global_step, state.max_steps)
            if state.global_step >= state.max_steps and not args.load_best_model_at_end:
                control.should_save = False  # what is kept comes next; transformers would write everything twice

    return Tell()


def keep(
    trainer: Any, tokenizer: Any, ctx: WholeContext, params: TrainerParams, figures: dict[str, Any],
    log: list[dict[str, float]],
) -> Path:  # fmt: skip
    """`save` what a trainer made: with several processes the first one writes, and all wait for it."""
    folder = ctx.workdir / "model"
    state = launch.gathered(trainer, params)
    if launch.rank(params) == 0:
        save(trainer.model, tokenizer, folder, params.lora, figures, log, state)
    launch.end(trainer, params)
    return folder


def save(
    model: Any, tokenizer: Any, folder: Path, lora: Lora | None, figures: dict[str, Any], log: list[dict[str, float]],
    state: Any = None,
) -> Path:  # fmt: skip
    """Write weights, tokenizer and the training's log; nothing in it depends on the time or the place."""
    shutil.rmtree(folder, ignore_errors=True)
    if lora is not None and lora.merge:
        model = adapters.merged(model, folder.with_name("adapter"), lora)
    model.save_pretrained(folder, safe_serialization=True, **({} if state is None else {"state_dict": state}))
    if lora is not None and not lora.merge:
        adapters.settle(folder)
    tokenizer.padding_side = "left"
    tokenizer.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    _without_places(folder / "config.json")
    (folder / "training.json").write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    lines = [json.dumps(entry, sort_keys=True) + "\n" for entry in log]
    (folder / "training_log.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def _without_places(config: Path) -> None:
    """A configuration remembers the path that it was loaded from; the artifact must not."""
    if config.is_file():
        said = json.loads(config.read_text(encoding="utf-8"))
        said.pop("_name_or_path", None)
        config.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def summary(log: list[dict[str, float]], trainer: Any, rows: int) -> dict[str, Any]:
    """The figures of a training: first and last loss, steps, rows."""
    losses = [entry["loss"] for entry in log if "loss" in entry]
    return {
        "steps": trainer.state.global_step,
        "rows": rows,
        "first_loss": losses[0] if losses else None,
        "last_loss": losses[-1] if losses else None,
    }
