"""A model folder from a stranger is refused before any library reads it, and nothing in it runs."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import UserError
from constitutional.builtin import contents
from constitutional.builtin.backends import loading
from tests.backends import tiny


class Bomb:
    """Pickled, it writes a file when it is read."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.canary}",)


def edited(name: str, **values: Any) -> Callable[[Path, Path], None]:
    def change(folder: Path, canary: Path) -> None:
        path = folder / name
        said = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**said, **values}))

    return change


def pickled(name: str) -> Callable[[Path, Path], None]:
    return lambda folder, canary: (folder / name).write_bytes(pickle.dumps(Bomb(canary)))


def written(name: str, content: bytes) -> Callable[[Path, Path], None]:
    def change(folder: Path, canary: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content.replace(b"CANARY", str(canary).encode()))

    return change


def truncated(folder: Path, canary: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def linked_out(folder: Path, canary: Path) -> None:
    shutil.move(folder / "config.json", folder.parent / "outside.json")
    (folder / "config.json").symlink_to(folder.parent / "outside.json")


def folder_linked_out(folder: Path, canary: Path) -> None:
    (folder.parent / "outside").mkdir()
    (folder.parent / "outside" / "model-00002.safetensors").write_bytes(b"")
    (folder / "more").symlink_to(folder.parent / "outside")


def without_weights(folder: Path, canary: Path) -> None:
    (folder / "model.safetensors").unlink()


def weights(header: bytes, length: int | None = None, data: bytes = b"") -> Callable[[Path, Path], None]:
    whole = struct.pack("<Q", len(header) if length is None else length) + header + data
    return written("model.safetensors", whole)


CODE = b"import pathlib; pathlib.Path('CANARY').touch()"
ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
HOSTILE: dict[str, Callable[[Path, Path], None]] = {
    **{name: pickled(name) for name in ("pytorch_model.bin", "model.pt", "model.pth", "x.pkl", "x.pickle", "x.ckpt",
                                        "training_args.bin", "MODEL.BIN", "x.h5", "flax_model.msgpack", "x.joblib",
                                        "x.npy", "x.npz", "x.dill", "x.gguf")},
    "code": written("modeling_evil.py", CODE),
    "code in a folder": written("custom_generate/generate.py", CODE),
    "compiled code": written("modeling_evil.pyc", b"\0"),
    "auto_map": edited("config.json", auto_map={"AutoModelForCausalLM": "modeling_evil.Evil"}),
    "auto_map of another repository": edited("config.json", auto_map={"AutoConfig": "evil/repo--config.Evil"}),
    "auto_map in the tokenizer": edited("tokenizer_config.json", auto_map={"AutoTokenizer": ["tok.Evil", None]}),
    "auto_map in the generation config": edited("generation_config.json", auto_map={"AutoConfig": "x.Y"}),
    "auto_map deeper": edited("config.json", text_config={"auto_map": {"AutoConfig": "x.Y"}}),
    "auto_map in a list": edited("config.json", parts=[{"auto_map": {"AutoConfig": "x.Y"}}]),
    "custom_generate": edited("generation_config.json", custom_generate="evil/repo"),
    "custom_pipelines": edited("config.json", custom_pipelines={"x": {"impl": "evil.Evil"}}),
    "trust_remote_code": edited("config.json", trust_remote_code=True),
    "truncated weights": truncated,
    "empty weights": written("model.safetensors", b""),
    "header of 100 GB": weights(b"{}", 100 * 1024**3),
    "header of 2^63": weights(b"{}", 2**63 + 1),
    "header that is no JSON": weights(b"{nope"),
    "header that is a list": weights(b"[1]"),
    "header of nested lists": weights(b"[" * 200_000),
    "negative offsets": weights(json.dumps({"x": {**ONE, "data_offsets": [-4, 4]}}).encode(), data=b"0000"),
    "offsets that overlap": weights(json.dumps({"x": ONE, "y": ONE}).encode(), data=b"0000"),
    "offsets with a hole": weights(json.dumps({"x": {**ONE, "data_offsets": [4, 8]}}).encode(), data=b"0" * 8),
    "offsets that are no numbers": weights(json.dumps({"x": {**ONE, "data_offsets": ["a", "b"]}}).encode(), data=b"0000"),
    "data beyond the header": weights(json.dumps({"x": ONE}).encode(), data=b"0" * 99),
    "a link out": linked_out,
    "a folder linked out": folder_linked_out,
    "no weights": without_weights,
    "config that is no JSON": written("config.json", b"{"),
    "config of nested lists": written("config.json", b"[" * 200_000),
    "config that is not UTF-8": written("config.json", b"\xff\xfe"),
    "config that is a list": written("config.json", b"[]"),
    "sizes beyond reason": edited("config.json", vocab_size=2**31, hidden_size=2**20),
    "layers beyond reason": edited("config.json", num_hidden_layers=10**9),
    "unknown architecture": edited("config.json", model_type="evil", architectures=["EvilModel"]),
}  # fmt: skip


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_folder_is_refused_and_nothing_in_it_runs(
    llama: Path, tmp_path: Path, change: Callable[[Path, Path], None]
) -> None:
    canary, folder = tmp_path / "canary", tmp_path / "model"
    shutil.copytree(llama, folder)
    change(folder, canary)
    with pytest.raises(UserError):
        loading.load_model(str(folder), device="cpu", dtype=None, attention="sdpa", revision=None, adapter=None)
    assert not canary.exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model folder"):
        loading.resolve(str(tmp_path / "nothing"))


def test_the_embedded_model_passes() -> None:
    loading.inspect_folder(Path(loading.resolve("builtin:support-agent")))


def test_an_honest_folder_passes(llama: Path) -> None:
    loading.inspect_folder(llama)


def test_a_file_that_changed_since_it_was_looked_at_is_looked_at_again(llama: Path, tmp_path: Path) -> None:
    folder, old = tmp_path / "model", time.time() - 3600
    shutil.copytree(llama, folder)
    config = folder / "config.json"
    honest = config.read_text()
    config.write_text(json.dumps({**json.loads(honest), "note": {"auto_nap": "x" * 10}}))
    os.utime(config, (old, old))
    hostile = config.read_text().replace("auto_nap", "auto_map")
    loading.inspect_folder(folder)
    for _ in range(3):  # as long, with the same time on it, and so told from the first by the time of the change alone
        config.write_text(hostile)
        os.utime(config, (old, old))
        with pytest.raises(UserError, match="asks for code to be run"):
            loading.inspect_folder(folder)


def test_a_file_that_has_settled_is_read_once(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    inspect = loading._inspect_json
    monkeypatch.setattr(loading, "_inspect_json", lambda path: (read.append(path), inspect(path)))
    monkeypatch.setattr(loading, "_PASSED", {})
    monkeypatch.setattr(contents, "SETTLED_NS", 10**18)
    loading.inspect_folder(llama)
    first = len(read)
    assert first
    loading.inspect_folder(llama)
    assert len(read) == 2 * first  # written moments ago: a change might leave no trace
    monkeypatch.setattr(contents, "SETTLED_NS", -1)
    loading.inspect_folder(llama)
    loading.inspect_folder(llama)
    assert len(read) == 3 * first


def test_a_key_that_is_hidden_by_another_of_its_name_is_found(llama: Path, tmp_path: Path) -> None:
    shutil.copytree(llama, tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    config.write_text('{"part": {"auto_map": {"AutoConfig": "x.Y"}}, "part": {}, ' + config.read_text().lstrip()[1:])
    with pytest.raises(UserError, match="asks for code to be run"):
        loading.inspect_folder(tmp_path / "model")


def test_a_hostile_adapter_is_refused(llama: Path, tmp_path: Path) -> None:
    small = tiny.adapter(llama, tmp_path / "adapter")
    (small / "adapter_model.bin").write_bytes(pickle.dumps(Bomb(tmp_path / "canary")))
    with pytest.raises(UserError, match="may run code"):
        loading.load_model(str(llama), device="cpu", dtype=None, attention="sdpa", revision=None, adapter=small)
    assert not (tmp_path / "canary").exists()


def test_a_folder_with_code_is_refused_by_the_tokenizer_too(llama: Path, tmp_path: Path) -> None:
    shutil.copytree(llama, tmp_path / "model")
    (tmp_path / "model" / "tok.py").write_bytes(CODE)
    with pytest.raises(UserError, match="may run code"):
        loading.load_tokenizer(str(tmp_path / "model"), None)


def test_every_call_that_loads_says_that_no_code_is_trusted() -> None:
    import ast

    import constitutional.builtin

    bare = []
    for path in Path(constitutional.builtin.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called.endswith("from_pretrained") and not called.startswith(("Peft", "AutoPeft")):
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}  # type: ignore[attr-defined]
                if given.get("trust_remote_code") != "False":
                    bare.append(f"{path}:{node.lineno}")  # type: ignore[attr-defined]
            if called in {"torch.load", "pickle.load", "pickle.loads", "yaml.load", "eval", "exec"}:
                bare.append(f"{path}:{node.lineno}")  # type: ignore[attr-defined]
    assert not bare


def test_models_that_are_loaded_at_the_same_time_do_not_mix(llama):
    """Many evaluators open several models at once, each in a thread of its own."""
    from concurrent.futures import ThreadPoolExecutor

    import torch

    def load(turn):
        return loading.load_model(
            str(llama), device="cpu", dtype=torch.float32, attention="sdpa", revision=None, adapter=None
        )

    with ThreadPoolExecutor(8) as pool:
        models = list(pool.map(load, range(16)))
    assert not any(parameter.is_meta for model in models for parameter in model.parameters())
