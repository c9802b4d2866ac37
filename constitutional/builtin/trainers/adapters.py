"""Low-rank adapters: how they are made, on what weights they are trained, and what is left of two on top of each other."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from constitutional.api import UserError
from constitutional.builtin.backends.loading import ADAPTER_CONFIG, base_of, is_folder
from constitutional.builtin.trainers.parameters import Lora

WEIGHTS = "adapter_model.safetensors"
DOWN, UP = ".lora_A.weight", ".lora_B.weight"
#: Heads of reward models: made anew by a training, so they are never quantised.
HEADS = ["lm_head", "score", "classifier"]
#: What an adapter may say of itself and a sum of low-rank products cannot.
UNSUMMABLE = ("use_dora", "use_rslora", "lora_bias", "alpha_pattern", "rank_pattern", "trainable_token_indices",
              "layers_to_transform", "modules_to_save", "target_parameters", "layer_replication")  # fmt: skip


def mistakes(lora: Lora | None, *, policy: bool = True) -> Iterator[str]:
    """What is wrong with `lora`, a sentence each."""
    if lora is None or lora.bits is None:
        return
    if not policy:
        yield "`lora.bits` is for policies: a reward model rates with its precise weights, and would rate otherwise there"
    if find_spec("bitsandbytes") is None:
        yield "`lora.bits` needs the package `bitsandbytes`, which is not installed: `pip install bitsandbytes`"


def adapter_config(lora: Lora | None, task: str) -> Any:
    """peft's configuration; the task must be named, or a reward model loses its head when it is saved."""
    if lora is None:
        return None
    from peft import LoraConfig

    modules = lora.target_modules if isinstance(lora.target_modules, str) else list(lora.target_modules)
    return LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=modules, task_type=task,
        # peft knows by itself to keep heads whole, but not those of token classifiers
        exclude_modules=["score", "classifier"] if task == "TOKEN_CLS" else None,
    )  # fmt: skip


def added(model: Any, lora: Lora | None, task: str) -> Any:
    """The model with a new adapter on it, which begins at random; as it is where there is no `lora`."""
    if lora is None:
        return model
    from peft import get_peft_model

    return get_peft_model(model, adapter_config(lora, task))


def quantisation(lora: Lora | None) -> dict[str, Any]:
    """What `from_pretrained` is told: NF4 with double quantisation (Dettmers et al. 2023, arXiv 2305.14314, section 3)."""
    if lora is None or lora.bits is None:
        return {}
    import torch
    from transformers import BitsAndBytesConfig

    bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    config = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if bf16 else torch.float32, llm_int8_skip_modules=HEADS,
    )  # fmt: skip
    return {"quantization_config": config}


def merged_below(model: Any, place: str, automatic: Any, lora: Lora | None, options: Mapping[str, Any]) -> Any:
    """The weights with the adapter at `place` merged into them, ready to be trained, in few bits where `lora` says so.

    Raises:
        UserError: if the new adapter and the one below cannot become one at the end.
    """
    from peft import PeftConfig, PeftModel

    if lora is not None and not lora.merge:
        _summable(Path(place))
    config = PeftConfig.from_pretrained(place)
    config.task_type = None  # a policy's adapter also goes below a reward model, which cannot generate
    whole = PeftModel.from_pretrained(model, place, config=config).merge_and_unload().requires_grad_(True)
    if lora is None or lora.bits is None:
        return whole
    # what is merged into few bits is rounded away: merge into precise weights, and quantise after that
    with tempfile.TemporaryDirectory(prefix="constitutional-merged-") as folder:
        whole.save_pretrained(folder, safe_serialization=True)
        return automatic.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, **options, **quantisation(lora)
        )  # fmt: skip


def prepared(model: Any, lora: Lora | None) -> Any:
    """Frozen weights in few bits, with what is not quantised in float32; any other model as it is."""
    if lora is None or lora.bits is None:
        return model
    from peft import prepare_model_for_kbit_training

    return prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)


