"""Loading: where a model is, what may be in its folder, and how it comes into memory.

A folder from a stranger is looked at before any library reads it: weights must be safetensors, and nothing in it may ask
for code to be run.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from constitutional.api import UserError
from constitutional.builtin.contents import State, content_digest, settled_state

BUILTIN = "builtin:"
ADAPTER_CONFIG = "adapter_config.json"
#: What may lie in a model folder; all else may be a pickle or code under some name.
ALLOWED_SUFFIXES = {".safetensors", ".json", ".jsonl", ".jinja", ".model", ".tiktoken", ".txt", ".md", ".yaml", ".yml",
                    ".csv", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".pdf", ""}  # fmt: skip
#: Keys of configurations that name code.
REFUSED_KEYS = {"auto_map", "custom_pipelines", "custom_generate", "trust_remote_code"}
#: What decides a model's answers; a card or a log does not.
DECIDING_SUFFIXES = {".safetensors", ".json", ".jinja", ".model", ".txt"}
MOST_JSON = 200 * 1024 * 1024
#: The largest header of a safetensors file, as in its own library.
MOST_HEADER = 100_000_000
#: Layers, heads, experts: a model with more is a way to keep a machine busy.
MOST_PARTS = 4096
#: transformers makes a model on the meta device by a switch for the whole process: two threads would mix up their weights.
LOADING = threading.Lock()
#: Files that were looked at by this process, as they stood then; a step asks for the same folder up to six times.
_PASSED: dict[Path, State] = {}


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


def base_of(place: str) -> str:
    """The weights that the adapter in a folder belongs to, or the place itself where it is no adapter.

    Raises:
        UserError: if an adapter does not say what it belongs to, or that is not there, or is the adapter itself.
    """
    above: list[Path] = []
    while is_folder(place) and (config := Path(place) / ADAPTER_CONFIG).is_file():
        above.append(Path(place).resolve())
        try:
            place = resolve(str(json.loads(config.read_text(encoding="utf-8"))["base_model_name_or_path"]))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{config} does not say which model the adapter belongs to") from error
        if is_folder(place) and Path(place).resolve() in above:
            raise _circular(config, above[above.index(Path(place).resolve()) :])
    return place


def _circular(config: Path, circle: Sequence[Path]) -> UserError:
    if len(circle) == 1:
        return UserError(f"{config} says that the adapter belongs to itself")
    return UserError(
        f"adapters belong to each other, and none to a model: {' -> '.join(map(str, [*circle, circle[0]]))}"
    )


def inspect_folder(folder: Path) -> None:
    """Refuse a model folder that holds pickles, code, or weights that are not safetensors.

    Raises:
        UserError: with the file that is the reason.
    """
    if not folder.is_dir():
        raise UserError(f"there is no model folder {folder}")
    inside = folder.resolve()
    weights = False
    for path in folder.rglob("*"):
        if not path.resolve().is_relative_to(inside):
            raise UserError(f"{path} points out of the model's folder")
        if path.is_file():
            _inspect_file(path)
            weights = weights or path.suffix == ".safetensors"
    if not weights:
        raise UserError(f"{folder} holds no safetensors weights")


def _inspect_file(path: Path) -> None:
    if path.suffix.lower() not in ALLOWED_SUFFIXES:
        raise UserError(f"{path} may run code when it is read", help="keep safetensors, configurations and texts alone")
    state = settled_state(path)
    if state is not None and _PASSED.get(path) == state:
        return
    if path.suffix == ".json":
        _inspect_json(path)
    if path.suffix == ".safetensors":
        _inspect_weights(path)
    if state is not None:
        _PASSED[path] = state


def _inspect_json(path: Path) -> None:
    if path.stat().st_size > MOST_JSON:
        raise UserError(f"{path} is larger than {MOST_JSON // 1024**2} MiB")
    mappings: list[dict[str, Any]] = []

    def noted(one: dict[str, Any]) -> dict[str, Any]:
        mappings.append(one)
        return one

    try:
        said = json.loads(path.read_text(encoding="utf-8"), object_hook=noted)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON: {error}") from error
    if path.name.endswith("config.json") and not isinstance(said, dict):
        raise UserError(f"{path} is not a configuration")
    for one in mappings:
        for key in REFUSED_KEYS & one.keys():
            if one[key] and (isinstance(one[key], bool) or not isinstance(one[key], int)):
                raise UserError(
                    f"{path} asks for code to be run (`{key}`)", help="only models of transformers itself are loaded"
                )
        if path.name == "config.json":
            _inspect_sizes(path, one)


def _inspect_sizes(path: Path, said: dict[str, Any]) -> None:
    for key, value in said.items():
        if key.startswith("num_") and isinstance(value, int) and value > MOST_PARTS:
            raise UserError(f"{path}: `{key}` is {value}, more than {MOST_PARTS}")


def _inspect_weights(path: Path) -> None:
    """Eight bytes of length, then a JSON header whose tensors follow each other without a gap up to the file's end."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, MOST_HEADER):
            raise UserError(f"{path} is truncated or no safetensors file")
        try:
            header = json.loads(file.read(length))
            spans = sorted(tuple(entry["data_offsets"]) for name, entry in header.items() if name != "__metadata__")
            end = 0
            for start, stop in spans:
                if start != end or stop < start:
                    raise ValueError("tensors overlap or leave a gap")
                end = stop
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(f"{path} has a damaged header: {error}") from error
    if end != size - 8 - length:
        raise UserError(f"{path} is truncated: its header promises {end} bytes, {size - 8 - length} are there")


def folder_identity(folder: Path) -> str:
    """SHA-256 over the files that decide a model's answers."""
    deciding = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in DECIDING_SUFFIXES)
    whole = hashlib.sha256()
    for path in deciding:
        whole.update(f"{path.relative_to(folder).as_posix()}\0{content_digest(path)}\n".encode())
    return whole.hexdigest()


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
    with LOADING:
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
