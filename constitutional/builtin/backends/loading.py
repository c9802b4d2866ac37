"""Loading: where a model is, what may be in its folder, and how it comes into memory.

A folder from a stranger is looked at before any library reads it: weights must be safetensors, and nothing in it may ask
for code to be run.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from constitutional.api import UserError

BUILTIN = "builtin:"
#: Files that hold pickles or code, and keys of configurations that name code.
REFUSED_SUFFIXES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack", ".py", ".so"}
REFUSED_KEYS = {"auto_map", "custom_pipelines", "custom_generate", "trust_remote_code"}
#: What decides a model's answers; a card or a log does not.
DECIDING_SUFFIXES = {".safetensors", ".json", ".jinja", ".model", ".txt"}
MOST_JSON = 200 * 1024 * 1024


def resolve(model: str) -> str:
    """The folder or hub name of a model; `builtin:NAME` is the folder in the package.

    Raises:
        UserError: if a folder is not there or holds what is refused.
    """
    if model.startswith(BUILTIN):
        from constitutional.embedded import path

        return str(path(model.removeprefix(BUILTIN)))
    if model.startswith("/"):
        inspect_folder(Path(model))
    return model


def is_folder(model: str) -> bool:
    return model.startswith("/")


def inspect_folder(folder: Path) -> None:
    """Refuse a model folder that holds pickles, code, or weights that are not safetensors.

    Raises:
        UserError: with the file that is the reason.
    """
    if not folder.is_dir():
        raise UserError(f"there is no model folder {folder}")
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        if path.suffix.lower() in REFUSED_SUFFIXES:
            raise UserError(f"{path} may run code when it is read", help="convert the weights to safetensors")
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{path} points out of the model's folder")
        if path.suffix == ".json":
            _inspect_json(path)
        if path.suffix == ".safetensors":
            _inspect_weights(path)
    if not any(path.suffix == ".safetensors" for path in files):
        raise UserError(f"{folder} holds no safetensors weights")


def _inspect_json(path: Path) -> None:
    if path.stat().st_size > MOST_JSON:
        raise UserError(f"{path} is larger than {MOST_JSON // 1024**2} MiB")
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON: {error}") from error
    asked = REFUSED_KEYS & said.keys() if isinstance(said, dict) else set()
    if any(said[key] for key in asked):
        raise UserError(
            f"{path} asks for code to be run (`{min(asked)}`)", help="only models of transformers itself are loaded"
        )


def _inspect_weights(path: Path) -> None:
    """The header must fit the file: eight bytes of length, then JSON whose offsets end where the file does."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise UserError(f"{path} is truncated or no safetensors file")
        try:
            header = json.loads(file.read(length))
            end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(f"{path} has a damaged header") from error
    if end != size - 8 - length:
        raise UserError(f"{path} is truncated: its header promises {end} bytes, {size - 8 - length} are there")


def folder_identity(folder: Path) -> str:
    """SHA-256 over the files that decide a model's answers."""
    deciding = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in DECIDING_SUFFIXES)
    whole = hashlib.sha256()
    for path in deciding:
        stat = path.stat()
        whole.update(
            f"{path.relative_to(folder).as_posix()}\0{_file_digest(str(path), stat.st_size, stat.st_mtime_ns)}\n".encode()
        )
    return whole.hexdigest()


@lru_cache(maxsize=4096)
def _file_digest(path: str, size: int, time: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def quiet() -> None:
    """Keep transformers from progress bars and advice: the terminal is the engine's."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def device_of(wish: str) -> str:
    """The device: the best there is where the wish is `auto`."""
    import torch

    if wish != "auto":
        return wish
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def dtype_of(wish: str, device: str, deterministic: bool) -> Any:
    """The precision: bfloat16 where the hardware has it, else float32; float64 where rows must not depend on batches."""
    import torch

    if deterministic:
        return torch.float64
    if wish != "auto":
        return getattr(torch, wish)
    return torch.bfloat16 if device == "cuda" and torch.cuda.is_bf16_supported() else torch.float32


def load_model(
    model: str, *, device: str, dtype: Any, attention: str, revision: str | None, adapter: Path | None
) -> Any:
    """A causal language model in evaluation mode, with a LoRA adapter on it where there is one.

    Raises:
        UserError: if there is no such model, or its weights are refused.
    """
    from transformers import AutoModelForCausalLM

    place = resolve(model)
    try:
        loaded = AutoModelForCausalLM.from_pretrained(
            place, dtype=dtype, attn_implementation=attention, revision=revision, local_files_only=is_folder(place),
            use_safetensors=True, trust_remote_code=False,
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"model {model} cannot be loaded: {error}") from error
    if adapter is not None:
        loaded = _with_adapter(loaded, adapter)
    return loaded.to(device).eval()


def _with_adapter(model: Any, adapter: Path) -> Any:
    from peft import PeftModel

    inspect_folder(adapter)
    return PeftModel.from_pretrained(model, str(adapter), is_trainable=False)


def load_tokenizer(model: str, revision: str | None) -> Any:
    """The model's tokenizer, padding on the left."""
    from transformers import AutoTokenizer

    place = resolve(model)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            place, revision=revision, local_files_only=is_folder(place), trust_remote_code=False, padding_side="left"
        )
    except (OSError, ValueError) as error:
        raise UserError(f"the tokenizer of {model} cannot be loaded: {error}") from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