def precise(model: Any) -> None:
    """What is trained is kept in float32: TRL makes adapters on few bits bfloat16, in which small steps are rounded away."""
    for one in model.parameters():
        if one.requires_grad and one.is_floating_point():
            one.data = one.data.float()


def merged(model: Any, scratch: Path, lora: Lora) -> Any:
    """The whole model: the adapter in the precise weights, those that it would be served with."""
    if lora.bits is None:
        return model.merge_and_unload()
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model.save_pretrained(scratch, safe_serialization=True)
    settle(scratch)
    base = base_of(str(scratch))
    whole = AutoModelForCausalLM.from_pretrained(
        base, dtype=torch.float32, local_files_only=is_folder(base), use_safetensors=True, trust_remote_code=False
    )
    return PeftModel.from_pretrained(whole, str(scratch)).merge_and_unload()


def settle(folder: Path) -> None:
    """Bring a saved adapter into its last form: of the weights themselves, and in an order that is always the same.

    Raises:
        UserError: if it was trained on top of an adapter that it cannot be made one with.
    """
    said = _said(folder)
    below = str(said["base_model_name_or_path"])
    if base_of(below) != below:
        _join(Path(below), folder, said)
    if isinstance(said["target_modules"], list):  # peft keeps a set of names, which has another order in each process
        said["target_modules"] = sorted(said["target_modules"])
    (folder / ADAPTER_CONFIG).write_text(json.dumps(said, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _join(below: Path, folder: Path, said: dict[str, Any]) -> None:
    """Make an adapter that was trained on top of the one below a single adapter of the weights under both.

    What an adapter adds to a weight is the product of its two factors, times alpha / r.  The sum of two such products is the
    product of the factors side by side, with the sum of the ranks: nothing is rounded.
    """
    from safetensors.torch import load_file, save_file

    _summable(below)
    layers = [(load_file(place / WEIGHTS), config) for place, config in ((below, _said(below)), (folder, said))]
    names = {name for weights, _ in layers for name in weights}
    modules = sorted({name.removesuffix(DOWN) for name in names if name.endswith(DOWN)})
    rank = sum(int(config["r"]) for _, config in layers)
    kept = {name: value for name, value in layers[1][0].items() if not name.endswith((DOWN, UP))}
    for module in modules:
        factors = [(weights[module + DOWN], weights[module + UP] * (config["lora_alpha"] / config["r"]))
                   for weights, config in layers if module + DOWN in weights]  # fmt: skip
        kept[module + DOWN], kept[module + UP] = _side_by_side(factors, rank)
    save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})
    said["target_modules"] = sorted({name for _, config in layers for name in config["target_modules"]})
    said.update(r=rank, lora_alpha=rank, base_model_name_or_path=base_of(str(below)))


def _side_by_side(factors: Sequence[tuple[Any, Any]], rank: int) -> tuple[Any, Any]:
    """One down [rank, inputs] and one up [outputs, rank] factor, with zeros where there are fewer ranks."""
    import torch

    down, up = torch.cat([one for one, _ in factors]), torch.cat([one for _, one in factors], dim=1)
    missing = rank - down.shape[0]
    return torch.nn.functional.pad(down, (0, 0, 0, missing)), torch.nn.functional.pad(up, (0, missing))


def _said(folder: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    return said


def _summable(folder: Path) -> None:
    said = _said(folder)
    reasons = [name for name in UNSUMMABLE if said.get(name)]
    if said.get("peft_type") != "LORA":
        reasons.insert(0, str(said.get("peft_type")))
    if isinstance(said.get("target_modules"), str):
        reasons.append("target_modules as a pattern")
    if reasons:
        raise UserError(
            f"an adapter cannot be trained on top of the one in {folder}: it uses {', '.join(reasons)}",
            help="`lora: {merge: true}` leaves a whole model in place of an adapter",
        )
